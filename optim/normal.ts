/** J^T J in float64 from the columns of J, where each column is zero outside some spans of rows. */
import type { LayerFactors } from './gram.ts';
import { addProducts } from './products.ts';

/** Columns that are zero outside the same spans of rows: those of one network. */
export interface Columns {
  /** [count, M]: each column lies contiguous. */
  readonly data: Float64Array;
  readonly count: number;
  readonly spans: readonly { readonly start: number; readonly count: number }[];
}

/** The lower triangle of J^T J [P,P] for P columns in groups, of M rows each. */
export function lowerNormal(groups: readonly Columns[], rows: number): Float64Array {
  const total = groups.reduce((sum, { count }) => sum + count, 0);
  const data = new Float64Array(total * total);
  let top = 0;
  for (const [k, left] of groups.entries()) {
    let start = 0;
    for (const right of groups.slice(0, k + 1)) {
      for (const { from, to } of shared(left, right)) {
        const part = ({ data, count }: Columns) => ({ data, start: from, stride: rows, count });
        const a = part(left);
        const own = left === right;
        const out = { data, start: top * total + start, stride: total };
        addProducts(out, a, own ? a : part(right), to - from, { lower: own });
      }
      start += right.count;
    }
    top += left.count;
  }
  return data;
}

/** Runs of rows in which the columns of both groups may be other than zero, as long as can be. */
function shared(left: Columns, right: Columns): { from: number; to: number }[] {
  const runs: { from: number; to: number }[] = [];
  for (const a of left.spans)
    for (const b of right.spans) {
      const from = Math.max(a.start, b.start);
      const to = Math.min(a.start + a.count, b.start + b.count);
      const last = runs.at(-1);
      if (from < to && last?.to === from) last.to = to;
      else if (from < to) runs.push({ from, to });
    }
  return runs;
}

/**
 * Adds the columns of a layer's weights and biases to `columns`, [O K + O, M] for the M numbers of `scale`, which rows
 * are multiplied by; the rows of the factors are those of `spans`, in order, which may share some.
 */
export function layerColumns(
  columns: Float64Array,
  { channels: C, deltas, activations }: LayerFactors,
  spans: Columns['spans'],
  scale: Float64Array,
): void {
  const rows = spans.reduce((sum, { count }) => sum + count, 0);
  const [O, K] = [deltas.length / (C * rows), activations.length / (C * rows)];
  const sums = new Float64Array(rows);
  const write = (column: number, values: Float64Array) => {
    let m = 0;
    for (const { start, count } of spans)
      for (let n = start; n < start + count; n++) {
        const at = column * scale.length + n;
        columns[at] = columns[at]! + values[m++]! * scale[n]!;
      }
  };
  for (let o = 0; o < O; o++) {
    for (let k = 0; k < K; k++) {
      sums.fill(0);
      for (let c = 0; c < C; c++) {
        const [d, a] = [(c * O + o) * rows, (c * K + k) * rows];
        for (let m = 0; m < rows; m++) sums[m] = sums[m]! + deltas[d + m]! * activations[a + m]!;
      }
      write(o * K + k, sums);
    }
    write(O * K + o, deltas.subarray(o * rows, (o + 1) * rows));
  }
}
