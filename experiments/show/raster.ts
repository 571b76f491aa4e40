/** Values on a grid as a small PNG: colours that print well and that colour-blind readers tell apart. */
import { deflateSync } from 'node:zlib';

export type ColourMap = 'viridis' | 'inferno';

export interface Grid {
  /** Row-major, the first row at the lowest y; NaN where there is no value. */
  readonly values: ArrayLike<number>;
  readonly nx: number;
  readonly ny: number;
}

const stops: Record<ColourMap, readonly string[]> = {
  viridis: ['440154', '482878', '3e4989', '31688e', '26828e', '1f9e89', '35b779', '6ece58', 'b5de2b', 'fde725'],
  inferno: ['000004', '1b0c41', '4a0c6b', '781c6d', 'a52c60', 'cf4446', 'ed6925', 'fb9b06', 'f7d13d', 'fcffa4'],
};
const MISSING = 255;
const LEVELS = 255;

/** A `data:` address of `width` x `height` pixels, interpolated from the grid's points; what is not finite is grey. */
export function rasterOf(
  grid: Grid,
  [low, high]: readonly [number, number],
  map: ColourMap,
  [width, height]: readonly [number, number],
): string {
  const rows = new Uint8Array((width + 1) * height);
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) {
      const u = (column + 0.5) / width;
      const v = 1 - (row + 0.5) / height;
      rows[row * (width + 1) + 1 + column] = level(interpolate(grid, u, v), low, high);
    }
  return `data:image/png;base64,${png(width, height, palette(map), rows).toString('base64')}`;
}

/** The colours themselves, lowest at the bottom. */
export function colourBar(map: ColourMap, size: readonly [width: number, height: number]): string {
  return rasterOf({ values: [0, 1], nx: 1, ny: 2 }, [0, 1], map, size);
}

function level(value: number, low: number, high: number): number {
  if (!Number.isFinite(value)) return MISSING;
  const fraction = high > low ? (value - low) / (high - low) : 0;
  return Math.round(Math.min(Math.max(fraction, 0), 1) * (LEVELS - 1));
}

function interpolate({ values, nx, ny }: Grid, u: number, v: number): number {
  const [i, s] = cell(u, nx);
  const [j, t] = cell(v, ny);
  const at = (column: number, row: number) =>
    values[Math.min(row, ny - 1) * nx + Math.min(column, nx - 1)] ?? Number.NaN;
  const lower = at(i, j) * (1 - s) + at(i + 1, j) * s;
  const upper = at(i, j + 1) * (1 - s) + at(i + 1, j + 1) * s;
  return lower * (1 - t) + upper * t;
}

function cell(fraction: number, points: number): [index: number, weight: number] {
  const position = fraction * (points - 1);
  const index = Math.floor(position);
  return [index, position - index];
}

/** 256 colours, three bytes each, lowest first; the last is for what is missing. */
export function palette(map: ColourMap): Uint8Array {
  const colours = stops[map].map((hex) => [0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)));
  const bytes = new Uint8Array(3 * 256).fill(0xc8);
  for (let at = 0; at < LEVELS; at++) {
    const [index, weight] = cell(at / (LEVELS - 1), colours.length);
    const [from, to] = [colours[index]!, colours[Math.min(index + 1, colours.length - 1)]!];
    for (let channel = 0; channel < 3; channel++)
      bytes[3 * at + channel] = Math.round(from[channel]! * (1 - weight) + to[channel]! * weight);
  }
  return bytes;
}

/** `rows` are palette indices, each row after a zero byte. */
function png(width: number, height: number, colours: Uint8Array, rows: Uint8Array): Buffer {
  const chunks = [chunk('PLTE', colours), chunk('IDAT', deflateSync(rows))];
  return assemble(width, height, 3, chunks);
}

/** A `data:` address of an image of `width` x `height` colours, four bytes each: red, green, blue, opacity. */
export function imageOf(pixels: Uint8Array, [width, height]: readonly [number, number]): string {
  const rows = new Uint8Array((4 * width + 1) * height);
  for (let row = 0; row < height; row++)
    rows.set(pixels.subarray(4 * width * row, 4 * width * (row + 1)), (4 * width + 1) * row + 1);
  return `data:image/png;base64,${assemble(width, height, 6, [chunk('IDAT', deflateSync(rows))]).toString('base64')}`;
}

/** `type` as PNG numbers them: 3 for a palette, 6 for red, green, blue, opacity. */
function assemble(width: number, height: number, type: number, chunks: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, type, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', header), ...chunks, chunk('IEND')]);
}

function chunk(type: string, data: Uint8Array = new Uint8Array(0)): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  framed.set(body, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}

function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
