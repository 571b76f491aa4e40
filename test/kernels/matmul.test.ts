/** Matrix products over long sums: rounding errors do not grow with their length. Needs an adapter. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildFor, compile, type Device, input, matmul, newTape, openDevice, Program } from '../../engine/index.ts';
import { library } from '../../kernels/index.ts';
import { partOf } from '../../kernels/partial-sums.ts';
import { leastAdapter, llvmpipe } from '../support/gpu.ts';
import { generator, uniform } from '../support/tensors.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device?.close());

const kernel = library.find(({ name }) => name === 'matmul')!;

/** The largest relative error of a b with positive elements, which no cancellation excuses. */
async function worst(M: number, N: number, K: number, value: (k: number) => number, version: string | null) {
  const tape = newTape();
  const [a, b] = [input(tape, 'a', [M, K]), input(tape, 'b', [N, K])];
  const options = version === null ? { library: [] } : { library: [kernel], versions: { matmul: version } };
  const plan = compile(
    { inputs: { a, b }, outputs: { y: matmul(a, b, { tb: true }) } },
    { ...options, device: device.capabilities },
  );
  if (version !== null && plan.calls[0]!.version !== version) return null;
  const [left, right] = [M, N].map((rows, seed) => Float32Array.from({ length: rows * K }, (_, k) => value(k + seed)));
  const program = await Program.create(device, plan);
  try {
    program.write('a', left!);
    program.write('b', right!);
    const { y } = await program.run(1, ['y']);
    let error = 0;
    for (let i = 0; i < M; i++)
      for (let j = 0; j < N; j++) {
        let exact = 0;
        for (let k = 0; k < K; k++) exact += left![i * K + k]! * right![j * K + k]!;
        const off = Math.abs(y[i * N + j]! / exact - 1);
        if (!(off <= error)) error = off;
      }
    return error;
  } finally {
    program.destroy();
  }
}

const random = uniform([4099], generator(3)).data;
const data = {
  'equal numbers': () => 0.1,
  'other equal numbers': () => 1 / 3,
  'positive numbers': (k: number) => Math.abs(random[k % random.length]!) + 1e-3,
};

describe.each(Object.entries(data))('sums of 1e5 products of %s', (_, value) => {
  it.each([null, ...kernel.versions.map(({ name }) => name)])('are right to 1e-6 by %s', async (version) => {
    const [M, N] = version === 'block' ? [256, 256] : [17, 20];
    const error = await worst(M, N, version === 'block' ? 8192 : 1e5, value, version);
    if (error === null) return void expect(device.info.software && version === 'lanes').toBe(false);
    expect(error).toBeLessThan(1e-6);
  });
});

describe('a batch of more products than a dispatch has workgroups along an axis', () => {
  const batch = 66_000;
  it.each(['simple', 'lanes'])('is multiplied by %s to the last', async (version) => {
    const [M, N, K] = [4, 5, 4];
    const tape = newTape();
    const [a, b] = [input(tape, 'a', [batch, M, K]), input(tape, 'b', [batch, K, N])];
    const source = { inputs: { a, b }, outputs: { y: matmul(a, b) } };
    const plan = compile(source, { library: [kernel], versions: { matmul: version }, device: device.capabilities });
    if (plan.calls[0]!.version !== version) return void expect(device.info.software).toBe(false);
    const [left, right] = [M * K, K * N].map((size) => uniform([batch * size], generator(size)).data);
    const program = await Program.create(device, plan);
    try {
      program.write('a', left!);
      program.write('b', right!);
      const { y } = await program.run(1, ['y']);
      const wrong = Array.from(y).findIndex((value, e) => {
        const [z, i, j] = [Math.floor(e / (M * N)), Math.floor(e / N) % M, e % N];
        let exact = 0;
        for (let k = 0; k < K; k++) exact += left![(z * M + i) * K + k]! * right![(z * K + k) * N + j]!;
        return !(Math.abs(value - exact) <= 1e-5);
      });
      expect(wrong).toBe(-1);
    } finally {
      program.destroy();
    }
  });
});

describe('a product', () => {
  const call = (M: number, N: number, K: number) => ({
    params: { ta: false, tb: false },
    inputs: [
      { shape: [M, K], strides: [K, 1] },
      { shape: [K, N], strides: [N, 1] },
    ],
    outputs: [{ shape: [M, N], strides: [N, 1] }],
  });

  it('of training is one grid; over a long sum it is a stage of parts and one of sums', () => {
    for (const version of kernel.versions)
      for (const adapter of [llvmpipe, leastAdapter]) {
        const short = buildFor(version, call(256, 256, 512), adapter);
        if (short) expect(short.stages.map((grids) => grids.length)).toEqual([1]);
        const long = buildFor(version, call(256, 256, 5000), adapter);
        if (long) expect(long.stages.map((grids) => grids.length)).toEqual([2, 1]);
      }
  });

  it('takes no more than twice the memory of its operands for partial sums', () => {
    for (const [M, N, K] of [
      [1, 1, 1e6],
      [64, 64, 1e5],
      [300, 1000, 1e5],
      [2048, 2048, 4096],
    ] as const) {
      const part = partOf(M, N, K)!;
      expect(Math.ceil(K / part) * M * N).toBeLessThanOrEqual(2 * K * (M + N) + M * N);
    }
    expect(partOf(2048, 2048, 2048)).toBeNull();
    expect(partOf(64, 64, 512)).toBeNull();
  });
});
