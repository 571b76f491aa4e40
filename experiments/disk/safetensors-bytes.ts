/** Tensors as bytes and back, by the safetensors format. */
import { z } from 'zod';
import { UserError } from '../../engine/index.ts';

interface Arrays {
  F64: Float64Array;
  F32: Float32Array;
  I64: BigInt64Array;
  I32: Int32Array;
  U8: Uint8Array;
}

export type Dtype = keyof Arrays;

/** `data` is row-major. */
export type Tensor = {
  [D in Dtype]: { readonly dtype: D; readonly shape: readonly number[]; readonly data: Arrays[D] };
}[Dtype];

export interface SafetensorsFile {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** A safetensors file that cannot be read or written; the message names the file and what is wrong with it. */
export class SafetensorsError extends UserError {
  override readonly name = 'SafetensorsError';
}

const widths: Record<Dtype, number> = { F64: 8, F32: 4, I64: 8, I32: 4, U8: 1 };
const HEADER_LIMIT = 100_000_000;
const index = z.int().nonnegative();
const entrySchema = z.object({
  dtype: z.string(),
  shape: z.array(index),
  data_offsets: z.tuple([index, index]),
});
const metadataSchema = z.record(z.string(), z.string());

/**
 * Tensors and metadata of safetensors bytes. Throws {@link SafetensorsError}, naming `file`, where the header is truncated
 * or malformed, a type is not one of F64, F32, I64, I32, U8, or the tensors do not cover the data exactly once.
 */
export function parseSafetensors(bytes: Uint8Array, file: string): SafetensorsFile {
  const fail = (what: string): never => {
    throw new SafetensorsError(`${file}: ${what}`);
  };
  const header = parseHeader(bytes, fail);
  const data = new Uint8Array(bytes.buffer, bytes.byteOffset + header.end, bytes.length - header.end);
  const found = Object.entries(header.json)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => ({ name, ...checkEntry(name, value, data.length, fail) }));

  let covered = 0;
  for (const { name, begin, end } of found.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin < covered) fail(`tensor ${name} overlaps another: it begins at byte ${begin}, before ${covered}`);
    if (begin > covered) fail(`bytes ${covered} to ${begin} before tensor ${name} belong to no tensor`);
    covered = end;
  }
  if (covered !== data.length) fail(`${data.length - covered} bytes after the last tensor belong to no tensor`);

  const tensors = new Map(
    found.map(({ name, dtype, shape, begin, end }) => [name, view(dtype, shape, data.slice(begin, end))]),
  );
  const metadata = metadataSchema.optional().safeParse(header.json['__metadata__']);
  return { tensors, metadata: metadata.success ? (metadata.data ?? {}) : fail('__metadata__ must hold strings only') };
}

type Fail = (what: string) => never;

function parseHeader(bytes: Uint8Array, fail: Fail): { json: Record<string, unknown>; end: number } {
  if (bytes.length < 8)
    fail(
      `it holds ${bytes.length} bytes, fewer than the 8 of the header's length: it is truncated or no safetensors file`,
    );
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > HEADER_LIMIT) fail(`its header claims ${length} bytes: it is no safetensors file`);
  const end = 8 + Number(length);
  if (end > bytes.length) fail(`its header claims ${length} bytes, ${bytes.length - 8} are there: it is truncated`);
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, end)));
  } catch {
    return fail('its header is not JSON');
  }
  return isRecord(json) ? { json, end } : fail('its header is not a JSON object');
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkEntry(name: string, value: unknown, available: number, fail: Fail) {
  const parsed = entrySchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    return fail(`tensor ${name}: ${[...issue.path, issue.message].join(': ')}`);
  }
  const { dtype, shape, data_offsets } = parsed.data;
  const [begin, end] = data_offsets;
  if (!isDtype(dtype)) return fail(`tensor ${name} has type ${dtype}; known are ${Object.keys(widths).join(', ')}`);
  const size = shape.reduce((product, extent) => product * extent, widths[dtype]);
  if (end - begin !== size)
    fail(
      `tensor ${name}: ${dtype} of shape [${shape}] takes ${size} bytes, its offsets ${begin} to ${end} give ${end - begin}`,
    );
  if (end > available)
    fail(`tensor ${name} ends at byte ${end} of the data, which has ${available}: the file is truncated`);
  return { dtype, shape, begin, end };
}

function isDtype(name: string): name is Dtype {
  return Object.hasOwn(widths, name);
}

function view(dtype: Dtype, shape: readonly number[], { buffer }: Uint8Array): Tensor {
  switch (dtype) {
    case 'F64':
      return { dtype, shape, data: new Float64Array(buffer) };
    case 'F32':
      return { dtype, shape, data: new Float32Array(buffer) };
    case 'I64':
      return { dtype, shape, data: new BigInt64Array(buffer) };
    case 'I32':
      return { dtype, shape, data: new Int32Array(buffer) };
    case 'U8':
      return { dtype, shape, data: new Uint8Array(buffer) };
  }
}

/** A tensor of `data`'s own type to write. Without a shape it is a vector. */
export function tensor(data: Float32Array | Float64Array, shape: readonly number[] = [data.length]): Tensor {
  return data instanceof Float64Array ? { dtype: 'F64', shape, data } : { dtype: 'F32', shape, data };
}

/**
 * Safetensors bytes; tensors lie widest type first, so that each is aligned to its own width. Throws
 * {@link SafetensorsError}, naming `file`, where a shape does not match its data.
 */
export function encodeSafetensors(
  { tensors, metadata }: SafetensorsFile,
  file = 'safetensors',
): Uint8Array<ArrayBuffer> {
  const header: [string, unknown][] = Object.keys(metadata).length > 0 ? [['__metadata__', metadata]] : [];
  const ordered = [...tensors].toSorted(([, a], [, b]) => widths[b.dtype] - widths[a.dtype]);
  let at = 0;
  for (const [name, { dtype, shape, data }] of ordered) {
    const size = shape.reduce((product, extent) => product * extent, 1);
    if (name === '__metadata__') throw new SafetensorsError(`${file}: no tensor may be called __metadata__`);
    if (size !== data.length)
      throw new SafetensorsError(
        `${file}: tensor ${name} of shape [${shape}] takes ${size} elements, ${data.length} are given`,
      );
    header.push([name, { dtype, shape, data_offsets: [at, at + data.byteLength] }]);
    at += data.byteLength;
  }
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const start = 8 + Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(start + at).fill(0x20, 8, start);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(start - 8), true);
  bytes.set(text, 8);
  at = start;
  for (const [, { data }] of ordered) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return bytes;
}
