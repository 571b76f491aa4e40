/** Assigns root buffers to slots: values whose lifetimes do not meet share one. */

export interface Lifetime {
  readonly root: number;
  /** Elements. */
  readonly size: number;
  /** First and last dispatch that touches it. */
  readonly from: number;
  readonly to: number;
}

/** Dispatches during which nothing needs a slot. */
interface Gap {
  readonly slot: number;
  readonly from: number;
  to: number;
}

/**
 * Slot of each root, and each slot's size in elements: the largest value first, into the smallest slot that nothing else
 * needs meanwhile (greedy by size; Pisarchyk and Lee 2020). A small value never widens a slot. Values of one size are
 * taken in the order of their beginnings, so for each size the gaps are gone through once.
 */
export function assignSlots(lifetimes: readonly Lifetime[]): { slotOf: Map<number, number>; sizes: number[] } {
  const sizes: number[] = [];
  const slotOf = new Map<number, number>();
  const ends = new LastAtLeast(lifetimes.length);
  let gaps: Gap[] = [];
  for (const values of bySize(lifetimes)) {
    const beginning = new Map<number, Gap[]>();
    const begin = (gap: Gap) => {
      const others = beginning.get(gap.from);
      if (others) others.push(gap);
      else beginning.set(gap.from, [gap]);
    };
    gaps.forEach(begin);
    /** The gap of each slot that has begun. */
    const current: Gap[] = [];
    let now = 0;
    for (const { root, size, from, to } of values) {
      for (; now <= from; now++)
        for (const gap of beginning.get(now) ?? []) {
          current[gap.slot] = gap;
          ends.set(gap.slot, gap.to);
        }
      let slot = ends.find(to);
      if (slot < 0) {
        slot = sizes.push(size) - 1;
        current[slot] = { slot, from: 0, to: Number.POSITIVE_INFINITY };
        gaps.push(current[slot]!);
      }
      const gap = current[slot]!;
      const rest = { slot, from: to + 1, to: gap.to };
      gaps.push(rest);
      begin(rest);
      gap.to = from - 1;
      ends.set(slot, -1);
      slotOf.set(root, slot);
    }
    gaps = gaps.filter((gap) => gap.from <= gap.to);
    sizes.forEach((_, slot) => {
      ends.set(slot, -1);
    });
  }
  return { slotOf, sizes };
}

/** Values of equal size, the largest first, each in the order of their beginnings. */
function bySize(lifetimes: readonly Lifetime[]): Lifetime[][] {
  const groups: Lifetime[][] = [];
  for (const value of lifetimes.toSorted((a, b) => b.size - a.size || a.from - b.from)) {
    const group = groups.at(-1);
    if (group && group[0]!.size === value.size) group.push(value);
    else groups.push([value]);
  }
  return groups;
}

/** Numbers at places 0 to n - 1, and the last place whose number is at least a given one. */
class LastAtLeast {
  /** The largest number below each node of a binary tree; the leaves are the places. */
  readonly #largest: Float64Array;
  readonly #leaves: number;

  constructor(n: number) {
    this.#leaves = 2 ** Math.ceil(Math.log2(Math.max(1, n)));
    this.#largest = new Float64Array(2 * this.#leaves).fill(-1);
  }

  set(place: number, value: number): void {
    const largest = this.#largest;
    let at = this.#leaves + place;
    largest[at] = value;
    for (at >>= 1; at >= 1; at >>= 1) largest[at] = Math.max(largest[2 * at]!, largest[2 * at + 1]!);
  }

  /** -1 where none is. */
  find(value: number): number {
    if (this.#largest[1]! < value) return -1;
    let at = 1;
    while (at < this.#leaves) at = this.#largest[2 * at + 1]! >= value ? 2 * at + 1 : 2 * at;
    return at - this.#leaves;
  }
}
