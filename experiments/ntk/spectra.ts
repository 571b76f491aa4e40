/**
 * Spectra of Jacobians in float64. The rows of these Jacobians are smooth functions of a few coordinates, so their
 * numerical rank is far below their number: rows are first reduced to coordinates in an orthonormal basis of what they
 * span, J = L Q with Q Q^T = 1, which keeps every singular value and left singular vector; L is small enough for the
 * singular value decomposition of a library.
 */
import { EigenvalueDecomposition, Matrix, SVD } from 'ml-matrix';

/** A tall matrix, row-major. */
export interface Tall {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
}

/** Rows are followed until what is left of each is this small against the largest: the noise of float64 rows. */
const NOISE = 1e-15;

/**
 * L [rows, rank] with J = L Q, Q of orthonormal rows, up to `noise` times the largest row of J. Gram-Schmidt from the
 * largest remaining row on, each direction orthogonalised again, so that small singular values keep their accuracy.
 * Leaves in J what is left of the rows, of those that gave a direction nothing.
 */
export function reduceRows({ rows, columns, data }: Tall, noise = NOISE): Tall {
  const left = Float64Array.from({ length: rows }, (_, i) => dot(data, i * columns, data, i * columns, columns));
  const floor = noise ** 2 * left.reduce((a, b) => Math.max(a, b), 0);
  const basis: Float64Array[] = [];
  const coordinates: Float64Array[] = [];
  while (basis.length < Math.min(rows, columns)) {
    const pivot = left.reduce((best, size, i) => (size > left[best]! ? i : best), 0);
    if (left[pivot]! <= floor) break;
    const q = data.slice(pivot * columns, (pivot + 1) * columns);
    for (let sweep = 0; sweep < 2; sweep++)
      for (const other of basis) subtract(q, 0, other, dot(q, 0, other, 0, columns));
    const size = Math.sqrt(dot(q, 0, q, 0, columns));
    for (let p = 0; p < columns; p++) q[p] = q[p]! / size;
    const l = new Float64Array(rows);
    for (let i = 0; i < rows; i++) {
      if (left[i]! <= floor) continue;
      const at = i * columns;
      l[i] = dot(data, at, q, 0, columns);
      left[i] = subtract(data, at, q, l[i]!);
    }
    left[pivot] = 0;
    data.fill(0, pivot * columns, (pivot + 1) * columns);
    basis.push(q);
    coordinates.push(l);
  }
  return beside(
    coordinates.map((l) => ({ rows, columns: 1, data: l })),
    rows,
  );
}

/**
 * Orthonormal columns that span what the columns of J span as computed, rounding included: directions far below the
 * accuracy of the rows count as much as any other. A sample of the columns of J, more than rows, will do.
 */
export function computedRange(J: Tall): Tall {
  const { rows, columns, data } = J;
  const touched = Array.from({ length: rows }, (_, i) => dot(data, i * columns, data, i * columns, columns) > 0);
  const indices = touched.flatMap((some, i) => (some ? [i] : []));
  if (isIndependent(J, indices)) {
    const unit = new Float64Array(rows * indices.length);
    indices.forEach((i, j) => {
      unit[i * indices.length + j] = 1;
    });
    return { rows, columns: indices.length, data: unit };
  }
  const { data: reduced, columns: rank } = reduceRows({ rows, columns, data: data.slice() }, FAR_BELOW_ROUNDING);
  const scaled = new Float64Array(rows * rank);
  for (let j = 0; j < rank; j++) {
    let size = 0;
    for (let i = 0; i < rows; i++) size = Math.max(size, Math.abs(reduced[i * rank + j]!));
    for (let i = 0; i < rows; i++) scaled[i * rank + j] = reduced[i * rank + j]! / size;
  }
  const { U, values } = singular({ rows, columns: rank, data: scaled });
  return firstColumns(U, rankOf(values, DEPENDENT));
}

/** Whether the given rows of J are independent: what reduction leaves of them, scaled to length 1, has full rank. */
function isIndependent({ rows, columns, data }: Tall, indices: readonly number[]): boolean {
  if (columns < indices.length) return false;
  const rest = data.slice();
  reduceRows({ rows, columns, data: rest });
  const left = indices.map((i) => rest.subarray(i * columns, (i + 1) * columns));
  const rowsLeft = left.filter((row) => dot(row, 0, row, 0, columns) > 0);
  const n = rowsLeft.length;
  const factor: Float64Array[] = [];
  for (let i = 0; i < n; i++) {
    const row = rowsLeft[i]!;
    const size = dot(row, 0, row, 0, columns);
    const own = new Float64Array(n);
    for (let j = 0; j < i; j++)
      own[j] = (dot(row, 0, rowsLeft[j]!, 0, columns) - dot(own, 0, factor[j]!, 0, j)) / factor[j]![j]!;
    const remains = size - dot(own, 0, own, 0, i);
    if (remains <= DEPENDENT * size) return false;
    own[i] = Math.sqrt(remains);
    factor.push(own);
  }
  return true;
}

/** Share of its square that a row must keep off the others to count as independent of them. */
const DEPENDENT = 1e-10;
/** What exactly dependent rows leave of each other lies below this share of a row, and their rounding above it. */
const FAR_BELOW_ROUNDING = 1e-20;

/** x . y over `count` elements from the given places. */
function dot(x: Float64Array, from: number, y: Float64Array, at: number, count: number): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  let k = 0;
  for (; k + 3 < count; k += 4) {
    a += x[from + k]! * y[at + k]!;
    b += x[from + k + 1]! * y[at + k + 1]!;
    c += x[from + k + 2]! * y[at + k + 2]!;
    d += x[from + k + 3]! * y[at + k + 3]!;
  }
  for (; k < count; k++) a += x[from + k]! * y[at + k]!;
  return a + b + (c + d);
}

