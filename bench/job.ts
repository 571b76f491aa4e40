/** The work that peers are compared on: a gradient of a system's loss, or steps of an optimizer with grad-norm, of one run or a stack. */
import { cpus } from 'node:os';
import {
  compile,
  type Device,
  evaluate,
  grad,
  graphOf,
  type Library,
  newTape,
  Program,
  simplify,
} from '../engine/index.ts';
import { termsSource } from '../experiments/training/tapes.ts';
import { Trainer } from '../experiments/training/trainer.ts';
import { distance } from '../experiments/verify/quantity.ts';
import type { Weighting } from '../optim/index.ts';
import {
  initialTheta,
  initialThetas,
  inputValues,
  type LossModel,
  lossModel,
  type Optimizer,
  systemNamed,
} from '../systems/index.ts';
import type { Contestant } from './interleave.ts';
import type { Job, Work } from './job-text.ts';
import { optionsOf } from './workloads.ts';

export { type Job, jobText, type Work } from './job-text.ts';

/** What a peer is told, and what it should find. */
export interface Problem {
  readonly system: string;
  readonly work: Work;
  readonly runs: number;
  readonly hidden: number;
  readonly width: number;
  /** Outputs of each network. */
  readonly outputs: readonly number[];
  readonly parameters: Readonly<Record<string, number>>;
  /** Parameters run by run, network by network, layer by layer: W [out,in] by rows, then b. */
  readonly theta: readonly (readonly number[])[];
  /** Coordinates by group and name. */
  readonly points: Readonly<Record<string, Readonly<Record<string, readonly number[]>>>>;
  /** Known functions at the points, `GROUP.NAME`; those of the first run, which all share. */
  readonly data: Readonly<Record<string, readonly number[]>>;
  readonly learningRate: number;
  readonly betas: readonly [number, number];
  readonly cores: number;
  /** Threads that the peer may use. */
  readonly threads: number;
}

/** Our side of a comparison. */
export interface Ours extends Contestant {
  readonly dispatches: number;
  /** [runs,K]. */
  readonly losses: ArrayLike<number>;
  /** Run by run, network by network. */
  readonly gradient: ArrayLike<number>;
  /** ||gpu - float64|| / ||float64|| of both; absent where the interpreter would take minutes. */
  readonly error?: number;
  destroy(): void;
}

interface Backend {
  readonly device: Device;
  readonly library: Library;
  readonly versions?: Readonly<Record<string, string>>;
}

/** Parameters times points up to which the float64 interpreter is asked. */
const AFFORDABLE = 2e7;

const optimizerOf = ({ work }: Job): Optimizer => (work === 'SOAP step' ? 'soap' : 'adam');
const options = (job: Job, weighting?: Weighting) =>
  optionsOf(systemNamed(job.system), job.runs, optimizerOf(job), weighting);

export function problemOf(job: Job, threads = 1): Problem {
  const { problem, learningRate, betas } = options(job);
  const { system, shape, runs } = problem;
  const first = runs[0]!;
  const known = lossModel(newTape(), problem).data.filter(({ kind }) => kind === 'known');
  const data = Object.entries(inputValues({ system, runs: [first] }, known));
  return {
    system: system.name,
    work: job.work,
    runs: job.runs,
    hidden: shape.hidden,
    width: shape.width,
    outputs: system.networks.map(({ fields }) => fields.length),
    parameters: first.parameters,
    theta: runs.flatMap(({ seed }) => {
      const rows = initialTheta(system, shape, seed);
      return system.networks.map(({ name }) => [...Float32Array.from(rows[name]!)]);
    }),
    points: Object.fromEntries(
      Object.entries(first.points).map(([group, at]) => [
        group,
        Object.fromEntries(system.coordinates.map((c) => [c, [...at[c]!]])),
      ]),
    ),
    data: Object.fromEntries(data.map(([name, v]) => [name.slice('data.'.length), [...v]])),
    learningRate,
    betas,
    cores: cpus().length,
    threads,
  };
}

