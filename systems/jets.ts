/** What of a network's derivatives is carried through its layers. */
import { range } from '../engine/index.ts';
import type { JetSlot } from '../kernels/index.ts';

/** What jets carry besides the value. */
export interface Jets {
  /** The coordinates, rising, whose first derivatives they carry. */
  readonly first: readonly number[];
  /** Second-order slots; coordinates are counted among those of `first`. */
  readonly second: readonly JetSlot[];
}

/** Jets in D coordinates of order 0 (the value), 1 (first derivatives too), 2 (the Laplacian too). */
export function jetsUpTo(order: 0 | 1 | 2, D: number): Jets {
  const first = order >= 1 ? range(D) : [];
  return { first, second: order === 2 ? [first.map((d) => ({ a: d, b: d, weight: 1 }))] : [] };
}
