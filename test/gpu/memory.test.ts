/** Slots of temporaries: values alive at once never share one, and a slot is no larger than its largest value. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exponentOf } from '../../bench/scaling.ts';
import { assignSlots, type Lifetime } from '../../engine/gpu/memory.ts';

const lifetimes = fc
  .array(fc.record({ size: fc.integer({ min: 1, max: 50 }), from: fc.nat(20), length: fc.nat(8) }), { maxLength: 30 })
  .map((all) => all.map(({ size, from, length }, root): Lifetime => ({ root, size, from, to: from + length })));

const meet = (a: Lifetime, b: Lifetime) => a.from <= b.to && b.from <= a.to;

describe('assignSlots', () => {
  it('parts values that are alive at the same dispatch, and fits every value', () => {
    fc.assert(
      fc.property(lifetimes, (all) => {
        const { slotOf, sizes } = assignSlots(all);
        for (const a of all) {
          const slot = slotOf.get(a.root)!;
          const guests = all.filter(({ root }) => slotOf.get(root) === slot);
          expect(guests.filter((b) => b !== a && meet(a, b))).toEqual([]);
          expect(sizes[slot]).toBe(Math.max(...guests.map(({ size }) => size)));
        }
      }),
    );
  });

  it('gives what looking at every slot, the smallest first, gives', () => {
    fc.assert(
      fc.property(lifetimes, (all) => {
        const guests: Lifetime[][] = [];
        const expected = new Map<number, number>();
        for (const value of all.toSorted((a, b) => b.size - a.size || a.from - b.from)) {
          const free = guests.findLastIndex((others) => !others.some((other) => meet(value, other)));
          const slot = free >= 0 ? free : guests.push([]) - 1;
          guests[slot]!.push(value);
          expected.set(value.root, slot);
        }
        expect(assignSlots(all).slotOf).toEqual(expected);
      }),
    );
  });

  it('takes far less than quadratic time in values that are all alive at once', () => {
    const points = [4000, 64_000].map((operations) => {
      const all = Array.from({ length: operations }, (_, root) => ({
        root,
        size: 1 + (root % 7),
        from: root,
        to: 1e6,
      }));
      const start = process.cpuUsage();
      expect(assignSlots(all).sizes).toHaveLength(operations);
      const { user, system } = process.cpuUsage(start);
      return { operations, seconds: (user + system) / 1e6 };
    });
    expect(exponentOf(points)).toBeLessThan(1.6);
  });

  it('does not widen a slot of small values for a large one that comes later', () => {
    const small = { root: 0, size: 1, from: 0, to: 9 };
    const large = [
      { root: 1, size: 100, from: 0, to: 3 },
      { root: 2, size: 100, from: 10, to: 12 },
    ];
    const { sizes } = assignSlots([small, ...large]);
    expect(sizes).toEqual([100, 1]);
  });

  it('takes the smallest slot that is free', () => {
    const { slotOf, sizes } = assignSlots([
      { root: 0, size: 100, from: 0, to: 1 },
      { root: 1, size: 10, from: 0, to: 1 },
      { root: 2, size: 5, from: 2, to: 3 },
    ]);
    expect(sizes).toEqual([100, 10]);
    expect(slotOf.get(2)).toBe(slotOf.get(1));
  });
});
