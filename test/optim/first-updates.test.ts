/** SOAP's first updates: bounded by the learning rate where the paper's are, and as large as PyTorch's on every system. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
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
  simplify,
  sizeOf,
} from '../../engine/index.ts';
import { hyperparametersFor } from '../../experiments/training/hyperparameters.ts';
import {
  refreshSource,
  soapPlans,
  startSource,
  stepSource,
  type TrainerOptions,
} from '../../experiments/training/tapes.ts';
import { Trainer } from '../../experiments/training/trainer.ts';
import { readGolden } from '../../experiments/verify/golden-file.ts';
import { startOf } from '../../experiments/verify/system.ts';
import { library } from '../../kernels/index.ts';
import { eigenvectors, planSoap, REFRESH_EVERY, soap, soapStart } from '../../optim/index.ts';
import { inputValues, matrixBlocks } from '../../systems/index.ts';
import { generator, uniform } from '../support/tensors.ts';

/** Smallest and largest of several runs. */
type Range = readonly [number, number];

/** What first_updates.py printed: root mean squares of ten updates over all weight matrices, in units of the learning rate. */
const torch: { cases: Record<string, { float64: Range[]; float32: Range[] }> } = JSON.parse(
  readFileSync(join(import.meta.dirname, 'first-updates.json'), 'utf8'),
);
const UPDATES = 10;

type Thetas = Readonly<Record<string, ArrayLike<number>>>;

function setup(name: string) {
  const golden = readGolden(join(import.meta.dirname, '..', 'golden', `${name}.json`));
  if (golden.kind !== 'system') throw new Error(`${name} is no case of a system`);
  const { problem, thetas } = startOf(golden);
  const options = { ...hyperparametersFor(problem.system, { optimizer: 'soap', weighting: 'none' }), problem };
  return { options, thetas, terms: golden.terms.length };
}

type Setup = ReturnType<typeof setup>;

/** Root mean square of after - before over all weight matrices, in units of the learning rate. */
function size({ problem, learningRate }: TrainerOptions, before: Thetas, after: Thetas): number {
  let [squares, count] = [0, 0];
  for (const { theta, networks, architecture } of problem.stacks) {
    const P = after[theta]!.length / networks.length;
    networks.forEach((_, k) => {
      for (const { at, rows, columns } of matrixBlocks(architecture))
        for (let i = k * P + at; i < k * P + at + rows * columns; i++) {
          squares += ((after[theta]![i]! - before[theta]![i]!) / learningRate) ** 2;
          count++;
        }
    });
  }
  return Math.sqrt(squares / count);
}

/** Sizes of the first updates; `next` takes one more step and tells where theta is then. */
async function sizes(options: TrainerOptions, next: () => Promise<Thetas>): Promise<number[]> {
  let before = await next();
  const found: number[] = [];
  for (let t = 1; t <= UPDATES; t++) {
    const after = await next();
    found.push(size(options, before, after));
    before = after;
  }
  return found;
}

/** Training in float64 by the interpreter. */
function interpreted({ options, thetas, terms }: Setup): () => Promise<Thetas> {
  const { problem } = options;
  const { model, source } = stepSource(options);
  const sources = { start: startSource(options), step: source, refresh: refreshSource(problem) };
  const values = new Map<string, ArrayLike<number>>();
  for (const { inputs } of Object.values(sources))
    for (const [name, { shape }] of Object.entries(inputs)) values.set(name, new Float64Array(sizeOf(shape)));
  const given = {
    ...inputValues(problem, model.data),
    ...thetas,
    weights: new Array<number>(terms).fill(1),
    lr: [options.learningRate],
    settings: [...options.betas, options.optimizerEpsilon],
  };
  for (const [name, data] of Object.entries(given)) values.set(name, data);
  const run = ({ inputs, outputs, state = {} }: Source) => {
    const graph = simplify(graphOf(Object.values(inputs), Object.values(outputs)));
    const names = Object.keys(outputs);
    const results = evaluate(
      graph,
      Object.keys(inputs).map((name) => values.get(name)!),
    );
    for (const [name, output] of Object.entries(state)) values.set(name, results[names.indexOf(output)]!);
  };
  let t = -1;
  return async () => {
    t++;
    run(t === 0 ? sources.start : sources.step);
    if (t > 0 && t % REFRESH_EVERY === 0) run(sources.refresh);
    for (const [theta, { factors }] of t === 0 ? soapPlans(problem) : [])
      for (const { size: n, count } of factors)
        values.set(`${theta}.Q.${n}`, eigenvectors(values.get(`${theta}.L.${n}`)!, count, n));
    return Object.fromEntries(Object.keys(thetas).map((name) => [name, values.get(name)!]));
  };
}