function valuesOf(job: Job, { data }: LossModel, weights: ArrayLike<number>): Record<string, ArrayLike<number>> {
  const { problem } = options(job);
  return { ...inputValues(problem, data), ...initialThetas(problem), weights };
}

async function gradientProgram({ device, library, versions }: Backend, job: Job, weights: ArrayLike<number>) {
  const model = lossModel(newTape(), options(job).problem);
  const gradients = grad(model.total, model.thetas);
  const named = gradients.map((gradient, k) => [`gradient.${k}`, gradient] as const);
  const source = { inputs: model.inputs, outputs: { losses: model.losses, ...Object.fromEntries(named) } };
  const plan = compile(source, { device: device.capabilities, library, ...(versions ? { versions } : {}) });
  const program = await Program.create(device, plan);
  const values = valuesOf(job, model, weights);
  for (const [name, data] of Object.entries(values)) program.write(name, data);
  const found = await program.run(1, Object.keys(source.outputs));
  const losses = found['losses']!;
  const gradient = joined(named.map(([name]) => found[name]!));
  const points = model.residuals.reduce((sum, { value }) => sum + value.shape[1]!, 0);
  if (gradient.length * points > AFFORDABLE) return { program, losses, gradient };
  const inputs = Object.keys(source.inputs).map((name) => Float32Array.from(values[name]!));
  const graph = simplify(graphOf(Object.values(source.inputs), Object.values(source.outputs)));
  const [exactLosses, ...exact] = evaluate(graph, inputs);
  const error = Math.max(distance(losses, exactLosses!), distance(gradient, joined(exact)));
  return { program, losses, gradient, error };
}

function joined(parts: readonly ArrayLike<number>[]): Float64Array {
  return Float64Array.from(parts.flatMap((part) => Array.from(part)));
}

/** Our side of a job; what a step finds is its first gradient, with the weights that grad-norm gives the terms there. */
export async function oursOf(job: Job, backend: Backend): Promise<Ours> {
  return job.work === 'gradient' ? oursGradient(job, backend) : oursStep(job, backend);
}

async function oursGradient(job: Job, backend: Backend): Promise<Ours> {
  const terms = lossModel(newTape(), options(job).problem).terms.length;
  const { program, ...values } = await gradientProgram(backend, job, new Array(job.runs * terms).fill(1));
  return {
    ...values,
    name: 'Tapir',
    dispatches: program.plan.dispatches.length,
    time: timed((calls) => program.run(calls)),
    destroy: () => program.destroy(),
  };
}

/** Steps of training with their share of refresh and weighting as they fall due. */
async function oursStep(job: Job, backend: Backend): Promise<Ours> {
  const { device, library, versions } = backend;
  const pinned = versions ? { versions } : {};
  const settings = options(job, 'grad-norm');
  const { model, source } = termsSource(settings);
  const weighting = await Program.create(device, compile(source, { device: device.capabilities, library, ...pinned }));
  let weights: Float32Array;
  try {
    const ones = new Array(job.runs * model.terms.length).fill(1);
    for (const [name, data] of Object.entries(valuesOf(job, model, ones))) weighting.write(name, data);
    weights = (await weighting.run(1, ["weights'"]))["weights'"]!;
  } finally {
    weighting.destroy();
  }
  const { program, ...values } = await gradientProgram(backend, job, weights);
  program.destroy();
  const trainer = await Trainer.create(settings, { device, library, ...pinned });
  return {
    ...values,
    name: 'Tapir',
    dispatches: trainer.plan.dispatches.length,
    time: timed((calls) => trainer.run(calls)),
    destroy: () => trainer.destroy(),
  };
}

const timed = (run: (calls: number) => Promise<unknown>) => async (calls: number) => {
  const from = performance.now();
  await run(calls);
  return (1e6 * (performance.now() - from)) / calls;
};
