/** Assigns root buffers to slots: values whose lifetimes do not meet share one. */

export interface Lifetime {
  readonly root: number;
  /** Elements. */
  readonly size: number;
  /** First and last dispatch that touches it. */
  readonly from: number;
  readonly to: number;
}

/**
 * Slot of each root, and each slot's size in elements. Best fit among the free slots, in order of birth; a slot that
 * is too small grows when no larger one is free.
 */
export function assignSlots(lifetimes: readonly Lifetime[]): { slotOf: Map<number, number>; sizes: number[] } {
  const sizes: number[] = [];
  const busyUntil: number[] = [];
  const slotOf = new Map<number, number>();
  for (const { root, size, from, to } of [...lifetimes].sort((a, b) => a.from - b.from || b.size - a.size)) {
    const free = sizes.flatMap((_, slot) => (busyUntil[slot]! < from ? [slot] : []));
    const fitting = free.filter((slot) => sizes[slot]! >= size).sort((a, b) => sizes[a]! - sizes[b]!)[0];
    const largest = free.sort((a, b) => sizes[b]! - sizes[a]!)[0];
    const slot = fitting ?? largest ?? sizes.push(0) - 1;
    sizes[slot] = Math.max(sizes[slot]!, size);
    busyUntil[slot] = to;
    slotOf.set(root, slot);
  }
  return { slotOf, sizes };
}
