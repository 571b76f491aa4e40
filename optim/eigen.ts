/** Eigenvectors of symmetric matrices in float64, for the start of SOAP: the only linear algebra done on the CPU. */
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';

/** A matrix with an infinite or undefined element, which has no eigenvectors. */
export class NonFiniteMatrixError extends RangeError {
  override readonly name = 'NonFiniteMatrixError';
  /** Which of the matrices, and the element's row and column in it. */
  readonly at: { readonly matrix: number; readonly row: number; readonly column: number };
  constructor(at: { matrix: number; row: number; column: number }, value: number) {
    super(`matrix ${at.matrix} has no eigenvectors: its element [${at.row},${at.column}] is ${value}`);
    this.at = at;
  }
}

/**
 * Eigenvectors of `count` symmetric matrices of extent n, row-major one after another; as columns, in order of falling
 * eigenvalue. Signs, and bases of equal eigenvalues, are arbitrary. Throws {@link NonFiniteMatrixError}.
 */
export function eigenvectors(matrices: ArrayLike<number>, count: number, n: number): Float64Array {
  const all = new Float64Array(count * n * n);
  for (let k = 0; k < count; k++) {
    const matrix = new Matrix(n, n);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        const value = 0.5 * (matrices[(k * n + i) * n + j]! + matrices[(k * n + j) * n + i]!);
        if (!Number.isFinite(value)) throw new NonFiniteMatrixError({ matrix: k, row: i, column: j }, value);
        matrix.set(i, j, value);
      }
    const scale = Math.max(matrix.max(), -matrix.min());
    if (scale > 0) matrix.div(scale);
    const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(matrix, { assumeSymmetric: true });
    const order = realEigenvalues.map((_, j) => j).sort((a, b) => realEigenvalues[b]! - realEigenvalues[a]!);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) all[(k * n + i) * n + j] = eigenvectorMatrix.get(i, order[j]!);
  }
  return all;
}
