/** Statements of the paper on Jacobians small enough to know by hand, and on SOAP's blocks of every system. */
import { describe, expect, it } from 'vitest';
import { beside, largestOfGram, reduceRows, singular, type Tall } from '../../../experiments/ntk/spectra.ts';
import { theoremsOf } from '../../../experiments/ntk/theorems.ts';
import { soapPlans } from '../../../experiments/training/tapes.ts';
import { parameterCount, resolveParameters, seeded, systems } from '../../../systems/index.ts';

const tall = (rows: readonly (readonly number[])[]): Tall => ({
  rows: rows.length,
  columns: rows[0]!.length,
  data: Float64Array.from(rows.flat()),
});

/** Two residuals at two points each, two networks of two layers; the second residual sees the first network with kappa. */
function measured(kappa: number) {
  const rows = [
    { name: 'A', group: 'interior', count: 2 },
    { name: 'B', group: 'interior', count: 2 },
  ];
  const a = [
    tall([
      [1, 0],
      [0, 1],
      [kappa, 0],
      [0, 2 * kappa],
    ]),
    tall([[1], [1], [0], [0]]),
  ];
  const b = [
    tall([
      [0, 0],
      [0, 0],
      [3, 0],
      [0, 1],
    ]),
    tall([[0], [0], [1], [0]]),
  ];
  const parts = [a, b];
  const copy = (J: Tall): Tall => ({ ...J, data: J.data.slice() });
  const own = parts.map((layers) => singular(reduceRows(copy(beside(layers)))));
  const layerwise = parts.map((layers) => layers.map((J) => singular(reduceRows(copy(J)))));
  const lambdaMax = largestOfGram(beside(parts.flat()));
  return { rows, networks: ['a', 'b'], parts, own, layerwise, lambdaMax };
}

describe('theorem 1', () => {
  it('is the block off the diagonal, kappa squared times what it is at 1, and never above K', () => {
    for (const kappa of [1, 7]) {
      const given = measured(kappa);
      const { coupling, blocks } = theoremsOf(given);
      expect(coupling).toEqual({ residual: 'B', network: 'a', lambdaMax: expect.closeTo(4 * kappa ** 2, 9) });
      expect(blocks['A']!['b']).toBe(0);
      expect(blocks['B']!['b']).toBeCloseTo(10, 9);
      for (const value of Object.values(blocks).flatMap((own) => Object.values(own)))
        expect(value).toBeLessThanOrEqual(given.lambdaMax * (1 + 1e-12));
    }
  });

  it('has no block where residuals and networks are not paired', () => {
    const { rows, ...rest } = measured(1);
    const split = [{ ...rows[0]!, count: 1 }, { ...rows[0]!, name: 'A2', count: 1 }, rows[1]!];
    expect(theoremsOf({ rows: split, ...rest }).coupling).toBeUndefined();
  });
});

describe('corollary 1', () => {
  it('finds steps stable below 2/lambda_max and unstable above, and a wrong lambda_max out', () => {
    const given = measured(7);
    const { below, above } = theoremsOf(given).stability;
    expect(below).toBeLessThan(1);
    expect(above).toBeGreaterThan(100);
    expect(theoremsOf({ ...given, lambdaMax: 0.95 * given.lambdaMax }).stability.below).toBeGreaterThan(100);
    expect(theoremsOf({ ...given, lambdaMax: 1.05 * given.lambdaMax }).stability.above).toBeLessThan(1);
  });
});

describe('proposition 1', () => {
  it('part 1: every block of SOAP lies within one network, and none overlaps another', () => {
    for (const system of systems) {
      const problem = seeded(system, resolveParameters(system), [42], { hidden: 2, width: 4 });
      const plans = soapPlans(problem);
      // A row of theta is one network.
      for (const { theta, architecture } of problem.stacks) {
        const spans = plans
          .get(theta)!
          .groups.flatMap(({ rows, columns, blocks }) => blocks.map(({ at }) => [at, at + rows * columns] as const));
        const sorted = spans.toSorted(([a], [b]) => a - b);
        sorted.forEach(([start, end], k) => {
          expect(start).toBeGreaterThanOrEqual(sorted[k - 1]?.[1] ?? 0);
          expect(end).toBeLessThanOrEqual(parameterCount(architecture));
        });
        expect(sorted).toHaveLength(3);
      }
    }
  });

  it('part 3: ranges of layers lie within their network`s, and one that does not is found', () => {
    const given = measured(2);
    expect(theoremsOf(given).outside).toBeLessThan(1e-12);
    const stray = singular(reduceRows(tall([[0], [0], [0], [5]])));
    const without = singular(reduceRows(tall([[1], [1], [0], [0]])));
    expect(theoremsOf({ ...given, own: [without, given.own[1]!], layerwise: [[stray], []] }).outside).toBeCloseTo(
      1,
      12,
    );
  });
});
