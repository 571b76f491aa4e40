import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  encodeSafetensors,
  parseSafetensors,
  readSafetensors,
  SafetensorsError,
  type Tensor,
  tensor,
  writeSafetensors,
} from '../../../experiments/disk/safetensors.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tapir-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A file with this header, as text or as the object to write, and this many bytes of data. */
function bytesOf(header: unknown, data: number): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + data);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

const floats = (dtype: string, shape: number[], begin: number, end: number) => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

describe('safetensors', () => {
  it('reads back what it wrote, bit by bit, metadata included', () => {
    const path = join(folder, 'a.safetensors');
    const W = tensor(new Float32Array([1.5, -0, Number.NaN, 3e-42]), [2, 2]);
    const theta = tensor(new Float64Array([Math.PI, -1e-310]));
    const contents = {
      tensors: new Map([
        ['W', W],
        ['theta', theta],
      ]),
      metadata: { epoch: '12', system: 'é' },
    };
    writeSafetensors(path, contents);
    const read = readSafetensors(path);
    expect(read.metadata).toEqual(contents.metadata);
    expect(read.tensors.get('W')).toEqual(W);
    expect(read.tensors.get('theta')).toEqual(theta);
    expect(readdirSync(folder)).toEqual(['a.safetensors']);
  });

  it('reads back every type, empty tensors and scalars', () => {
    const tensors = new Map<string, Tensor>([
      ['u8', { dtype: 'U8', shape: [3], data: new Uint8Array([0, 128, 255]) }],
      ['i32', { dtype: 'I32', shape: [2], data: new Int32Array([-7, 2 ** 31 - 1]) }],
      ['i64', { dtype: 'I64', shape: [1, 1], data: new BigInt64Array([-(2n ** 62n)]) }],
      ['f32', { dtype: 'F32', shape: [], data: new Float32Array([0.1]) }],
      ['empty', { dtype: 'F64', shape: [0, 4], data: new Float64Array(0) }],
      ['__proto__', { dtype: 'F64', shape: [1], data: new Float64Array([2]) }],
    ]);
    const { tensors: read } = parseSafetensors(encodeSafetensors({ tensors, metadata: {} }), 'all');
    expect(read).toEqual(tensors);
  });

  it('reads any matrix back (property)', () => {
    const shapes = fc.array(fc.tuple(fc.nat(5), fc.nat(5), fc.boolean()), { maxLength: 6 });
    fc.assert(
      fc.property(shapes, (list) => {
        const tensors = new Map(
          list.map(([m, n, wide], i) => {
            const data = Array.from({ length: m * n }, (_, k) => Math.fround(Math.sin(k + i)));
            return [`t${i}`, tensor(wide ? Float64Array.from(data) : Float32Array.from(data), [m, n])];
          }),
        );
        const bytes = encodeSafetensors({ tensors, metadata: {} });
        expect(parseSafetensors(bytes, 'x').tensors).toEqual(new Map(tensors));
      }),
    );
  });

  it('writes the header that the format prescribes, padded so that data are aligned', () => {
    const bytes = encodeSafetensors({
      tensors: new Map([
        ['a', tensor(new Float32Array([1]))],
        ['b', tensor(new Float64Array([2]))],
      ]),
      metadata: {},
    });
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    expect((8 + length) % 8).toBe(0);
    expect(JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)))).toEqual({
      b: floats('F64', [1], 0, 8),
      a: floats('F32', [1], 8, 12),
    });
    expect(bytes.length).toBe(8 + length + 12);
  });

  it('reads from bytes that start at any offset of a larger buffer', () => {
    const bytes = encodeSafetensors({ tensors: new Map([['a', tensor(new Float64Array([1, 2]))]]), metadata: {} });
    const larger = Buffer.alloc(bytes.length + 9, 0x7f);
    larger.set(bytes, 3);
    expect([...parseSafetensors(larger.subarray(3, 3 + bytes.length), 'x').tensors.get('a')!.data]).toEqual([1, 2]);
  });

  it('reads the golden tensors', () => {
    const { tensors } = readSafetensors('test/golden/thermoelasticity-small.safetensors');
    expect(tensors.get('params/T/W1')!.shape).toEqual([16, 16]);
    expect(tensors.get('points/interior')!.data[0]).toBe(0.01);
  });

  const whole = { a: floats('F64', [2], 0, 16) };
  it.each<[string, Uint8Array, string]>([
    ['empty', new Uint8Array(0), 'it holds 0 bytes'],
    ['a length alone', new Uint8Array(7), 'it holds 7 bytes'],
    [
      'truncated in the header',
      bytesOf(whole, 16).subarray(0, 30),
      'its header claims 55 bytes, 22 are there: it is truncated',
    ],
    [
      'truncated in the data',
      bytesOf(whole, 15),
      'tensor a ends at byte 16 of the data, which has 15: the file is truncated',
    ],
    ['not safetensors', new TextEncoder().encode('{"system": "thermoelasticity"}'), 'it is no safetensors file'],
    ['no JSON', bytesOf('{"a": ', 0), 'its header is not JSON'],
    ['a list', bytesOf('[]', 0), 'its header is not a JSON object'],
    ['no UTF-8', bytesOf('{}', 0).fill(0xff, 8), 'its header is not JSON'],
    [
      'overlapping',
      bytesOf({ ...whole, b: floats('F32', [2], 8, 16) }, 16),
      'tensor b overlaps another: it begins at byte 8, before 16',
    ],
    ['a gap', bytesOf({ a: floats('F64', [1], 8, 16) }, 16), 'bytes 0 to 8 before tensor a belong to no tensor'],
    ['left over', bytesOf(whole, 20), '4 bytes after the last tensor belong to no tensor'],
    [
      'wrong size',
      bytesOf({ a: floats('F64', [3], 0, 16) }, 16),
      'tensor a: F64 of shape [3] takes 24 bytes, its offsets 0 to 16 give 16',
    ],
    ['reversed', bytesOf({ a: floats('F64', [2], 16, 0) }, 16), 'tensor a: F64 of shape [2] takes 16 bytes'],
    ['negative', bytesOf({ a: floats('F64', [2], -16, 0) }, 16), 'tensor a: data_offsets: 0: '],
    ['fractional extent', bytesOf({ a: floats('F64', [0.5], 0, 4) }, 4), 'tensor a: shape: 0: '],
    [
      'unknown type',
      bytesOf({ a: floats('BF16', [8], 0, 16) }, 16),
      'tensor a has type BF16; known are F64, F32, I64, I32, U8',
    ],
    ['inherited name as type', bytesOf({ a: floats('toString', [8], 0, 16) }, 16), 'tensor a has type toString'],
    ['missing shape', bytesOf({ a: { dtype: 'F64', data_offsets: [0, 16] } }, 16), 'tensor a: shape: '],
    ['metadata of numbers', bytesOf({ ...whole, __metadata__: { n: 1 } }, 16), '__metadata__ must hold strings only'],
  ])('refuses a file that is %s, by name and in one line', (_, bytes, message) => {
    let error: unknown;
    try {
      parseSafetensors(bytes, 'bad.safetensors');
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(SafetensorsError);
    expect((error as Error).message).toMatch(/^bad\.safetensors: [^\n]*$/);
    expect((error as Error).message).toContain(message);
  });

  it('never fails otherwise, whatever byte of a file is changed', () => {
    const bytes = encodeSafetensors({
      tensors: new Map([['a', tensor(new Float32Array([1, 2]))]]),
      metadata: { k: 'v' },
    });
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.nat(bytes.length), (at, value, length) => {
        const changed = bytes.slice(0, length);
        if (at < length) changed[at] = value;
        try {
          parseSafetensors(changed, 'x');
        } catch (error) {
          expect(error).toBeInstanceOf(SafetensorsError);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('refuses what cannot be written', () => {
    const wrong = { tensors: new Map([['a', tensor(new Float32Array(3), [2, 2])]]), metadata: {} };
    expect(() => writeSafetensors(join(folder, 'w'), wrong)).toThrow(
      new SafetensorsError('w: tensor a of shape [2,2] takes 4 elements, 3 are given'),
    );
    const reserved = { tensors: new Map([['__metadata__', tensor(new Float32Array(1))]]), metadata: {} };
    expect(() => encodeSafetensors(reserved)).toThrow('no tensor may be called __metadata__');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('replaces a file whole and leaves nothing behind where it cannot', () => {
    const path = join(folder, 'a');
    writeFileSync(path, 'old');
    const contents = { tensors: new Map([['a', tensor(new Float32Array(1))]]), metadata: {} };
    writeSafetensors(path, contents);
    expect(readFileSync(path).equals(encodeSafetensors(contents))).toBe(true);
    mkdirSync(join(folder, 'taken', 'inside'), { recursive: true });
    expect(() => writeSafetensors(join(folder, 'taken'), contents)).toThrow(SafetensorsError);
    expect(() => writeSafetensors(join(folder, 'none', 'b'), contents)).toThrow(/none\/b cannot be written: ENOENT/);
    expect(readdirSync(folder).sort()).toEqual(['a', 'taken']);
    expect(() => readSafetensors(join(folder, 'absent'))).toThrow(/absent cannot be read: ENOENT/);
  });
});
