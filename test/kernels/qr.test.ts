/** QR of matrices that float32 makes hard: tiny, huge and dependent columns; and of any size. Needs an adapter. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  buildFor,
  compile,
  type Device,
  evaluate,
  graphOf,
  input,
  newTape,
  openDevice,
  Program,
} from '../../engine/index.ts';
import { library, qr } from '../../kernels/index.ts';
import { leastAdapter } from '../support/gpu.ts';
import { generator, uniform } from '../support/tensors.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device?.close());

const kernel = library.find(({ name }) => name === 'qr')!;
const n = 33;

function source() {
  const tape = newTape();
  const A = input(tape, 'A', [1, n, n]);
  return { inputs: { A }, outputs: { Q: qr(A) } };
}

/** max |Q^T Q - I|; NaN counts as infinite. */
function defect(Q: ArrayLike<number>): number {
  let worst = 0;
  for (let a = 0; a < n; a++)
    for (let b = 0; b < n; b++) {
      let dot = 0;
      for (let i = 0; i < n; i++) dot += Q[i * n + a]! * Q[i * n + b]!;
      const off = Math.abs(dot - (a === b ? 1 : 0));
      if (!(off <= worst)) worst = off;
    }
  return Number.isNaN(worst) ? Number.POSITIVE_INFINITY : worst;
}

const random = [...uniform([n * n], generator(5)).data];
const byColumn = (factor: (column: number) => number) => random.map((value, k) => value * factor(k % n));
const matrices = {
  'of order 1': random,
  'of order 1e-36': random.map((value) => value * 1e-36),
  'of order 1e-40, which is subnormal': random.map((value) => value * 1e-40),
  'of order 1e38': random.map((value) => value * 3e38),
  'graded from 1e-38 to 1e38': byColumn((column) => 10 ** ((76 * column) / (n - 1) - 38)),
  'with a column of zeros': byColumn((column) => (column === 7 ? 0 : 1)),
  'of rank 1': random.map((_, k) => random[Math.floor(k / n)]! * random[k % n]!),
  'of rank 1, of order 1e-30': random.map((_, k) => random[Math.floor(k / n)]! * random[k % n]! * 1e-30),
};

async function onDevice(A: readonly number[], version: string, workgroupMemory?: number): Promise<Float32Array> {
  const capabilities = workgroupMemory ? { ...device.capabilities, workgroupMemory } : device.capabilities;
  const options = { library: [kernel], versions: { qr: version } };
  const program = await Program.create(device, compile(source(), { ...options, device: capabilities }));
  try {
    program.write('A', A);
    return (await program.run(1, ['Q'])).Q;
  } finally {
    program.destroy();
  }
}

describe.each(Object.entries(matrices))('a matrix %s', (_, A) => {
  it.each(kernel.versions.map(({ name }) => name))('has an orthogonal factor by %s', async (version) => {
    expect(defect(await onDevice(A, version))).toBeLessThan(2e-5);
  });

  it('has an orthogonal factor by its meaning', () => {
    const { inputs, outputs } = source();
    const [Q] = evaluate(graphOf([inputs.A], [outputs.Q]), [Float32Array.from(A)]);
    expect(defect(Q!)).toBeLessThan(1e-12);
  });
});

describe('workgroup memory', () => {
  it('holds the reflections where it can; without it the factor is the same', async () => {
    const { 'of order 1': A } = matrices;
    expect([...(await onDevice(A, 'simple', 64))]).toEqual([...(await onDevice(A, 'simple'))]);
  });

  it('limits no size', () => {
    for (const size of [2048, 2049, 5000]) {
      const layout = { shape: [1, size, size], strides: [size * size, size, 1] };
      const call = { params: {}, inputs: [layout], outputs: [layout] };
      expect(buildFor(kernel.versions[0]!, call, leastAdapter), String(size)).not.toBeNull();
    }
  });
});
