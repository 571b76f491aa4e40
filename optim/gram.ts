/**
 * K = J J^T of one network in float64 on the host, from the factors of its rows: for a layer with cotangents d_c and jets
 * a_c that went in, sum over channels c, e of (d_c(i) . d_e(j)) (a_c(i) . a_e(j)), and d_0(i) . d_0(j) for its bias. Jets
 * depend on the point alone, so their products are made once for each pair of points. On a CPU that plays a GPU this takes
 * a fraction of the time of double-single.
 */
import { type Products, products } from './products.ts';
import { tileMemory } from './tile.ts';

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
  for (const { channels, deltas, activations } of layers) {
    const [d, a] = [byRow(deltas, channels, M), byRow(activations, channels, M)];
    const blocks = spans.flatMap((left, s) =>
      spans.slice(0, s + 1).map((right, t) => ({
        points: `${left.points} ${right.points}`,
        ...{ channels, rows: M, from: starts[s]!, count: left.count, other: starts[t]!, others: right.count },
      })),
    );
    for (const points of new Set(blocks.map((block) => block.points))) {
      const alike = blocks.filter((block) => block.points === points);
      const jets = channelProducts(a, alike[0]!);
      for (const block of alike) addBlock(out, channelProducts(d, block, jets.end), jets, block);
    }
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

/** `count` rows of M from one on, by `others` from another on. */
interface Block {
  readonly channels: number;
  readonly rows: number;
  readonly from: number;
  readonly count: number;
  readonly other: number;
  readonly others: number;
}

/** x_c(i) . x_e(j) for the rows of a block and all pairs of channels, [count C, others C]. */
function channelProducts(x: Float64Array, block: Block, start?: number): Products {
  const { channels: C, rows, from, count, other, others } = block;
  const stride = x.length / (C * rows);
  const part = (first: number, n: number) => ({ data: x, start: first * C * stride, stride, count: n * C });
  return products(part(from, count), part(other, others), stride, start);
}

/** Adds one layer's share of the products of rows of a block, on and below the diagonal. */
function addBlock(out: Float64Array, deltas: Products, jets: Products, block: Block): void {
  const { channels: C, rows: M, from, count, other, others } = block;
  const memory = tileMemory().view(deltas.end);
  for (let i = 0; i < count; i++)
    for (let j = 0; j < others && other + j <= from + i; j++) {
      let sum = memory[deltas.start + i * C * deltas.stride + j * C]!;
      for (let c = 0; c < C; c++) {
        const d = deltas.start + (i * C + c) * deltas.stride + j * C;
        const a = jets.start + (i * C + c) * jets.stride + j * C;
        for (let e = 0; e < C; e++) sum += memory[d + e]! * memory[a + e]!;
      }
      const at = (from + i) * M + other + j;
      out[at] = out[at]! + sum;
    }
}
