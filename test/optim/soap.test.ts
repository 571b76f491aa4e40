/** SOAP's tapes against the formulas they stand for, in float64; the eigenbases over many refreshes on the GPU. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  compile,
  type Device,
  evaluate,
  graphOf,
  input,
  newTape,
  openDevice,
  Program,
  type Source,
  sizeOf,
} from '../../engine/index.ts';
import { library } from '../../kernels/index.ts';
import { eigenvectors, type MatrixBlock, planSoap, soap, soapRefresh, soapStart } from '../../optim/index.ts';
import { generator, uniform } from '../support/tensors.ts';

const SETTINGS = [0.9, 0.95, 1e-8];
const [BETA1, BETA2, EPSILON] = SETTINGS as [number, number, number];
const LR = 0.1;

const draw = (random: () => number, count: number): readonly number[] => uniform([count], random).data;

type Values = Record<string, ArrayLike<number>>;

/** A step's tape for one row of theta of P elements. */
function stepOf(P: number, blocks: readonly MatrixBlock[]): Source {
  const tape = newTape();
  const [theta, g] = [input(tape, 'W', [1, P]), input(tape, 'g', [1, P])];
  const [lr, settings] = [input(tape, 'lr', [1, 1]), input(tape, 'settings', [3])];
  const update = soap('W', theta, g, lr, settings, planSoap(1, blocks));
  return { ...update, inputs: { W: theta, g, lr, settings, ...update.inputs } };
}

/** Values after a step, and what every output was. */
function step({ inputs, outputs, state = {} }: Source, values: Values): Values {
  const names = Object.keys(outputs);
  const given = Object.entries(inputs).map(([name, { shape }]) => values[name] ?? new Float64Array(sizeOf(shape)));
  const results = evaluate(graphOf(Object.values(inputs), Object.values(outputs)), given);
  const next: Values = { ...values };
  for (const [name, output] of Object.entries(state)) next[name] = results[names.indexOf(output)]!;
  return next;
}

const identity = (n: number) => Float64Array.from({ length: n * n }, (_, k) => (k % (n + 1) === 0 ? 1 : 0));

/** Adam with SOAP's placing of epsilon: lr sqrt(c2) / c1 * m / (sqrt(v) + eps). */
function adamLikeSoap(start: ArrayLike<number>, gradients: readonly ArrayLike<number>[]): Float64Array {
  const theta = Float64Array.from(start);
  const [m, v] = [new Float64Array(theta.length), new Float64Array(theta.length)];
  gradients.forEach((g, k) => {
    const rate = (LR * Math.sqrt(1 - BETA2 ** (k + 1))) / (1 - BETA1 ** (k + 1));
    theta.forEach((_, i) => {
      m[i] = BETA1 * m[i]! + (1 - BETA1) * g[i]!;
      v[i] = BETA2 * v[i]! + (1 - BETA2) * g[i]! ** 2;
      theta[i] = theta[i]! - (rate * m[i]!) / (Math.sqrt(v[i]!) + EPSILON);
    });
  });
  return theta;
}

const largest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.max(...Array.from(a, (value, k) => Math.abs(value - b[k]!)));

