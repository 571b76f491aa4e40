/**
 * TensorBoard's event files: records framed as TFRecord, each a protocol buffer `Event` (tensorflow/core/util/event.proto)
 * with the few fields that scalars need.
 */
import { crc32c } from './crc32c.ts';

/** Values by tag, noted at one step. */
export interface ScalarEvent {
  /** Seconds since 1970. */
  readonly wallTime: number;
  readonly step: number;
  readonly scalars: Readonly<Record<string, number>>;
}

const utf8 = new TextEncoder();

/** Field numbers with their wire types: 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes. */
const tag = (field: number, wire: 0 | 1 | 2 | 5) => (field << 3) | wire;

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  return [...bytes, rest];
}

const delimited = (field: number, bytes: Iterable<number>): number[] => {
  const own = [...bytes];
  return [tag(field, 2), ...varint(own.length), ...own];
};

const double = (value: number) => new Uint8Array(Float64Array.of(value).buffer);
const float = (value: number) => new Uint8Array(Float32Array.of(value).buffer);

/** The first record of a file: its version. */
export const fileHeader = (wallTime: number): Uint8Array =>
  record([tag(1, 1), ...double(wallTime), ...delimited(3, utf8.encode('brain.Event:2'))]);

/** Throws RangeError where `step` is no whole number from 0. */
export function encodeEvent({ wallTime, step, scalars }: ScalarEvent): Uint8Array {
  if (!Number.isSafeInteger(step) || step < 0) throw new RangeError(`a step is a whole number from 0, not ${step}`);
  const values = Object.entries(scalars).flatMap(([name, value]) =>
    delimited(1, [...delimited(1, utf8.encode(name)), tag(2, 5), ...float(value)]),
  );
  return record([tag(1, 1), ...double(wallTime), tag(2, 0), ...varint(step), ...delimited(5, values)]);
}

/** Length, checksum of the length, data, checksum of the data; checksums are masked as TFRecord does. */
function record(data: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(8 + 4 + data.length + 4);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, masked(bytes.subarray(0, 8)), true);
  bytes.set(data, 12);
  view.setUint32(12 + data.length, masked(bytes.subarray(12, 12 + data.length)), true);
  return bytes;
}

function masked(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** How far the events of an earlier file are worth keeping: whole records with steps up to `epoch`. */
export function keptUntil(bytes: Uint8Array, epoch: number): { readonly length: number; readonly lastStep: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let [at, lastStep] = [0, 0];
  while (at + 16 <= bytes.length) {
    const size = Number(view.getBigUint64(at, true));
    const end = at + 12 + size + 4;
    if (view.getUint32(at + 8, true) !== masked(bytes.subarray(at, at + 8)) || end > bytes.length) break;
    const data = bytes.subarray(at + 12, end - 4);
    if (view.getUint32(end - 4, true) !== masked(data)) break;
    const step = stepOf(data);
    if (step > epoch) break;
    [at, lastStep] = [end, step];
  }
  return { length: at, lastStep };
}

/** The step of an event as {@link encodeEvent} writes it: behind its time; 0 where it has none. */
function stepOf(data: Uint8Array): number {
  if (data[9] !== tag(2, 0)) return 0;
  let [step, scale] = [0, 1];
  for (const byte of data.subarray(10)) {
    step += (byte & 0x7f) * scale;
    scale *= 0x80;
    if (byte < 0x80) break;
  }
  return step;
}