/**
 * Bases of a null space are arbitrary, rounding decides them and later gradients add to them: updates are compared by their
 * size with a range of runs, the first one, where no refresh has been, more closely than the others.
 */
function expectWithin(found: readonly number[], ranges: readonly Range[]): void {
  expect(found).toHaveLength(UPDATES);
  ranges.forEach(([least, most], k) => {
    const factor = k === 0 ? 1.05 : 1.5;
    expect(found[k], `update ${k + 1}`).toBeGreaterThan(least / factor);
    expect(found[k], `update ${k + 1}`).toBeLessThan(most * factor);
  });
}

describe('the first updates', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice();
  });
  afterAll(() => device?.close());

  it.each(Object.keys(torch.cases))(
    'of %s in float32 are as large as those of PyTorch',
    async (name) => {
      const { options, thetas } = setup(name);
      const trainer = await Trainer.create(options, { device, library });
      try {
        trainer.setTheta(thetas);
        const next = async () => {
          await trainer.run(1);
          return trainer.thetas();
        };
        expectWithin(await sizes(options, next), torch.cases[name]!.float32);
      } finally {
        trainer.destroy();
      }
    },
    400_000,
  );

  const small = Object.keys(torch.cases).filter((name) => name.endsWith('small'));
  it.each(small)('of %s in float64 are as large as those of PyTorch', async (name) => {
    const from = setup(name);
    expectWithin(await sizes(from.options, interpreted(from)), torch.cases[name]!.float64);
  });

  it('first of all is at most the learning rate in every entry of the eigenbasis, rounding over rounding included', async () => {
    const [n, rank, lr] = [64, 3, 1e-3];
    const random = generator(7);
    const draw = (count: number) => uniform([count], random).data;
    // Gradients of rank 3 and size 1e3: the rest of the projected matrix is rounding, far above epsilon.
    const [left, right] = [draw(n * rank), draw(n * rank)];
    const gradient = () => {
      const scale = draw(rank).map((s) => 1e3 * (1 + s / 10));
      return Float32Array.from({ length: n * n }, (_, k) =>
        scale.reduce((sum, s, r) => sum + s * left[Math.floor(k / n) * rank + r]! * right[(k % n) * rank + r]!, 0),
      );
    };
    const plan = planSoap(1, [{ at: 0, rows: n, columns: n }]);
    const source = (begin: boolean): Source => {
      const tape = newTape();
      const [theta, g] = [input(tape, 'W', [1, n * n]), input(tape, 'g', [1, n * n])];
      const [rate, settings] = [input(tape, 'lr', [1, 1]), input(tape, 'settings', [3])];
      if (begin) {
        const update = soapStart('W', theta, g, settings, plan);
        return { ...update, inputs: { g, settings, ...update.inputs } };
      }
      const update = soap('W', theta, g, rate, settings, plan);
      return { ...update, inputs: { W: theta, g, lr: rate, settings, ...update.inputs } };
    };
    const options = { library, device: device.capabilities };
    const [start, step] = await Promise.all(
      [true, false].map((begin) => Program.create(device, compile(source(begin), options))),
    );
    try {
      for (const program of [start!, step!]) program.write('settings', [0.99, 0.999, 1e-8]);
      step!.write('lr', [lr]);
      start!.write('g', gradient());
      await start!.run();
      const factors = await start!.read(`W.L.${n}`);
      const Q = Float32Array.from(eigenvectors(factors, 2, n));
      step!.write(`W.L.${n}`, factors);
      step!.write(`W.Q.${n}`, Q);
      step!.write('g', gradient());
      await step!.run();
      const W = await step!.read('W');
      let [largest, moved] = [0, 0];
      for (let i = 0; i < n; i++)
        for (let j = 0; j < n; j++) {
          let projected = 0;
          for (let a = 0; a < n; a++)
            for (let b = 0; b < n; b++) projected += Q[a * n + i]! * W[a * n + b]! * Q[n * n + b * n + j]!;
          largest = Math.max(largest, Math.abs(projected));
          moved += projected ** 2;
        }
      expect(largest).toBeLessThan(1.0001 * lr);
      expect(largest).toBeGreaterThan(0.9999 * lr);
      expect(Math.sqrt(moved)).toBeLessThan(1.0001 * lr * n);
      // Most of that is rounding: the gradient itself has 9 entries.
      expect(Math.sqrt(moved)).toBeGreaterThan(0.5 * lr * n);
    } finally {
      for (const program of [start!, step!]) program.destroy();
    }
  });
});
