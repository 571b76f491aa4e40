/**
 * Causal weights for time (Wang, Sankaran and Perdikaris 2024, "Respecting causality for training physics-informed neural
 * networks"): time is cut into slices, and the residuals of slice i weigh w_i = exp(-epsilon sum_{k<i} L_k), with L_k the
 * mean of the squared residuals of slice k. What is later counts once what is earlier holds. Of several equations each has
 * weights of its own, and the smallest holds for all.
 */
import {
  detach,
  div,
  exp,
  index,
  less,
  max,
  mul,
  neg,
  reshape,
  slice,
  stack,
  sub,
  sum,
  type Var,
  where,
} from '../engine/index.ts';
import { TIME } from './fields.ts';
import type { System } from './system.ts';

/** Slices of time, of equal length. */
export const SLICES = 32;

/** Names of the inputs that hold epsilon [R,1] and the ends of the slices [2,SLICES]. */
export const CAUSAL = 'causal';
export const CAUSAL_SLICES = 'causal.slices';

/** Beyond every time. */
const FAR = 1e30;

/** Beginnings of the slices, then their ends; the first and the last take what lies outside. */
export function sliceEnds({ extents = {} }: Pick<System, 'extents'>): Float64Array {
  const [low, high] = extents[TIME] ?? [0, 1];
  const inner = Array.from({ length: SLICES - 1 }, (_, k) => low + ((high - low) * (k + 1)) / SLICES);
  return Float64Array.of(-FAR, ...inner, ...inner, FAR);
}

/** Weights [R,N] of points at times t [R,N], without derivative, from the squared residuals of each equation [R,N]. */
export function causalWeights(squares: readonly Var[], t: Var, epsilon: Var, ends: Var): Var {
  const [R, N] = t.shape as [number, number];
  const [from, to] = [0, 1].map((k) => reshape(slice(ends, 0, k, k + 1), [1, SLICES, 1])) as [Var, Var];
  const times = reshape(t, [R, 1, N]);
  /** 1 for a point in a slice, [R,SLICES,N]. */
  const within = sub(less(times, to), less(times, from));
  const count = sum(within, [2]);
  const held = where(less(count, 0.5), 1, count);
  const starts = index(ends, 0, 0);
  const earlier = less(reshape(starts, [1, 1, SLICES]), reshape(starts, [1, SLICES, 1]));
  const weights = squares.map((square) => {
    const means = div(sum(mul(within, reshape(square, [R, 1, N])), [2]), held);
    const before = sum(mul(earlier, reshape(means, [R, 1, SLICES])), [2]);
    return exp(neg(mul(reshape(epsilon, [R, 1, 1]), before)));
  });
  const least = neg(max(stack(weights.map(neg), 0), [0], false));
  return detach(reshape(sum(mul(within, least), [1]), [R, N]));
}
