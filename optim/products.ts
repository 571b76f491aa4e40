/** Products of rows in float64 on the host, from tiles of 4 x 4, in blocks that stay in a cache. */
import { TILE, tileMemory } from './tile.ts';

/** Row i is the numbers from `start + i * stride` on. */
export interface Rows {
  readonly data: Float64Array;
  readonly start: number;
  readonly stride: number;
  readonly count: number;
}

/** Numbers of a row that are multiplied before sums are written, and rows on the right that stay near. */
const DEPTH = 512;
const NEAR = 64;

/** Where the memory's packed rows begin: after the tile that is computed. */
const PACKED = TILE * TILE;

/**
 * out(i, j) += factor * (left(i) . right(j)) over the first `depth` numbers of each row; with `lower` only where j <= i.
 * `out` has a row for each of the left, and shares no numbers with what it is computed from.
 */
export function addProducts(
  out: Omit<Rows, 'count'>,
  left: Rows,
  right: Rows,
  depth: number,
  { factor = 1, lower = false }: { readonly factor?: number; readonly lower?: boolean } = {},
): void {
  const memory = tileMemory();
  for (let from = 0; from < depth; from += DEPTH) {
    const deep = Math.min(DEPTH, depth - from);
    const other = left === right ? PACKED : PACKED + padded(left.count) * deep;
    const view = memory.view(other + padded(right.count) * deep);
    pack(view, PACKED, left, from, deep);
    if (left !== right) pack(view, other, right, from, deep);
    for (let near = 0; near < right.count; near += NEAR)
      for (let i = lower ? near : 0; i < left.count; i += TILE) {
        const high = Math.min(TILE, left.count - i);
        const end = Math.min(near + NEAR, right.count, lower ? i + TILE : right.count);
        for (let j = near; j < end; j += TILE) {
          memory.multiply(PACKED + i * deep, other + j * deep, deep, 0, TILE);
          const wide = Math.min(TILE, right.count - j);
          for (let r = 0; r < high; r++) {
            const row = out.start + (i + r) * out.stride + j;
            const count = lower ? Math.min(wide, i + r - j + 1) : wide;
            for (let c = 0; c < count; c++) out.data[row + c] = out.data[row + c]! + factor * view[TILE * r + c]!;
          }
        }
      }
  }
}

/** left(i) . right(j) lies in the tiles' memory at `start + i * stride + j`, of which it takes what is before `end`. */
export interface Products {
  readonly start: number;
  readonly stride: number;
  readonly end: number;
}

/**
 * Products of the first `depth` numbers of rows, each on the left with each on the right, in the tiles' memory from
 * `start` on; what lies behind them is void.
 */
export function products(left: Rows, right: Rows, depth: number, start = PACKED): Products {
  const memory = tileMemory();
  const stride = padded(right.count);
  const end = start + padded(left.count) * stride;
  const other = end + padded(left.count) * depth;
  const view = memory.view(other + padded(right.count) * depth);
  pack(view, end, left, 0, depth);
  pack(view, other, right, 0, depth);
  for (let i = 0; i < left.count; i += TILE)
    for (let j = 0; j < right.count; j += TILE)
      memory.multiply(end + i * depth, other + j * depth, depth, start + i * stride + j, stride);
  return { start, stride, end };
}

const padded = (rows: number): number => TILE * Math.ceil(rows / TILE);

/** Four rows at a time, number by number; rows beyond the last are zero. */
function pack(view: Float64Array, at: number, { data, start, stride, count }: Rows, from: number, depth: number): void {
  for (let i = 0; i < padded(count); i++) {
    const strip = at + (i - (i % TILE)) * depth + (i % TILE);
    const row = start + i * stride + from;
    if (i < count) for (let k = 0; k < depth; k++) view[strip + TILE * k] = data[row + k]!;
    else for (let k = 0; k < depth; k++) view[strip + TILE * k] = 0;
  }
}
