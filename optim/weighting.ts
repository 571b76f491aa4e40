/**
 * Weights of loss terms from the norms of their gradients: g_i over all parameters of a run, target_i = mean(g)/g_i,
 * w_i <- 0.9 w_i + 0.1 target_i. `grad-norm` takes the L2 norm every 1000 steps (Wang et al. 2025), `lra` the largest
 * magnitude every step (Wang, Teng and Perdikaris 2021).
 */
import {
  abs,
  add,
  concat,
  div,
  grad,
  less,
  max,
  mean,
  mul,
  reshape,
  slice,
  sqrt,
  square,
  sum,
  type Var,
  where,
} from '../engine/index.ts';

export type Weighting = 'none' | 'grad-norm' | 'lra';

/** Steps between updates of the weights by default; 0: never. */
export const UPDATE_EVERY: Readonly<Record<Weighting, number>> = { none: 0, 'grad-norm': 1000, lra: 1 };

/** Share of the old weight in an update. */
export const MEMORY = 0.9;
/** Norms up to this count as vanished: the weight's target is 1 then. */
const VANISHED = 1e-30;

/** Norms of the gradients of losses [R,K] with respect to parameters (each [R*networks,P]): L2 and largest magnitude, [R,K]. */
export function gradientNorms(
  losses: Var,
  thetas: readonly Var[],
): { l2: Var; max: Var; gradients: readonly (readonly Var[])[] } {
  const [R, K] = losses.shape as [number, number];
  const byRun = (v: Var) => reshape(v, [R, (v.shape[0]! * v.shape[1]!) / R]);
  const gradients = Array.from({ length: K }, (_, k) => grad(sum(slice(losses, 1, k, k + 1)), thetas));
  const l2 = gradients.map((terms) => sqrt(terms.map((g) => sum(square(byRun(g)), [1])).reduce(add)));
  const largest = gradients.map((terms) =>
    terms.map((g) => max(byRun(abs(g)), [1])).reduce((a, b) => where(less(a, b), b, a)),
  );
  return { l2: concat(l2, 1), max: concat(largest, 1), gradients };
}

/** Weights [R,K] after an update from norms [R,K]; `memory` is the share of the old weight. */
export function reweighted(weights: Var, norms: Var, memory = MEMORY): Var {
  const alive = less(VANISHED, norms);
  const target = where(alive, div(mean(norms, [1]), where(alive, norms, 1)), 1);
  return add(mul(memory, weights), mul(1 - memory, target));
}