describe('SOAP', () => {
  // Two matrices of one shape, a third of another, biases between and after.
  const blocks = [
    { at: 0, rows: 3, columns: 4 },
    { at: 15, rows: 3, columns: 4 },
    { at: 30, rows: 5, columns: 1 },
  ];
  const P = 37;

  it('is Adam, with its own place for epsilon, where every basis is the identity', () => {
    const random = generator(1);
    const gradients = Array.from({ length: 5 }, () => draw(random, P));
    const start = draw(random, P);
    let values: Values = { W: start, lr: [LR], settings: SETTINGS };
    values['W.Q.3'] = Float64Array.from([...identity(3), ...identity(3)]);
    values['W.Q.4'] = Float64Array.from([...identity(4), ...identity(4)]);
    values['W.Q.5'] = identity(5);
    const source = stepOf(P, blocks);
    for (const g of gradients) values = step(source, { ...values, g });
    expect(largest(values['W']!, adamLikeSoap(start, gradients))).toBeLessThan(1e-13);
  });

  it('turns a gradient as the Kronecker product of its bases does', () => {
    // vec(Q_L^T G Q_R) = (Q_L kron Q_R)^T vec(G) for row-major vec: Adam on that vector, turned back.
    const random = generator(2);
    const [rows, columns] = [3, 4];
    const symmetric = (n: number) => {
      const A = draw(random, n * n);
      return Float64Array.from({ length: n * n }, (_, k) => A[k]! + A[(k % n) * n + Math.floor(k / n)]!);
    };
    const [QL, QR] = [eigenvectors(symmetric(rows), 1, rows), eigenvectors(symmetric(columns), 1, columns)];
    const size = rows * columns;
    const kron = (i: number, j: number) =>
      QL[Math.floor(i / columns) * rows + Math.floor(j / columns)]! * QR[(i % columns) * columns + (j % columns)]!;
    const turn = (x: ArrayLike<number>, transposed: boolean) =>
      Float64Array.from({ length: size }, (_, i) =>
        Array.from({ length: size }, (_, j) => (transposed ? kron(j, i) : kron(i, j)) * x[j]!).reduce((a, b) => a + b),
      );
    const gradients = Array.from({ length: 4 }, () => draw(random, size));
    const start = draw(random, size);
    const source = stepOf(size, [{ at: 0, rows, columns }]);
    let values: Values = { W: start, lr: [LR], settings: SETTINGS, 'W.Q.3': QL, 'W.Q.4': QR };
    for (const g of gradients) values = step(source, { ...values, g });
    const turned = gradients.map((g) => turn(g, true));
    const moved = adamLikeSoap(turn(start, true), turned);
    expect(largest(values['W']!, turn(moved, false))).toBeLessThan(1e-12);
  });

  it('averages G G^T and G^T G into the factors of every side', () => {
    const random = generator(3);
    const g = draw(random, 12);
    const tape = newTape();
    const [theta, G, settings] = [input(tape, 'W', [1, 12]), input(tape, 'g', [1, 12]), input(tape, 'settings', [3])];
    const update = soapStart('W', theta, G, settings, planSoap(1, [{ at: 0, rows: 3, columns: 4 }]));
    const values = step({ ...update, inputs: { g: G, settings, ...update.inputs } }, { g, settings: SETTINGS });
    const L = (i: number, j: number) => [0, 1, 2, 3].reduce((sum, k) => sum + g[4 * i + k]! * g[4 * j + k]!, 0);
    const R = (i: number, j: number) => [0, 1, 2].reduce((sum, k) => sum + g[4 * k + i]! * g[4 * k + j]!, 0);
    const expected = (n: number, f: (i: number, j: number) => number) =>
      Float64Array.from({ length: n * n }, (_, k) => (1 - BETA2) * f(Math.floor(k / n), k % n));
    expect(largest(values['W.L.3']!, expected(3, L))).toBeLessThan(1e-15);
    expect(largest(values['W.L.4']!, expected(4, R))).toBeLessThan(1e-15);
  });
});

describe('the eigenbases', () => {
  const n = 24;
  let device: Device;
  beforeAll(async () => {
    device = await openDevice();
  });
  afterAll(() => device?.close());

  /** A symmetric matrix of rank `rank` with eigenvalues falling over eight decades. */
  function factor(seed: number, rank: number): Float64Array {
    const random = generator(seed);
    const vectors = Array.from({ length: rank }, () => draw(random, n));
    return Float64Array.from({ length: n * n }, (_, k) =>
      vectors.reduce((sum, v, r) => sum + 10 ** ((-8 * r) / rank) * v[Math.floor(k / n)]! * v[k % n]!, 0),
    );
  }

  it.each([n, 5])('stay orthogonal to 1e-4 over many refreshes and settle, at rank %i', async (rank) => {
    const tape = newTape();
    const theta = input(tape, 'W', [1, n]);
    // One matrix [n,1]: its left side alone has a factor.
    const plan = planSoap(1, [{ at: 0, rows: n, columns: 1 }]);
    const refresh = soapRefresh('W', theta, plan);
    const program = await Program.create(device, compile(refresh, { library, device: device.capabilities }));
    try {
      const M = factor(rank, rank);
      program.write(`W.L.${n}`, M);
      program.write(`W.Q.${n}`, identity(n));
      await program.run(400);
      const Q = await program.read(`W.Q.${n}`);
      let [worst, off] = [0, 0];
      for (let i = 0; i < n; i++)
        for (let j = 0; j < n; j++) {
          let [dot, through] = [0, 0];
          for (let k = 0; k < n; k++) dot += Q[k * n + i]! * Q[k * n + j]!;
          for (let a = 0; a < n; a++)
            for (let b = 0; b < n; b++) through += Q[a * n + i]! * M[a * n + b]! * Q[b * n + j]!;
          worst = Math.max(worst, Math.abs(dot - (i === j ? 1 : 0)));
          if (i !== j) off = Math.max(off, Math.abs(through));
        }
      expect(worst).toBeLessThan(1e-4);
      // Diagonal to rounding of the largest eigenvalue.
      expect(off).toBeLessThan(1e-4 * Math.max(...M));
    } finally {
      program.destroy();
    }
  });
});
