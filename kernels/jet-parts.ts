/** WGSL that the versions of the dense jet share: an activation's jet from the saved form, its adjoint, rows of registers. */
import { type Call, type Code, type Index, literal, loop, range, type Tensor, unroll } from '../engine/index.ts';
import { activations, type Product } from './activation.ts';
import { type DenseJetParams, savedBy } from './dense-jet.ts';
import { type Carried, channelsOf, type JetSlot, slotsOf } from './slots.ts';

/** Sizes of one call: S [B,loaded,K,N], W [B,O,K], result [B,stored,O,N]. */
export interface JetSizes extends Carried, Pick<DenseJetParams, 'from' | 'to'> {
  readonly B: number;
  /** Channels of a jet, and of its forms as they are loaded and stored. */
  readonly C: number;
  readonly loaded: number;
  readonly stored: number;
  readonly K: number;
  readonly O: number;
  readonly N: number;
  readonly slots: readonly JetSlot[];
}

export function sizesOf({ params, inputs }: Call<DenseJetParams>): JetSizes {
  const [B, , K, N] = inputs[0]!.shape as [number, number, number, number];
  const { from, to } = params;
  const C = channelsOf(params);
  const [loaded, stored] = [C - 1 + savedBy(from), C - 1 + savedBy(to)];
  return { ...params, B, C, loaded, stored, K, N, O: inputs[1]!.shape[1]!, slots: slotsOf(params) };
}

/**
 * Does something with each of up to `count` rows of registers, `NAME_0`, `NAME_1`, .. for each of `names`. The rows move
 * up to `NAME_0` in turn, `by` at a time, so that `use` is written, and compiled, `by` times: it is told the row and the
 * registers' number. A compiler that knew `count` would unroll the loop: `rows` is a uniform of that value. `by` divides
 * both `count` and the rows that are left.
 */
export function eachRow(
  count: number,
  rows: string,
  left: string,
  names: readonly string[],
  use: (j: string, register: number) => Code,
  by = 1,
): Code {
  const move = unroll(count - by, (j) => names.map((name) => `${name}_${j} = ${name}_${j + by};`));
  const uses = unroll(by, (k) => use(k === 0 ? 'j' : `(j + ${k}u)`, k));
  return loop('j', `min(${rows}, ${left})`, [uses, move], { step: by });
}

/** The channels `name0`, `name1`, .. of a row at a point of a tensor [B,C,rows,N]. */
export const loadChannels = (name: string, count: number, from: Tensor, row: Index, point: Index): Code =>
  unroll(count, (c) => `let ${name}${c} = ${from('batch', c, row, point)};`);

/** The channels of a saved form `s0`, `s1`, .. by what they hold. */
function channelsIn(s: string, { from, D, slots }: JetSizes) {
  const saved = savedBy(from);
  const named = (count: number, start: number) => range(count).map((k) => `${s}${start + k}`);
  return { p: named(saved, 0), first: named(D, saved), second: named(slots.length, saved + D) };
}

/** A slot's sum of products of first derivatives: z_1*z_1 + z_2*z_2 of the Laplacian. */
function products(slot: JetSlot, first: readonly string[]): string {
  return slot
    .map(({ a, b, weight }) => `${weight === 1 ? '' : `${literal(weight)}*`}${first[a]}*${first[b]}`)
    .join(' + ');
}

/** `y0..`, the jet of the activation, from the saved form `s0..`; of what is in no saved form, itself. */
export function activate(y: string, s: string, sizes: JetSizes): Code {
  const { D, slots, from, C } = sizes;
  if (from === 'linear') return unroll(C, (c) => `let ${y}${c} = ${s}${c};`);
  const { p, first, second } = channelsIn(s, sizes);
  const f = activations[from].inCode.at(p, `${y}s`);
  return [
    `let ${y}0 = ${f.value};`,
    C > 1 ? f.define : [],
    unroll(D, (d) => `let ${y}${1 + d} = ${f.first(first[d]!)};`),
    slots.map((slot, k) => `let ${y}${1 + D + k} = ${f.second(second[k]!, products(slot, first))};`),
  ];
}

/** The cotangent of the saved form `s0..` from the cotangent `g0..` of the jet: expressions by channel, and what they use. */
export function activateAdjoint(g: string, s: string, sizes: JetSizes): { before: Code; channels: readonly string[] } {
  const { D, slots, from, C } = sizes;
  if (from === 'linear') return { before: [], channels: range(C).map((c) => `${g}${c}`) };
  const { p, first, second } = channelsIn(s, sizes);
  const f = activations[from].inCode.at(p, 'slope');
  const ofSlot = (k: number) => `${g}${1 + D + k}`;
  const saved = f.saved(
    `${g}0`,
    first.map((z, d) => ({ g: `${g}${1 + d}`, z })),
    second.map((z, k) => ({ g: ofSlot(k), z, q: `q${k}` })),
  );
  /** Where z_d enters the slots: d(weight z_a z_b) / d z_d. */
  const productsWith = (d: number) =>
    slots.flatMap((slot, k) =>
      slot.flatMap(({ a, b, weight }): Product[] => {
        if (a === d && b === d) return [{ factor: 2 * weight, z: first[d]!, g: ofSlot(k) }];
        if (a !== d && b !== d) return [];
        return [{ factor: weight, z: first[a === d ? b : a]!, g: ofSlot(k) }];
      }),
    );
  return {
    before: [C > 1 ? f.define : [], slots.map((slot, k) => `let q${k} = ${products(slot, first)};`), saved.before],
    channels: [
      ...saved.bars,
      ...range(D).map((d) => f.firstBar(`${g}${1 + d}`, productsWith(d))),
      ...second.map((_, k) => `slope*${ofSlot(k)}`),
    ],
  };
}

/**
 * The cotangent of the affine map's channel `c` at row `o`, from that of the layer's result: where that is in saved form,
 * what is saved of the value goes back through the activation.
 */
export function affineBar(c: number, bar: Tensor, result: Tensor, { to }: JetSizes, o: Index, n: Index): string {
  const saved = savedBy(to);
  if (to === 'linear' || c > 0) return bar('batch', c + saved - 1, o, n);
  const channels = (of: Tensor) => range(saved).map((e) => of('batch', e, o, n));
  return activations[to].inCode.saveBar(channels(result), channels(bar));
}
