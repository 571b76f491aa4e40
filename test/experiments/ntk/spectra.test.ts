/** Linear algebra of the NTK, against the library's own decompositions of small matrices. */
import { EigenvalueDecomposition, Matrix, SVD } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { exactLargest } from '../../../experiments/ntk/exact.ts';
import {
  applySymmetric,
  beside,
  computedRange,
  effectiveRank,
  firstColumns,
  largestEigenvalue,
  largestOfGram,
  rankOf,
  reduceRows,
  singular,
  type Tall,
} from '../../../experiments/ntk/spectra.ts';
import { type Measured, meansOf, slopeOf } from '../../../experiments/ntk/study.ts';
import { generator } from '../../support/tensors.ts';

/** A matrix with singular values 1, 1/ratio, 1/ratio^2, .. */
function graded(rows: number, columns: number, rank: number, ratio: number): Tall {
  const random = generator(rows * 31 + columns);
  const orthonormal = (n: number) =>
    new SVD(
      Matrix.from1DArray(
        n,
        rank,
        Array.from({ length: n * rank }, () => random() - 0.5),
      ),
    ).leftSingularVectors;
  const [U, V] = [orthonormal(rows), orthonormal(columns)];
  const product = U.mmul(Matrix.diag(Array.from({ length: rank }, (_, k) => ratio ** -k))).mmul(V.transpose());
  return { rows, columns, data: Float64Array.from(product.to1DArray()) };
}
const copy = ({ rows, columns, data }: Tall): Tall => ({ rows, columns, data: data.slice() });

describe('reduction of rows', () => {
  it('keeps singular values and left singular vectors, down to rounding', () => {
    const J = graded(30, 200, 10, 10);
    const L = reduceRows(copy(J));
    expect(L.columns).toBeLessThan(20);
    const { U, values } = singular(L);
    for (let k = 0; k < 10; k++) expect(Math.abs(values[k]! - 10 ** -k)).toBeLessThan(1e-15 + 1e-15);
    const exact = new SVD(Matrix.from1DArray(30, 200, [...J.data])).leftSingularVectors;
    for (let k = 0; k < 8; k++) {
      let overlap = 0;
      for (let i = 0; i < 30; i++) overlap += U.data[i * U.columns + k]! * exact.get(i, k);
      expect(Math.abs(overlap)).toBeCloseTo(1, 10);
    }
    expect([1e-3, 1e-6, 1e-8].map((t) => rankOf(values, 0.5 * t))).toEqual([4, 7, 9]);
  });

  it('takes rows of zeros, of one column, and no rank at all', () => {
    expect(reduceRows({ rows: 3, columns: 1, data: Float64Array.of(0, 2, 0) })).toEqual({
      rows: 3,
      columns: 1,
      data: Float64Array.of(0, 2, 0),
    });
    const none = reduceRows({ rows: 2, columns: 3, data: new Float64Array(6) });
    expect([none.columns, singular(none).values.length, largestOfGram(none)]).toEqual([0, 0, 0]);
  });
});

describe('largest eigenvalues', () => {
  it('are the library`s', () => {
    for (const n of [1, 2, 17, 90]) {
      const A = graded(n, n + 5, n, 1.3);
      const product = Matrix.from1DArray(n, n + 5, [...A.data]);
      const K = product.mmul(product.transpose());
      const exact = Math.max(...new EigenvalueDecomposition(K, { assumeSymmetric: true }).realEigenvalues);
      expect(largestOfGram(A) / exact).toBeCloseTo(1, 11);
      expect(largestEigenvalue((x) => applySymmetric(K.to1DArray(), x), n) / exact).toBeCloseTo(1, 11);
    }
  });

  it('of projectors that share a direction count them', () => {
    const shared = { rows: 4, columns: 1, data: Float64Array.of(0.5, 0.5, 0.5, 0.5) };
    const other = { rows: 4, columns: 1, data: Float64Array.of(1, 0, 0, 0) };
    expect(largestOfGram(beside([shared, shared, shared]))).toBeCloseTo(3, 12);
    expect(largestOfGram(beside([shared, other]))).toBeCloseTo(1.5, 12);
    expect(firstColumns(beside([shared, other]), 1)).toEqual(shared);
  });

  it('of one share is an effective rank of one', () => {
    expect(effectiveRank([5])).toBeCloseTo(1, 12);
    expect(effectiveRank([2, 2, 2, 0])).toBeCloseTo(3, 12);
  });
});

describe('ranges', () => {
  it('as computed hold what rounding adds, but nothing of a row of zeros', () => {
    const low = graded(12, 300, 3, 10);
    expect(computedRange(low).columns).toBe(12);
    const some = copy(low);
    some.data.copyWithin(300, 0, 300);
    some.data.fill(0, 600, 900);
    const range = computedRange(some);
    expect(range.columns).toBeGreaterThanOrEqual(10);
    expect(range.columns).toBeLessThanOrEqual(11);
    for (let j = 0; j < range.columns; j++) expect(range.data[2 * range.columns + j]!).toBeCloseTo(0, 12);
  });

  it('in exact arithmetic are those of the jets at each point', () => {
    const rows = [
      { name: 'a', group: 'interior', count: 2 },
      { name: 'b', group: 'interior', count: 2 },
    ];
    // Network 1 acts on a alone, network 2 on both in one direction at the first point, in any at the second.
    const first = { rows: 4, columns: 2, data: Float64Array.of(1, 0, 0, 1, 0, 0, 0, 0) };
    const along = { rows: 4, columns: 2, data: Float64Array.of(3, 0, 3, 0, 3, 0, 3, 0) };
    expect(exactLargest(rows, [first, along])).toBeCloseTo(1 + Math.SQRT1_2, 12);
    const free = { rows: 4, columns: 2, data: Float64Array.of(3, 0, 1e-3, 0, 3, 0, 0, 1) };
    expect(exactLargest(rows, [first, free])).toBeCloseTo(2, 12);
  });
});

describe('series', () => {
  const measured = (coupling: number, seed: number, lambda: number) =>
    ({
      coupling,
      seed,
      epoch: 0,
      ntk: { lambdaMax: lambda },
      preconditioned: { lambdaMax: 2, exact: 2 },
      layers: { lambdaMax: 9 },
      theorems: {},
    }) as Measured;
  it('have means over seeds and a slope where the coupling dominates', () => {
    const all = [1, 10, 20, 100].flatMap((k) => [measured(k, 1, 100 + 3 * k ** 2), measured(k, 2, 100 + 5 * k ** 2)]);
    const means = meansOf(all);
    expect(means.map(({ coupling, ntk }) => [coupling, ntk])).toEqual([
      [1, 104],
      [10, 500],
      [20, 1700],
      [100, 40100],
    ]);
    const { from, ntk } = slopeOf(means)!;
    expect(from).toBe(10);
    expect(ntk).toBeGreaterThan(1.8);
    expect(ntk).toBeLessThan(2);
    expect(slopeOf(means.slice(0, 2))).toBeUndefined();
  });
});
