/**
 * The orthogonal factor of a QR decomposition by Householder reflections (Golub and Van Loan, 5.2.1), batched: the
 * definition that the kernel of `qr.ts` implements. Columns are brought to the same size first: R takes up any positive
 * column scaling, Q stays, and float32 neither over- nor underflows.
 */
import {
  abs,
  add,
  broadcast,
  composite,
  concat,
  div,
  full,
  less,
  max,
  mul,
  slice,
  sqrt,
  square,
  sub,
  sum,
  type Var,
  where,
  zeros,
} from '../engine/index.ts';

/**
 * Columns whose largest element is outside [TINY, 1 / TINY] are first multiplied by LIFT or 1 / LIFT, powers of two:
 * reciprocals and squares of what is left neither overflow nor vanish.
 */
export const TINY = 2 ** -64;
export const LIFT = 2 ** 96;
/** A column, whose largest element was 1, with less than this left of ||x||^2 has lost all its digits to the others. */
export const NEGLIGIBLE = 2 ** -100;

/** Q of A = QR for A [B,n,n]; columns whose remainder vanishes get an arbitrary direction orthogonal to the others. */
export function qr(A: Var): Var {
  return composite('qr', {}, [A], ([A]) => [householder(A!)])[0]!;
}

/** A reflection I - v (v^T / half) on the trailing block; `inverse` is 1 / half, or 0 for none. */
interface Reflection {
  readonly v: Var;
  readonly inverse: Var;
}

function householder(A: Var): Var {
  const [, n] = A.shape as [number, number, number];
  const largest = max(abs(A), [1]);
  const lift = where(less(largest, TINY), LIFT, where(less(1 / TINY, largest), 1 / LIFT, 1));
  const lifted = mul(largest, lift);
  let rest = div(mul(A, lift), where(less(0, lifted), lifted, 1));
  const reflections: Reflection[] = [];
  for (let r = n; r > 1; r--) {
    const reflection = reflectionOf(slice(rest, 2, 0, 1));
    reflections.push(reflection);
    rest = slice(slice(apply(reflection, rest), 1, 1, r), 2, 1, r);
  }
  let Q = full(rest, 1);
  for (const reflection of reflections.reverse()) Q = apply(reflection, bordered(Q));
  return Q;
}

/** Turns x [B,r,1] onto the first axis, away from where it points: v = x + sign(x_1) ||x|| e_1, half = v^T v / 2. */
function reflectionOf(x: Var): Reflection {
  const r = x.shape[1]!;
  const head = slice(x, 1, 0, 1);
  const squares = sum(square(x), [1]);
  const norm = sqrt(squares);
  const half = add(squares, mul(abs(head), norm));
  const v = concat([add(head, where(less(head, 0), mul(-1, norm), norm)), slice(x, 1, 1, r)], 1);
  const turns = less(NEGLIGIBLE, half);
  return { v, inverse: where(turns, div(1, where(turns, half, 1)), 0) };
}

function apply({ v, inverse }: Reflection, A: Var): Var {
  return sub(A, mul(v, mul(inverse, sum(mul(v, A), [1]))));
}

/** [[1, 0], [0, Q]]. */
function bordered(Q: Var): Var {
  const [B, r] = Q.shape as [number, number, number];
  const { tape } = Q;
  const top = concat([broadcast(full(slice(slice(Q, 1, 0, 1), 2, 0, 1), 1), [B, 1, 1]), zeros(tape, [B, 1, r])], 2);
  return concat([top, concat([zeros(tape, [B, r, 1]), Q], 2)], 1);
}
