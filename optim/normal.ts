/** J^T J in float64 from the columns of J, where each column is zero outside some spans of rows. */

/** Columns that are zero outside the same spans of rows: those of one network. */
export interface Columns {
  /** [count, M]: each column lies contiguous. */
  readonly data: Float64Array;
  readonly count: number;
  readonly spans: readonly { readonly start: number; readonly count: number }[];
}

/** Rows at a time, and columns against which four others are multiplied while they are near. */
const DEPTH = 512;
const NEAR = 64;

/** The lower triangle of J^T J [P,P] for P columns in groups, of M rows each. */
export function lowerNormal(groups: readonly Columns[], rows: number): Float64Array {
  const total = groups.reduce((sum, { count }) => sum + count, 0);
  const out = new Float64Array(total * total);
  let top = 0;
  for (const [k, left] of groups.entries()) {
    let start = 0;
    for (const right of groups.slice(0, k + 1)) {
      for (const { from, to } of shared(left, right))
        for (let m = from; m < to; m += DEPTH)
          for (let j = 0; j < right.count; j += NEAR) {
            const near = Math.min(j + NEAR, right.count);
            for (let i = left === right ? j - (j % 4) : 0; i < left.count; i += 4)
              for (let n = j; n < near; n += 4)
                if (left !== right || n < i + 4)
                  addProducts(out, total, top, start, left, right, rows, i, n, m, Math.min(m + DEPTH, to));
          }
      start += right.count;
    }
    top += left.count;
  }
  return out;
}

/** Runs of rows in which the columns of both groups may be other than zero. */
function shared(left: Columns, right: Columns): { from: number; to: number }[] {
  return left.spans.flatMap((a) =>
    right.spans.flatMap((b) => {
      const from = Math.max(a.start, b.start);
      const to = Math.min(a.start + a.count, b.start + b.count);
      return from < to ? [{ from, to }] : [];
    }),
  );
}

/** out(top + i.., start + j..) += four columns of the left by four of the right, over rows from..to. */
function addProducts(
  out: Float64Array,
  stride: number,
  top: number,
  start: number,
  left: Columns,
  right: Columns,
  rows: number,
  i: number,
  j: number,
  from: number,
  to: number,
): void {
  const [A, B] = [left.data, right.data];
  const [high, wide] = [Math.min(4, left.count - i), Math.min(4, right.count - j)];
  // Beyond the last column the last one is multiplied again, and dropped.
  const a0 = i * rows;
  const a1 = (i + Math.min(1, high - 1)) * rows;
  const a2 = (i + Math.min(2, high - 1)) * rows;
  const a3 = (i + high - 1) * rows;
  const b0 = j * rows;
  const b1 = (j + Math.min(1, wide - 1)) * rows;
  const b2 = (j + Math.min(2, wide - 1)) * rows;
  const b3 = (j + wide - 1) * rows;
  let [s00, s01, s02, s03] = [0, 0, 0, 0];
  let [s10, s11, s12, s13] = [0, 0, 0, 0];
  let [s20, s21, s22, s23] = [0, 0, 0, 0];
  let [s30, s31, s32, s33] = [0, 0, 0, 0];
  for (let m = from; m < to; m++) {
    const x0 = A[a0 + m]!;
    const x1 = A[a1 + m]!;
    const x2 = A[a2 + m]!;
    const x3 = A[a3 + m]!;
    const y0 = B[b0 + m]!;
    const y1 = B[b1 + m]!;
    const y2 = B[b2 + m]!;
    const y3 = B[b3 + m]!;
    s00 += x0 * y0;
    s01 += x0 * y1;
    s02 += x0 * y2;
    s03 += x0 * y3;
    s10 += x1 * y0;
    s11 += x1 * y1;
    s12 += x1 * y2;
    s13 += x1 * y3;
    s20 += x2 * y0;
    s21 += x2 * y1;
    s22 += x2 * y2;
    s23 += x2 * y3;
    s30 += x3 * y0;
    s31 += x3 * y1;
    s32 += x3 * y2;
    s33 += x3 * y3;
  }
  const sums = [s00, s01, s02, s03, s10, s11, s12, s13, s20, s21, s22, s23, s30, s31, s32, s33];
  for (let r = 0; r < high; r++)
    for (let c = 0; c < wide; c++) {
      const at = (top + i + r) * stride + start + j + c;
      out[at] = out[at]! + sums[4 * r + c]!;
    }
}
