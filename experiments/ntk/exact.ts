/**
 * The ranges of block-diagonal Gauss-Newton in exact arithmetic. A residual at a point depends on a network through the
 * network's jet at that point alone, J_k = A_k B_k, with A_k block-diagonal over points. Over-parameterisation means that
 * the rows of B_k, the jets at distinct points, are independent; then the range of J_k is that of A_k, however small the
 * singular values of J_k are, and lambda_max(K_P) is the largest over points.
 */
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { firstColumns, rankOf, reduceRows, singular, type Tall } from './spectra.ts';
import type { RowGroup } from './tape.ts';

/** Derivatives by the jet at one point are numbers of float64: what is smaller than this share is rounding. */
const ROUNDING = 1e-12;

/** Derivatives of all M rows by the output jet of network f, from cotangents [F,C,O,M]: rows [M, C*O]. */
export function jetsOf([, C, O, M]: readonly number[], deltas: Float64Array, f: number): Tall {
  const columns = C! * O!;
  const data = new Float64Array(M! * columns);
  for (let c = 0; c < columns; c++)
    for (let m = 0; m < M!; m++) data[m * columns + c] = deltas[(f * columns + c) * M! + m]!;
  return { rows: M!, columns, data };
}

/** lambda_max of the sum over networks of projectors onto their ranges; `jets` by network, from {@link jetsOf}. */
export function exactLargest(rows: readonly RowGroup[], jets: readonly Tall[]): number {
  const starts = rows.map((_, r) => rows.slice(0, r).reduce((sum, { count }) => sum + count, 0));
  let most = 0;
  for (const group of new Set(rows.map((row) => row.group))) {
    const own = starts.filter((_, r) => rows[r]!.group === group);
    const { count } = rows.find((row) => row.group === group)!;
    for (let n = 0; n < count; n++) {
      const sum = Matrix.zeros(own.length, own.length);
      for (const jet of jets) sum.add(projector(rowsAt(jet, own, n)));
      most = Math.max(most, ...new EigenvalueDecomposition(sum, { assumeSymmetric: true }).realEigenvalues);
    }
  }
  return most;
}

function rowsAt({ columns, data }: Tall, starts: readonly number[], n: number): Tall {
  const rows = starts.map((start) => data.subarray((start + n) * columns, (start + n + 1) * columns));
  return { rows: starts.length, columns, data: Float64Array.from(rows.flatMap((row) => [...row])) };
}

function projector(A: Tall): Matrix {
  const { U, values } = singular(reduceRows(A, ROUNDING));
  const { rows, columns, data } = firstColumns(U, rankOf(values, ROUNDING));
  const P = Matrix.zeros(rows, rows);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < rows; j++)
      for (let k = 0; k < columns; k++) P.set(i, j, P.get(i, j) + data[i * columns + k]! * data[j * columns + k]!);
  return P;
}
