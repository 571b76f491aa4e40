/** Sums and products of any length: close to exact, and the same bits every time. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  add,
  compile,
  type Device,
  evaluate,
  graphOf,
  input,
  matmul,
  max,
  mean,
  mul,
  neg,
  newTape,
  openDevice,
  Program,
  type Source,
  sizeOf,
  square,
  sum,
} from '../../engine/index.ts';
import { bitsOf, leastAdapter, llvmpipe } from '../support/gpu.ts';
import { generator } from '../support/tensors.ts';

const devices: Device[] = [];
beforeAll(async () => {
  for (const least of [false, true]) devices.push(await openDevice({ least }));
});
afterAll(async () => {
  for (const device of devices) await device.close();
});

async function outputsOf(device: Device, source: Source, given: Record<string, Float32Array>, runs = 1) {
  const program = await Program.create(device, compile(source, { library: [], device: device.capabilities }));
  try {
    for (const [name, data] of Object.entries(given)) program.write(name, data);
    const results: Record<string, Float32Array>[] = [];
    for (let k = 0; k < runs; k++) results.push(await program.run(1, Object.keys(source.outputs)));
    return results;
  } finally {
    program.destroy();
  }
}

describe('a mean', () => {
  it.each([1e3, 3e4, 1e6, 2e7])('of %d equal numbers is that number, to 1e-6, on lanes and on threads', async (n) => {
    const tape = newTape();
    const x = input(tape, 'x', [n]);
    for (const device of devices)
      for (const value of [0.1, 1.7]) {
        const given = { x: new Float32Array(n).fill(value) };
        const [first, again] = await outputsOf(device, { inputs: { x }, outputs: { m: mean(x) } }, given, 2);
        expect(Math.abs(first!['m']![0]! / Math.fround(value) - 1)).toBeLessThan(1e-6);
        expect(bitsOf(again!['m']!)).toEqual(bitsOf(first!['m']!));
      }
  });
});

it('long reductions over some axes, with what follows from them, are what they mean', async () => {
  const tape = newTape();
  const x = input(tape, 'x', [3, 40_001, 2]);
  const [total, largest] = [sum(x, [1]), max(x, [1])];
  const outputs = {
    total,
    largest,
    after: add(square(total), largest),
    across: sum(x, [0, 2]),
    least: neg(max(neg(x))),
  };
  const random = generator(31);
  const given = { x: Float32Array.from({ length: sizeOf(x.shape) }, () => random() - 0.3) };
  const exact = evaluate(graphOf([x], Object.values(outputs)), [given.x]);
  for (const device of devices) {
    const [got] = await outputsOf(device, { inputs: { x }, outputs }, given);
    Object.keys(outputs).forEach((name, k) => {
      const scale = Math.max(...exact[k]!.slice(0, 100).map(Math.abs));
      got![name]!.forEach((value, i) => {
        expect(Math.abs(value - exact[k]![i]!) / scale, name).toBeLessThan(1e-6);
      });
    });
  }
});

it('a product of long rows is exact to 1e-6 without a kernel', async () => {
  const tape = newTape();
  const K = 100_000;
  const [a, b] = [input(tape, 'a', [2, K]), input(tape, 'b', [K, 1])];
  const given = { a: new Float32Array(2 * K).fill(0.1), b: new Float32Array(K).fill(0.7) };
  const exact = K * Math.fround(0.1) * Math.fround(0.7);
  const [got] = await outputsOf(devices[1]!, { inputs: { a, b }, outputs: { y: matmul(a, b) } }, given);
  for (const value of got!['y']!) expect(Math.abs(value / exact - 1)).toBeLessThan(1e-6);
});

it('short ones are one dispatch, long ones two', () => {
  for (const device of [llvmpipe, leastAdapter])
    for (const [n, dispatches] of [
      [200, 1],
      [30_000, 1],
      [1e6, 2],
    ] as const) {
      const tape = newTape();
      const x = input(tape, 'x', [n]);
      const outputs = { y: mul(2, sum(x)) };
      expect(compile({ inputs: { x }, outputs }, { library: [], device }).dispatches).toHaveLength(dispatches);
    }
});
