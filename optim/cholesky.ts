/**
 * Cholesky factorisation in float64: the left half of the columns, products of its rows taken from the right half, then
 * the right half, each half in the same way. Nearly all of the time goes into the products.
 */
import { addProducts } from './products.ts';

/** Columns that are factorized one by one. */
const NARROW = 8;

/**
 * Overwrites the lower triangle of a symmetric positive definite matrix A [n,n], row-major, with L, A = L L^T; the upper
 * triangle is neither read nor written. False where A is not positive definite as computed; A is spoilt then.
 */
export function factorize(A: Float64Array, n: number): boolean {
  return n === 0 || factorizeColumns(A, n, 0, n);
}

/** Columns `start..stop`, on and below the diagonal, from which those before `start` are subtracted. */
function factorizeColumns(A: Float64Array, n: number, start: number, stop: number): boolean {
  if (stop - start <= NARROW) return factorizeNarrow(A, n, start, stop);
  const middle = start + NARROW * Math.ceil((stop - start) / (2 * NARROW));
  if (!factorizeColumns(A, n, start, middle)) return false;
  const rows = (from: number, to: number) => ({
    data: A,
    start: from * n + start,
    stride: n,
    count: to - from,
  });
  const rest = { data: A, start: middle * n + middle, stride: n };
  addProducts(rest, rows(middle, n), rows(middle, stop), middle - start, { factor: -1, lower: true });
  return factorizeColumns(A, n, middle, stop);
}

function factorizeNarrow(A: Float64Array, n: number, start: number, stop: number): boolean {
  for (let j = start; j < stop; j++) {
    const pivot = A[j * n + j]! - dot(A, j * n + start, j * n + start, j - start);
    if (!(pivot > 0)) return false;
    const root = Math.sqrt(pivot);
    A[j * n + j] = root;
    for (let i = j + 1; i < n; i++)
      A[i * n + j] = (A[i * n + j]! - dot(A, i * n + start, j * n + start, j - start)) / root;
  }
  return true;
}

/** Solves L L^T x = b for x, which replaces b. */
export function substitute(L: Float64Array, n: number, b: Float64Array): void {
  for (let i = 0; i < n; i++) {
    let sum = b[i]!;
    for (let k = 0; k < i; k++) sum -= L[i * n + k]! * b[k]!;
    b[i] = sum / L[i * n + i]!;
  }
  for (let i = n - 1; i >= 0; i--) {
    const x = b[i]! / L[i * n + i]!;
    b[i] = x;
    for (let k = 0; k < i; k++) b[k] = b[k]! - L[i * n + k]! * x;
  }
}

function dot(A: Float64Array, a: number, b: number, count: number): number {
  let sum = 0;
  for (let k = 0; k < count; k++) sum += A[a + k]! * A[b + k]!;
  return sum;
}