/** x <- x - factor y from a place on; returns what is left of |x|^2. */
function subtract(x: Float64Array, at: number, y: Float64Array, factor: number): number {
  let [even, odd] = [0, 0];
  const count = y.length;
  let k = 0;
  for (; k + 1 < count; k += 2) {
    const a = x[at + k]! - factor * y[k]!;
    const b = x[at + k + 1]! - factor * y[k + 1]!;
    x[at + k] = a;
    x[at + k + 1] = b;
    even += a * a;
    odd += b * b;
  }
  if (k < count) {
    const a = x[at + k]! - factor * y[k]!;
    x[at + k] = a;
    even += a * a;
  }
  return even + odd;
}

/** [A | B | ..]. */
export function beside(parts: readonly Tall[], rows = parts[0]?.rows ?? 0): Tall {
  const columns = parts.reduce((sum, part) => sum + part.columns, 0);
  const data = new Float64Array(rows * columns);
  let start = 0;
  for (const part of parts) {
    for (let i = 0; i < rows; i++)
      data.set(part.data.subarray(i * part.columns, (i + 1) * part.columns), i * columns + start);
    start += part.columns;
  }
  return { rows, columns, data };
}

/** Left singular vectors as columns, with their singular values in descending order. */
export interface Singular {
  readonly U: Tall;
  readonly values: Float64Array;
}

/** Economy SVD of a matrix from {@link reduceRows}. */
export function singular({ rows, columns, data }: Tall): Singular {
  if (columns === 0) return { U: { rows, columns, data }, values: new Float64Array(0) };
  const matrix = Matrix.from1DArray(rows, columns, data as unknown as number[]);
  const svd = new SVD(matrix, { computeLeftSingularVectors: true, computeRightSingularVectors: false });
  const U = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) U[i * columns + j] = svd.leftSingularVectors.get(i, j);
  return { U: { rows, columns, data: U }, values: Float64Array.from(svd.diagonal) };
}

/** How many singular values exceed `threshold` times the largest. */
export const rankOf = (values: ArrayLike<number>, threshold: number): number =>
  Array.from(values).filter((value) => value > threshold * values[0]!).length;

/** Columns `0..count` of a matrix. */
export function firstColumns({ rows, columns, data }: Tall, count: number): Tall {
  const own = new Float64Array(rows * count);
  for (let i = 0; i < rows; i++) own.set(data.subarray(i * columns, i * columns + count), i * count);
  return { rows, columns: count, data: own };
}

/** A A^T x. */
export function applyGram({ rows, columns, data }: Tall, x: Float64Array): Float64Array {
  const inner = new Float64Array(columns);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) inner[j] = inner[j]! + x[i]! * data[i * columns + j]!;
  return Float64Array.from({ length: rows }, (_, i) => dot(data, i * columns, inner, 0, columns));
}

/** Largest eigenvalue of A A^T, where A has far fewer columns than rows or is a square root of no particular shape. */
export const largestOfGram = (A: Tall): number => largestEigenvalue((x) => applyGram(A, x), A.rows);

/** M x for a symmetric matrix given by its elements. */
export function applySymmetric(elements: ArrayLike<number>, x: Float64Array): Float64Array {
  const n = x.length;
  return Float64Array.from({ length: n }, (_, i) => {
    let sum = 0;
    for (let j = 0; j < n; j++) sum += elements[i * n + j]! * x[j]!;
    return sum;
  });
}

const KRYLOV = 60;
const CONVERGED = 1e-13;

/**
 * Largest eigenvalue of a symmetric positive matrix from its products with vectors: Lanczos with full
 * orthogonalisation; the projected matrix is the library's.
 */
export function largestEigenvalue(apply: (x: Float64Array) => Float64Array, n: number): number {
  const basis: Float64Array[] = [];
  let x = Float64Array.from({ length: n }, (_, i) => 1 + 0.5 * Math.sin(1.7 * i + 0.3) + 0.25 * Math.cos(2.9 * i * i));
  const [diagonal, beside]: [number[], number[]] = [[], []];
  let largest = 0;
  for (let step = 0; step < Math.min(n, KRYLOV); step++) {
    for (let sweep = 0; sweep < 2; sweep++) for (const q of basis) subtract(x, 0, q, dot(x, 0, q, 0, n));
    const size = Math.sqrt(dot(x, 0, x, 0, n));
    if (step > 0) {
      if (size <= CONVERGED * Math.abs(largest)) break;
      beside.push(size);
    }
    if (size === 0) return 0;
    const q = x.map((value) => value / size);
    basis.push(q);
    x = Float64Array.from(apply(q));
    diagonal.push(dot(q, 0, x, 0, n));
    const T = Matrix.zeros(step + 1, step + 1);
    for (const [i, value] of diagonal.entries()) T.set(i, i, value);
    for (const [i, value] of beside.entries()) {
      T.set(i, i + 1, value);
      T.set(i + 1, i, value);
    }
    const { realEigenvalues } = new EigenvalueDecomposition(T, { assumeSymmetric: true });
    const next = Math.max(...realEigenvalues);
    const settled = step > 8 && Math.abs(next - largest) <= CONVERGED * Math.abs(next);
    largest = next;
    if (settled) break;
  }
  return largest;
}

/** exp of the entropy of the eigenvalues' shares (Roy and Vetterli 2007): how many directions carry the spectrum. */
export function effectiveRank(eigenvalues: ArrayLike<number>): number {
  const values = Array.from(eigenvalues).filter((value) => value > 0);
  const total = values.reduce((a, b) => a + b, 0);
  return Math.exp(values.reduce((sum, value) => sum - (value / total) * Math.log(value / total), 0));
}
