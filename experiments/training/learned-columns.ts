/** The columns of J that belong to learned parameters, one for each, on the host: L of M rows each. */
import type { Span } from '../../optim/index.ts';

export class LearnedColumns {
  readonly data: Float64Array;
  /** Where their parameters lie in theta. */
  readonly span: Span;
  readonly #rows: number;

  /** `data` [L,M]. */
  constructor(data: Float64Array, span: Span) {
    this.data = data;
    this.span = span;
    this.#rows = data.length / span.count;
  }

  /** Adds J_l J_l^T of all of them to K [M,M]. */
  addGram(K: Float64Array): void {
    for (const column of this.#columns())
      column.forEach((a, i) => {
        for (let j = 0; j < column.length; j++) {
          const at = i * column.length + j;
          K[at] = K[at]! + a * column[j]!;
        }
      });
  }

  /** J_l . y for each, [L]. */
  transposed(y: Float64Array): number[] {
    return this.#columns().map((column) => column.reduce((sum, a, i) => sum + a * y[i]!, 0));
  }

  /** Adds their share of J phi, phi [P], to a result [M]. */
  addApplied(result: Float64Array, phi: Float64Array): void {
    for (const [l, column] of this.#columns().entries()) {
      const own = phi[this.span.start + l]!;
      column.forEach((a, i) => {
        result[i] = result[i]! + a * own;
      });
    }
  }

  #columns(): Float64Array[] {
    const M = this.#rows;
    return Array.from({ length: this.span.count }, (_, l) => this.data.subarray(l * M, (l + 1) * M));
  }
}
