/**
 * BFGS with limited memory (Liu and Nocedal 1989): the direction from the last steps s and changes y of the gradient by
 * the two-loop recursion, on H_0 = (s.y / y.y) of the last of them.
 */
import type { LeastSquares } from './gauss-newton.ts';
import type { QuasiNewtonStep } from './ssbroyden.ts';
import { type Evaluated, evaluated, inner, wolfeSearch } from './wolfe.ts';

/** Steps that are remembered. */
export const REMEMBERED = 20;

export interface LbfgsState {
  theta: Float64Array;
  /** The oldest first. */
  pairs: { readonly s: Float64Array; readonly y: Float64Array }[];
  /** What is known at theta. */
  here?: Evaluated;
}

export const startOfLbfgs = (theta: Float64Array): LbfgsState => ({ theta, pairs: [] });

/** Takes one step; `state` is changed in place. Where no step lowers the loss, what is remembered is dropped. */
export async function lbfgsStep(problem: LeastSquares, state: LbfgsState): Promise<QuasiNewtonStep> {
  const here = state.here ?? (await evaluated(problem, state.theta));
  const direction = twoLoops(state.pairs, here.gradient).map((x) => -x);
  const first = state.pairs.length === 0 ? Math.min(1, 1 / Math.sqrt(inner(here.gradient, here.gradient))) : 1;
  const found = await wolfeSearch(problem, here, direction, first);
  if (!found) {
    Object.assign(state, { pairs: [], here });
    return { residual: here.residual, loss: here.loss, eta: 0 };
  }
  const { eta, at } = found;
  const s = direction.map((d) => eta * d);
  const y = at.gradient.map((g, k) => g - here.gradient[k]!);
  if (inner(y, s) > 0) state.pairs = [...state.pairs, { s, y }].slice(-REMEMBERED);
  Object.assign(state, { theta: at.theta, here: at });
  return { residual: here.residual, loss: at.loss, eta };
}

/** H g for the inverse Hessian that the pairs stand for; g where there are none. */
export function twoLoops(pairs: LbfgsState['pairs'], gradient: Float64Array): Float64Array {
  let q = gradient;
  const shares: number[] = [];
  for (const [k, { s, y }] of [...pairs.entries()].reverse()) {
    const share = inner(s, q) / inner(s, y);
    shares[k] = share;
    q = q.map((x, i) => x - share * y[i]!);
  }
  const last = pairs.at(-1);
  if (last) {
    const scale = inner(last.s, last.y) / inner(last.y, last.y);
    q = q.map((x) => scale * x);
  }
  for (const [k, { s, y }] of pairs.entries()) {
    const share = shares[k]! - inner(y, q) / inner(s, y);
    q = q.map((x, i) => x + share * s[i]!);
  }
  return q;
}
