/** How points enter a network: coordinates mapped to [-1,1], or as sine and cosine of one period, with their derivatives. */
import { add, broadcast, concat, cos, full, mul, sin, slice, stack, sub, type Var, zeros } from '../engine/index.ts';
import type { Architecture } from './architecture.ts';
import type { Jets } from './jets.ts';

type Extent = readonly [low: number, high: number];
/** The unit square is mapped by 2x - 1. */
const UNIT: Extent = [0, 1];

/** Jets of what enters the first layer at points X [B,D,N]: channels [B,C,E,N], derivatives with respect to x. */
export function inputJet(
  X: Var,
  jets: Jets,
  { extents, periodic = [] }: Pick<Architecture, 'extents' | 'periodic'>,
): Var {
  if (periodic.length === 0) return mappedJet(X, jets, extents);
  const [B, D, N] = X.shape as [number, number, number];
  const zero = () => zeros(X.tape, [B, 1, N]);
  const rows = Array.from({ length: D }, (_, d) => {
    const extent = extents?.[d] ?? UNIT;
    const x = slice(X, 1, d, d + 1);
    return periodic.includes(d) ? wave(x, extent) : [line(x, extent)];
  });
  const channel = (of: (row: Row, d: number) => Var) =>
    concat(
      rows.flatMap((own, d) => own.map((row) => of(row, d))),
      1,
    );
  return stack(
    [
      channel(({ value }) => value),
      ...jets.first.map((along) => channel(({ slope }, d) => (d === along ? slope : zero()))),
      ...jets.second.map((slot) =>
        channel(({ bend }, d) => {
          const own = slot.filter(({ a, b }) => jets.first[a] === d && jets.first[b] === d);
          return bend && own.length > 0 ? own.map(({ weight }) => mul(weight, bend)).reduce(add) : zero();
        }),
      ),
    ],
    1,
  );
}

/** What enters from one coordinate, [B,1,N], with its first and second derivative along it. */
interface Row {
  readonly value: Var;
  readonly slope: Var;
  /** Absent where it is zero. */
  readonly bend?: Var;
}

const line = (x: Var, [low, high]: Extent): Row => ({
  value: sub(mul(2 / (high - low), x), (low + high) / (high - low)),
  slope: broadcast(full(x, 2 / (high - low)), x.shape),
});

function wave(x: Var, [low, high]: Extent): Row[] {
  const w = (2 * Math.PI) / (high - low);
  const phase = mul(w, sub(x, low));
  const [s, c] = [sin(phase), cos(phase)];
  return [
    { value: s, slope: mul(w, c), bend: mul(-w * w, s) },
    { value: c, slope: mul(-w, s), bend: mul(-w * w, c) },
  ];
}

/** Of coordinates mapped to [-1,1], 2x-1 where they begin at 0 and end at 1: their second derivatives vanish. */
function mappedJet(X: Var, { first, second }: Jets, extents: Architecture['extents']): Var {
  const [B, D, N] = X.shape as [number, number, number];
  const { tape } = X;
  const scale = (d: number) => {
    const [low, high] = extents?.[d] ?? UNIT;
    return 2 / (high - low);
  };
  const middle = (d: number) => {
    const [low, high] = extents?.[d] ?? UNIT;
    return (low + high) / (high - low);
  };
  const unit = (d: number) =>
    concat(
      Array.from({ length: D }, (_, k) =>
        k === d ? broadcast(full(slice(X, 1, 0, 1), scale(d)), [B, 1, N]) : zeros(tape, [B, 1, N]),
      ),
      1,
    );
  const mapped = extents
    ? concat(
        Array.from({ length: D }, (_, d) => sub(mul(scale(d), slice(X, 1, d, d + 1)), middle(d))),
        1,
      )
    : sub(mul(2, X), 1);
  return stack([mapped, ...first.map(unit), ...second.map(() => zeros(tape, X.shape))], 1);
}
