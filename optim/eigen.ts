/** Eigenvectors of symmetric matrices in float64, for the start of SOAP: the only linear algebra done on the CPU. */
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';

/**
 * Eigenvectors of `count` symmetric matrices of extent n, row-major one after another; as columns, in order of falling
 * eigenvalue. Signs, and bases of equal eigenvalues, are arbitrary.
 */
export function eigenvectors(matrices: ArrayLike<number>, count: number, n: number): Float64Array {
  const all = new Float64Array(count * n * n);
  for (let k = 0; k < count; k++) {
    const matrix = new Matrix(n, n);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++)
        matrix.set(i, j, 0.5 * (matrices[(k * n + i) * n + j]! + matrices[(k * n + j) * n + i]!));
    const scale = Math.max(matrix.max(), -matrix.min());
    if (scale > 0) matrix.div(scale);
    const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(matrix, { assumeSymmetric: true });
    const order = realEigenvalues.map((_, j) => j).sort((a, b) => realEigenvalues[b]! - realEigenvalues[a]!);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) all[(k * n + i) * n + j] = eigenvectorMatrix.get(i, order[j]!);
  }
  return all;
}
