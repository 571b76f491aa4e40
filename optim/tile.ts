/**
 * The 4 x 4 tile that matrix products on the host are made of, as a WebAssembly module of some 300 bytes: V8 keeps the
 * sixteen sums in eight SIMD registers, which it does not do for JavaScript; a product takes a quarter of the time.
 */

/** What is used of it; Node's types leave it to those of browsers. */
declare const WebAssembly: {
  readonly Memory: new (of: { initial: number }) => { readonly buffer: ArrayBuffer; grow(pages: number): number };
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (
    module: object,
    imports: { readonly host: { readonly memory: object } },
  ) => { readonly exports: { tile(a: number, b: number, depth: number, out: number, stride: number): void } };
};

/** Rows and columns of a tile. */
export const TILE = 4;

export interface TileMemory {
  /** For as many numbers as asked for; a view from before is void once the memory has grown. */
  view(numbers: number): Float64Array;
  /**
   * Writes sum_k a[4 k + i] b[4 k + j], k < depth, to out[i * stride + j]; a, b and out are positions in the memory.
   * depth is at least 1.
   */
  multiply(a: number, b: number, depth: number, out: number, stride: number): void;
}

const PAGE = 65536 / 8;
let known: TileMemory | undefined;

/** The one instance; it is made at first use. */
export function tileMemory(): TileMemory {
  if (known) return known;
  const memory = new WebAssembly.Memory({ initial: 16 });
  const { tile } = new WebAssembly.Instance(new WebAssembly.Module(tileModule()), { host: { memory } }).exports;
  known = {
    view(numbers) {
      const missing = Math.ceil(numbers / PAGE) - memory.buffer.byteLength / (8 * PAGE);
      if (missing > 0) memory.grow(missing);
      return new Float64Array(memory.buffer);
    },
    multiply: (a, b, depth, out, stride) => tile(8 * a, 8 * b, depth, 8 * out, 8 * stride),
  };
  return known;
}

type Bytes = readonly number[];

/** Of the instruction set (WebAssembly 2.0, with fixed-width SIMD), what the tile needs. */
const I32 = 0x7f;
const V128 = 0x7b;
const END = 0x0b;
const get = (local: number): Bytes => [0x20, local];
const set = (local: number): Bytes => [0x21, local];
const tee = (local: number): Bytes => [0x22, local];
const constant = (value: number): Bytes => [0x41, value];
const ADD_I32 = 0x6a;
const SUBTRACT_I32 = 0x6b;
/** A block to whose start `repeatIf` branches. */
const LOOP = [0x03, 0x40];
const repeatIf: Bytes = [0x0d, 0];
const ALIGNED_8 = 3;
const load = (offset: number): Bytes => [0xfd, 0x00, ALIGNED_8, offset];
const loadTwice = (offset: number): Bytes => [0xfd, 0x0a, ALIGNED_8, offset];
const store = (offset: number): Bytes => [0xfd, 0x0b, ALIGNED_8, offset];
const ADD_PAIRS: Bytes = [0xfd, 0xf0, 0x01];
const MULTIPLY_PAIRS: Bytes = [0xfd, 0xf2, 0x01];

/** A length or an index in 7-bit groups (LEB128). */
const unsigned = (n: number): number[] => (n < 0x80 ? [n] : [(n & 0x7f) | 0x80, ...unsigned(n >>> 7)]);
const list = (items: readonly Bytes[]): number[] => [...unsigned(items.length), ...items.flat()];
const sized = (bytes: Bytes): number[] => [...unsigned(bytes.length), ...bytes];
const text = (name: string): number[] => sized([...new TextEncoder().encode(name)]);

/** tile(a, b, depth, out, stride), positions and stride in bytes. */
function tileCode(): Bytes {
  const [a, b, depth, out, stride] = [0, 1, 2, 3, 4] as const;
  const pairs = TILE / 2;
  const sum = (row: number, pair: number) => 5 + row * pairs + pair;
  const right = (pair: number) => 5 + TILE * pairs + pair;
  const left = 5 + TILE * pairs + pairs;
  const each = <T>(count: number, of: (k: number) => readonly T[]): T[] =>
    Array.from({ length: count }, (_, k) => of(k)).flat();
  const product = (row: number, pair: number) => [
    ...get(sum(row, pair)),
    ...get(left),
    ...get(right(pair)),
    ...MULTIPLY_PAIRS,
    ...ADD_PAIRS,
    ...set(sum(row, pair)),
  ];
  const advance = (pointer: number, by: Bytes) => [...get(pointer), ...by, ADD_I32, ...set(pointer)];
  return [
    ...list([[TILE * pairs + pairs + 1, V128]]),
    ...LOOP,
    ...each(pairs, (pair) => [...get(b), ...load(16 * pair), ...set(right(pair))]),
    ...each(TILE, (row) => [
      ...[...get(a), ...loadTwice(8 * row), ...set(left)],
      ...each(pairs, (pair) => product(row, pair)),
    ]),
    ...advance(a, constant(8 * TILE)),
    ...advance(b, constant(8 * TILE)),
    ...[...get(depth), ...constant(1), SUBTRACT_I32, ...tee(depth), ...repeatIf, END],
    ...each(TILE, (row) => [
      ...each(pairs, (pair) => [...get(out), ...get(sum(row, pair)), ...store(16 * pair)]),
      ...advance(out, get(stride)),
    ]),
    END,
  ];
}

function tileModule(): Uint8Array<ArrayBuffer> {
  const section = (id: number, bytes: Bytes) => [id, ...sized(bytes)];
  const [TYPES, IMPORTS, FUNCTIONS, EXPORTS, CODE] = [1, 2, 3, 7, 10] as const;
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(TYPES, list([[0x60, ...list([[I32], [I32], [I32], [I32], [I32]]), 0]])),
    ...section(IMPORTS, list([[...text('host'), ...text('memory'), 0x02, 0x00, 0x01]])),
    ...section(FUNCTIONS, list([[0]])),
    ...section(EXPORTS, list([[...text('tile'), 0x00, 0]])),
    ...section(CODE, list([sized(tileCode())])),
  ]);
}
