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
 * Slot of each root, and each slot's size in elements: the largest value first, into the smallest slot that nothing else
 * needs meanwhile (greedy by size; Pisarchyk and Lee 2020). A small value never widens a slot.
 */
export function assignSlots(lifetimes: readonly Lifetime[]): { slotOf: Map<number, number>; sizes: number[] } {
  const sizes: number[] = [];
  const guests: Lifetime[][] = [];
  const slotOf = new Map<number, number>();
  for (const value of [...lifetimes].sort((a, b) => b.size - a.size || a.from - b.from)) {
    const free = guests.findLastIndex((others) => others.every(({ from, to }) => to < value.from || value.to < from));
    const slot = free >= 0 ? free : sizes.push(value.size) - 1;
    guests[slot] = [...(guests[slot] ?? []), value];
    slotOf.set(value.root, slot);
  }
  return { slotOf, sizes };
}
