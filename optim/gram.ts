/**
 * K = J J^T of one network in float64 on the host, from the factors of its rows: for a layer with cotangents d_c and jets
 * a_c that went in, sum over channels c, e of (d_c(i) . d_e(j)) (a_c(i) . a_e(j)), and d_0(i) . d_0(j) for its bias. Jets
 * depend on the point alone, so their products are made once for each pair of points. On a CPU that plays a GPU this takes
 * a fifth of the time of double-single.
 */

/** One layer's factors: cotangents [C,O,M] of M rows and jets [C,K,M]. */
export interface LayerFactors {
  readonly channels: number;
  readonly deltas: Float64Array;
  readonly activations: Float64Array;
}

/** Consecutive rows; those at the same `points` have the same jets. */
export interface RowSpan {
  readonly count: number;
  readonly points: string;
}

/** [M,M] of one network whose rows fall into spans, in order. */
export function hostGram(layers: readonly LayerFactors[], spans: readonly RowSpan[]): Float64Array {
  const M = spans.reduce((sum, { count }) => sum + count, 0);
  const out = new Float64Array(M * M);
  const starts = spans.map((_, s) => spans.slice(0, s).reduce((sum, { count }) => sum + count, 0));
  for (const { channels: C, deltas, activations } of layers) {
    const [d, a] = [byRow(deltas, C, M), byRow(activations, C, M)];
    const [O, K] = [deltas.length / (C * M), activations.length / (C * M)];
    const products = new Map<string, Float64Array>();
    spans.forEach((left, s) => {
      spans.slice(0, s + 1).forEach((right, t) => {
        const key = `${left.points} ${right.points}`;
        const jets = products.get(key) ?? channelProducts(a, C, K, starts[s]!, left.count, starts[t]!, right.count);
        products.set(key, jets);
        addBlock(out, M, d, C, O, jets, starts[s]!, left.count, starts[t]!, right.count);
      });
    });
  }
  for (let i = 0; i < M; i++) for (let j = 0; j < i; j++) out[j * M + i] = out[i * M + j]!;
  return out;
}

/** [C,n,M] as [M,C,n]: what belongs to a row lies together. */
function byRow(factors: Float64Array, C: number, M: number): Float64Array {
  const n = factors.length / (C * M);
  const rows = new Float64Array(factors.length);
  for (let k = 0; k < C * n; k++) for (let m = 0; m < M; m++) rows[m * C * n + k] = factors[k * M + m]!;
  return rows;
}

/** x_c(i) . x_e(j) for rows of two spans and all pairs of channels, [rows,rows,C,C]. */
function channelProducts(
  x: Float64Array,
  C: number,
  n: number,
  from: number,
  count: number,
  other: number,
  others: number,
): Float64Array {
  const out = new Float64Array(count * others * C * C);
  for (let i = 0; i < count; i++)
    for (let j = 0; j < others; j++)
      pairProducts(x, (from + i) * C * n, (other + j) * C * n, C, n, out, (i * others + j) * C * C);
  return out;
}

/** Products of the channels of two rows, as many as fit into registers at a time. */
function pairProducts(
  x: Float64Array,
  i: number,
  j: number,
  C: number,
  n: number,
  out: Float64Array,
  at: number,
): void {
  for (let c = 0; c < C; c += 3)
    for (let e = 0; e < C; e += 3) {
      const [high, wide] = [Math.min(3, C - c), Math.min(3, C - e)];
      // Beyond the last channel the last one is multiplied again, and dropped.
      const a0 = i + c * n;
      const a1 = i + (c + Math.min(1, high - 1)) * n;
      const a2 = i + (c + high - 1) * n;
      const b0 = j + e * n;
      const b1 = j + (e + Math.min(1, wide - 1)) * n;
      const b2 = j + (e + wide - 1) * n;
      let [s00, s01, s02, s10, s11, s12, s20, s21, s22] = [0, 0, 0, 0, 0, 0, 0, 0, 0];
      for (let k = 0; k < n; k++) {
        const x0 = x[a0 + k]!;
        const x1 = x[a1 + k]!;
        const x2 = x[a2 + k]!;
        const y0 = x[b0 + k]!;
        const y1 = x[b1 + k]!;
        const y2 = x[b2 + k]!;
        s00 += x0 * y0;
        s01 += x0 * y1;
        s02 += x0 * y2;
        s10 += x1 * y0;
        s11 += x1 * y1;
        s12 += x1 * y2;
        s20 += x2 * y0;
        s21 += x2 * y1;
        s22 += x2 * y2;
      }
      const row = at + c * C + e;
      out[row] = s00;
      if (wide > 1) out[row + 1] = s01;
      if (wide > 2) out[row + 2] = s02;
      if (high > 1) {
        out[row + C] = s10;
        if (wide > 1) out[row + C + 1] = s11;
        if (wide > 2) out[row + C + 2] = s12;
      }
      if (high > 2) {
        out[row + 2 * C] = s20;
        if (wide > 1) out[row + 2 * C + 1] = s21;
        if (wide > 2) out[row + 2 * C + 2] = s22;
      }
    }
}

/** Adds one layer's share of the products of rows of two spans, on and below the diagonal. */
function addBlock(
  out: Float64Array,
  M: number,
  d: Float64Array,
  C: number,
  O: number,
  jets: Float64Array,
  from: number,
  count: number,
  other: number,
  others: number,
): void {
  const own = new Float64Array(C * C);
  for (let i = 0; i < count; i++)
    for (let j = 0; j < others && other + j <= from + i; j++) {
      pairProducts(d, (from + i) * C * O, (other + j) * C * O, C, O, own, 0);
      const at = (i * others + j) * C * C;
      let sum = own[0]!;
      for (let k = 0; k < C * C; k++) sum += own[k]! * jets[at + k]!;
      out[(from + i) * M + other + j] = out[(from + i) * M + other + j]! + sum;
    }
}
