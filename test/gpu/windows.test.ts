/** Outputs that are windows of other values or parts of other outputs, with and without room of their own. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  compile,
  concat,
  type Device,
  input,
  mul,
  neg,
  newTape,
  openDevice,
  Program,
  reshape,
  type Source,
  sin,
  sizeOf,
  slice,
  sum,
  transpose,
  type Var,
} from '../../engine/index.ts';
import { deviations, outputsOf } from '../support/gpu.ts';
import { generator, uniform } from '../support/tensors.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device?.close());

const random = generator(23);

/** Holds the outputs of a source against the meaning of its tape. */
async function check(source: Source): Promise<void> {
  const given = Object.fromEntries(
    Object.entries(source.inputs).map(([name, { shape }]) => [name, uniform([sizeOf(shape)], random).data]),
  );
  expect(deviations(source, given, await outputsOf(device, source, [], given))).toEqual([]);
}

describe('an output that is a part of another', () => {
  const parts: Record<string, (x: Var) => Var> = {
    'a window of an input': (x) => reshape(x, [2, 2]),
    'a computed value': (x) => sin(reshape(x, [2, 2])),
    'a reshaped value': (x) => reshape(sin(x), [2, 2]),
    'a transposed value': (x) => transpose(reshape(sin(x), [2, 2]), [1, 0]),
    'a slice of a computed value': (x) => slice(reshape(concat([sin(x), x], 0), [2, 4]), 1, 1, 3),
  };
  it.each(Object.keys(parts))('keeps its own order: %s', async (name) => {
    const tape = newTape();
    const x = input(tape, 'x', [4]);
    const w = parts[name]!(x);
    await check({ inputs: { x }, outputs: { beside: concat([w, neg(w)], 1), w } });
    await check({ inputs: { x }, outputs: { w, below: concat([w, neg(w)], 0), twice: concat([w, w], 1) } });
  });
});

describe('a reduction', () => {
  it('can be several parts of one value', async () => {
    const tape = newTape();
    const x = input(tape, 'x', [300]);
    const s = sum(x);
    await check({ inputs: { x }, outputs: { y: concat([s, s, mul(2, s)], 0) } });
  });

  it('can be the next state', async () => {
    const tape = newTape();
    const [x, m] = [input(tape, 'x', [300]), input(tape, 'm', [1])];
    const source = { inputs: { x, m }, outputs: { "m'": sum(x) }, state: { m: "m'" } };
    await check(source);
    const program = await Program.create(device, compile(source, { library: [], device: device.capabilities }));
    program.write('x', new Array(300).fill(0.5));
    await program.run(1);
    expect([...(await program.read('m'))]).toEqual([150]);
    program.destroy();
  });
});

it('opens with no more than WebGPU promises everywhere, when asked to', async () => {
  const least = await openDevice({ least: true });
  const { maxStorageBuffers, workgroupMemory, maxInvocations, subgroups } = least.capabilities;
  expect({ maxStorageBuffers, workgroupMemory, maxInvocations, subgroups }).toEqual({
    maxStorageBuffers: 8,
    workgroupMemory: 16384,
    maxInvocations: 256,
    subgroups: false,
  });
  expect(least.info.features).toEqual([]);
  expect(least.info.limits.maxStorageBuffersPerShaderStage).toBe(8);
  await least.close();
});
