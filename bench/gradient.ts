/** The work that peers are compared on: thermoelasticity's loss and its gradient, or a whole SOAP step with grad-norm. */
import { cpus } from 'node:os';
import { compile, type Device, evaluate, grad, graphOf, type Library, Program, simplify } from '../engine/index.ts';
import { modelFor, termsSource } from '../experiments/training/tapes.ts';
import { Trainer } from '../experiments/training/trainer.ts';
import { distance } from '../experiments/verify/quantity.ts';
import { initialTheta, inputValues, shareThetas, systemNamed } from '../systems/index.ts';
import type { Contestant } from './interleave.ts';
import { optionsOf } from './workloads.ts';

const SEED = 42;

/** What a peer is told, and what it should find. */
export interface Problem {
  readonly system: string;
  readonly hidden: number;
  readonly width: number;
  readonly parameters: Readonly<Record<string, number>>;
  /** Parameters by network, layer by layer: W [out,in] by rows, then b. */
  readonly theta: readonly (readonly number[])[];
  readonly points: Readonly<Record<string, readonly number[]>>;
  /** Known functions at the points, `GROUP.NAME`. */
  readonly data: Readonly<Record<string, readonly number[]>>;
  readonly cores: number;
}

/** Our side of a comparison. */
export interface Ours extends Contestant {
  readonly dispatches: number;
  readonly losses: ArrayLike<number>;
  readonly gradient: ArrayLike<number>;
  /** ||gpu - float64|| / ||float64|| of both. */
  readonly error: number;
  destroy(): void;
}

interface Backend {
  readonly device: Device;
  readonly library: Library;
  readonly versions?: Readonly<Record<string, string>>;
}

const options = () => optionsOf(systemNamed('thermoelasticity'), 1, 'soap');

export function problemOf(): Problem {
  const { system, shape, runs } = options();
  const [{ parameters, points }] = runs as [(typeof runs)[number]];
  const rows = initialTheta(system, shape, SEED);
  const { model } = gradientSource();
  const values = inputValues(system, Object.keys(model.inputs), runs);
  const data = Object.entries(values).filter(([name]) => name.startsWith('data.'));
  return {
    system: system.name,
    hidden: shape.hidden,
    width: shape.width,
    parameters,
    theta: system.networks.map(({ name }) => [...Float32Array.from(rows[name]!)]),
    points: Object.fromEntries(Object.entries(points).map(([group, { x }]) => [group, [...x!]])),
    data: Object.fromEntries(data.map(([name, v]) => [name.slice('data.'.length), [...v]])),
    cores: cpus().length,
  };
}

function gradientSource() {
  const model = modelFor(options());
  const [gradient] = grad(model.total, model.thetas);
  return { model, source: { inputs: model.inputs, outputs: { losses: model.losses, gradient } } };
}

function valuesOf(names: readonly string[], weights: ArrayLike<number>): Record<string, ArrayLike<number>> {
  const { system, shape, runs } = options();
  const theta = shareThetas(system, shape, [initialTheta(system, shape, SEED)]);
  return { ...inputValues(system, names, runs), ...theta, weights };
}

async function gradientProgram({ device, library, versions }: Backend, weights: ArrayLike<number>) {
  const { source } = gradientSource();
  const plan = compile(source, { device: device.capabilities, library, ...(versions ? { versions } : {}) });
  const program = await Program.create(device, plan);
  const values = valuesOf(Object.keys(source.inputs), weights);
  for (const [name, data] of Object.entries(values)) program.write(name, data);
  const { losses, gradient } = (await program.run(1, ['losses', 'gradient'])) as Record<string, Float32Array>;
  const inputs = Object.keys(source.inputs).map((name) => Float32Array.from(values[name]!));
  const graph = simplify(graphOf(Object.values(source.inputs), Object.values(source.outputs)));
  const exact = evaluate(graph, inputs);
  const error = Math.max(distance(losses!, exact[0]!), distance(gradient!, exact[1]!));
  return { program, losses: losses!, gradient: gradient!, error };
}

/** One gradient of the loss, all weights 1. */
export async function oursGradient(backend: Backend): Promise<Ours> {
  const { program, ...values } = await gradientProgram(backend, [1, 1, 1]);
  return {
    ...values,
    name: 'Tapir',
    dispatches: program.plan.dispatches.length,
    time: async (calls) => {
      const from = performance.now();
      await program.run(calls);
      return (1e6 * (performance.now() - from)) / calls;
    },
    destroy: () => program.destroy(),
  };
}

/** One step of SOAP with grad-norm, with its share of refresh and weighting as they fall due; the gradient is the first step's. */
export async function oursStep(backend: Backend): Promise<Ours> {
  const { device, library, versions } = backend;
  const pinned = versions ? { versions } : {};
  const settings = { ...options(), weighting: 'grad-norm' } as const;
  const { source } = termsSource(settings);
  const weighting = await Program.create(device, compile(source, { device: device.capabilities, library, ...pinned }));
  let weights: Float32Array;
  try {
    for (const [name, data] of Object.entries(valuesOf(Object.keys(source.inputs), [1, 1, 1])))
      weighting.write(name, data);
    weights = (await weighting.run(1, ["weights'"]))["weights'"]!;
  } finally {
    weighting.destroy();
  }
  const { program, ...values } = await gradientProgram(backend, weights);
  program.destroy();
  const trainer = await Trainer.create(settings, { device, library, ...pinned });
  return {
    ...values,
    name: 'Tapir',
    dispatches: trainer.plan.dispatches.length,
    time: async (calls) => {
      const from = performance.now();
      await trainer.run(calls);
      return (1e6 * (performance.now() - from)) / calls;
    },
    destroy: () => trainer.destroy(),
  };
}
