/**
 * What the theory speaks of, measured at given parameters: the NTK K = J J^T, and K_P = sum_k P_k under block-diagonal
 * Gauss-Newton, P_k the projector onto the range of network k's rows.
 *
 * Three values of lambda_max(K_P) differ in what counts as the range. At a threshold T, left singular vectors with
 * singular values above T sigma_max. As computed, everything that rounding makes independent. Exactly, the limit of T
 * towards 0 in exact arithmetic: a row depends on a network through its jet at one point only, and over-parameterisation
 * means that jets at distinct points are independent, so ranges fall apart into small ones, point by point.
 */
import {
  compile,
  evaluate,
  type Graph,
  graphOf,
  input,
  newTape,
  Program,
  type Source,
  simplify,
} from '../../engine/index.ts';
import type { AdamSettings } from '../../optim/index.ts';
import { inputValues, layersOf, type Run, type Stack } from '../../systems/index.ts';
import type { Backend } from '../training/trainer.ts';
import { exactLargest, jetsOf } from './exact.ts';
import {
  applySymmetric,
  beside,
  computedRange,
  effectiveRank,
  firstColumns,
  largestEigenvalue,
  largestOfGram,
  rankOf,
  reduceRows,
  type Singular,
  singular,
  type Tall,
} from './spectra.ts';
import {
  explicitRows,
  gramSource,
  outputNames,
  preconditionedSource,
  type RowsModel,
  rowsModel,
  type Subject,
  signalsSource,
} from './tape.ts';
import { type Theorems, theoremsOf } from './theorems.ts';

/** Thresholds at which the projectors are shown, relative to the largest singular value. */
export const THRESHOLDS = [1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12, 1e-14];

/** Parameters of one run, by input name, and what its optimizer carries. */
export interface State {
  readonly thetas: Readonly<Record<string, ArrayLike<number>>>;
  readonly live?: {
    readonly optimizer: 'adam' | 'soap';
    readonly settings: AdamSettings;
    readonly values: Readonly<Record<string, ArrayLike<number>>>;
  };
}

/** An eigenvalue and the learning rate 2/lambda up to which r' = -K r is followed stably. */
export interface Largest {
  readonly lambdaMax: number;
  readonly learningRateLimit: number;
}

export interface Projected extends Largest {
  /** 0: everything that the rows span as computed. */
  readonly threshold: number;
  /** Rank of each network's rows; of each layer's, network by network, for layers. */
  readonly ranks: Readonly<Record<string, number | readonly number[]>>;
}

export interface Measurement {
  readonly rows: number;
  readonly ntk: Largest & {
    /** lambda_max(J_k J_k^T) of each network, and of each of its layers. */
    readonly networks: Readonly<Record<string, number>>;
    readonly layers: Readonly<Record<string, readonly number[]>>;
    /** The same from the Gram matrix of the GPU, and ||K_gpu - J J^T|| / ||J J^T||. */
    readonly gpu: { readonly lambdaMax: number; readonly difference: number };
  };
  readonly preconditioned: Projected & {
    readonly bound: number;
    readonly exact: number;
    readonly influence: readonly Projected[];
  };
  /** One block for every layer of every network. */
  readonly layers: Projected & { readonly bound: number; readonly influence: readonly Projected[] };
  readonly theorems: Theorems;
  /** J D J^T under the diagonal (Adam) or the Kronecker factors (SOAP) that the optimizer has at this moment. */
  readonly optimizer?: Largest & {
    readonly name: 'adam' | 'soap';
    readonly networks: Readonly<Record<string, number>>;
  };
  readonly spectrum?: {
    /** Of K, in descending order, as far as float64 resolves them. */
    readonly eigenvalues: readonly number[];
    readonly effectiveRank: number;
    /** Singular values of each J_k. */
    readonly singularValues: Readonly<Record<string, readonly number[]>>;
  };
}

export interface MeterOptions {
  readonly threshold: number;
  readonly spectrum: boolean;
}

const largest = (lambdaMax: number): Largest => ({ lambdaMax, learningRateLimit: 2 / lambdaMax });

/** Measures runs that differ in seed, parameters of the system and weights; their numbers of points are equal. */
export class NtkMeter {
  readonly model: RowsModel;
  readonly #subject: Subject;
  readonly #backend: Backend;
  readonly #gram: Program;
  readonly #signals: { source: Source; graph: Graph };
  readonly #preconditioned = new Map<string, Promise<Program>>();

  private constructor(subject: Subject, backend: Backend, model: RowsModel, program: Program) {
    this.#subject = subject;
    this.#backend = backend;
    this.model = model;
    this.#gram = program;
    const source = signalsSource(model);
    this.#signals = { source, graph: simplify(graphOf(Object.values(source.inputs), Object.values(source.outputs))) };
  }

  static async create(subject: Subject, backend: Backend): Promise<NtkMeter> {
    return new NtkMeter(subject, backend, rowsModel(subject), await program(gramSource(rowsModel(subject)), backend));
  }

  get rows(): number {
    return this.model.rows.reduce((sum, { count }) => sum + count, 0);
  }

  get networks(): string[] {
    return this.#stacks.flatMap(({ networks }) => [...networks]);
  }

  get #stacks(): readonly Stack[] {
    return this.#subject.problem.stacks;
  }

  async measure(run: Run, { thetas, live }: State, { threshold, spectrum }: MeterOptions): Promise<Measurement> {
    const { system } = this.#subject.problem;
    const values = { ...inputValues({ system, runs: [run] }, this.model.model.data), ...thetas };
    const M = this.rows;
    const { parts, sample, exact } = this.#jacobian(values);
    const names = this.networks;
    const all = beside(parts.flat());
    const gpu = await this.#gramOnGpu(values);
    const own = parts.map((layers) => singular(reduceRows(beside(layers))));
    const layerwise = parts.map((layers) => layers.map(singular));
    const byName = <T>(make: (k: number) => T): Record<string, T> =>
      Object.fromEntries(names.map((name, k) => [name, make(k)]));
    const projected = (at: number): Projected => {
      const ranges = at > 0 ? own.map((svd) => above(svd, at)) : sample.map(computedRange);
      const ranks = byName((k) => ranges[k]!.columns);
      return { threshold: at, ranks, ...largest(largestOfGram(beside(ranges))) };
    };
    const layerProjected = (at: number): Projected => {
      const ranges = layerwise.map((layers) => layers.map((svd) => above(svd, at)));
      const ranks = byName((k) => ranges[k]!.map(({ columns }) => columns));
      return { threshold: at, ranks, ...largest(largestOfGram(beside(ranges.flat()))) };
    };
    const ntk = largest(largestOfGram(all));
    return {
      rows: M,
      ntk: {
        ...ntk,
        networks: byName((k) => largestOfGram(beside(parts[k]!))),
        layers: byName((k) => parts[k]!.map(largestOfGram)),
        gpu: {
          lambdaMax: largestEigenvalue((x) => applySymmetric(gpu, x), M),
          difference: differenceFrom(gpu, all),
        },
      },
      preconditioned: {
        ...projected(threshold),
        bound: names.length,
        exact,
        influence: THRESHOLDS.map(projected),
      },
      layers: {
        ...layerProjected(threshold > 0 ? threshold : RESOLVED),
        bound: parts.reduce((sum, layers) => sum + layers.length, 0),
        influence: THRESHOLDS.map(layerProjected),
      },
      theorems: theoremsOf({ rows: this.model.rows, networks: names, parts, own, layerwise, lambdaMax: ntk.lambdaMax }),
      ...(live ? { optimizer: await this.#underOptimizer(values, live) } : {}),
      ...(spectrum
        ? {
            spectrum: spectrumOf(
              all,
              byName((k) => [...own[k]!.values]),
            ),
          }
        : {}),
    };
  }

  /** Rows in float64, reduced, by network and layer; a sample of their columns; lambda_max(K_P) in exact arithmetic. */
  #jacobian(values: Readonly<Record<string, ArrayLike<number>>>) {
    const { source, graph } = this.#signals;
    const results = evaluate(
      graph,
      Object.keys(source.inputs).map((name) => values[name]!),
    );
    const signals = Object.fromEntries(Object.keys(source.outputs).map((name, k) => [name, results[k]!]));
    const M = this.rows;
    const parts: Tall[][] = this.networks.map(() => []);
    const samples: Tall[][] = this.networks.map(() => []);
    const before = this.#stacks.map((_, s) => this.#stacks.slice(0, s).flatMap(({ networks }) => networks).length);
    const jets: Tall[] = [];
    for (const layer of this.model.layers) {
      const names = outputNames(layer);
      const tape = newTape();
      const [deltas, activations] = [input(tape, 'd', layer.deltas.shape), input(tape, 'a', layer.activations.shape)];
      const rows = explicitRows(deltas, activations);
      const data = evaluate(graphOf([deltas, activations], [rows]), [
        signals[names.deltas]!,
        signals[names.activations]!,
      ])[0]!;
      const [F, , size] = rows.shape as [number, number, number];
      for (let f = 0; f < F; f++) {
        const k = before[layer.at.stack]! + f;
        const J: Tall = { rows: M, columns: size, data: data.slice(f * M * size, (f + 1) * M * size) };
        samples[k]!.push(sampled(J, Math.ceil(SAMPLE * M)));
        parts[k]!.push(reduceRows(J));
        if (layer.at.layer === layersOf(layer.stack.architecture).length - 1)
          jets[k] = jetsOf(layer.deltas.shape, signals[names.deltas]!, f);
      }
    }
    return { parts, sample: samples.map((own) => beside(own)), exact: exactLargest(this.model.rows, jets) };
  }

  /** K [M,M] as the GPU computes it from cotangents and activations, summed over networks and layers. */
  async #gramOnGpu(values: Readonly<Record<string, ArrayLike<number>>>): Promise<Float64Array> {
    const outputs = await runOnce(this.#gram, values);
    return summed(Object.values(outputs), this.rows);
  }

  async #underOptimizer(
    values: Readonly<Record<string, ArrayLike<number>>>,
    { optimizer, settings, values: carried }: NonNullable<State['live']>,
  ): Promise<NonNullable<Measurement['optimizer']>> {
    const known =
      this.#preconditioned.get(optimizer) ??
      program(preconditionedSource(rowsModel(this.#subject), optimizer), this.#backend);
    this.#preconditioned.set(optimizer, known);
    const outputs = await runOnce(await known, {
      ...values,
      ...carried,
      settings: [...settings.betas, settings.epsilon],
    });
    const M = this.rows;
    const lambda = (K: Float64Array) => largestEigenvalue((x) => applySymmetric(K, x), M);
    const networks = this.#stacks.flatMap(({ theta, networks: names }) =>
      names.map(
        (name, f) => [name, lambda(summed([outputs[`K.${theta}`]!.slice(f * M * M, (f + 1) * M * M)], M))] as const,
      ),
    );
    return {
      name: optimizer,
      ...largest(lambda(summed(Object.values(outputs), M))),
      networks: Object.fromEntries(networks),
    };
  }

  async destroy(): Promise<void> {
    this.#gram.destroy();
    for (const each of this.#preconditioned.values()) (await each).destroy();
  }
}

/** Threshold for layers where none is given: what float64 resolves with accuracy to spare. */
const RESOLVED = 1e-10;
/** Columns of a layer in the sample for {@link computedRange}, by row. */
const SAMPLE = 0.35;

/** Left singular vectors above a threshold. */
const above = ({ U, values }: Singular, threshold: number): Tall => firstColumns(U, rankOf(values, threshold));

/** Columns at even distances. */
function sampled({ rows, columns, data }: Tall, count: number): Tall {
  if (columns <= count) return { rows, columns, data: data.slice() };
  const own = new Float64Array(rows * count);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < count; j++) own[i * count + j] = data[i * columns + Math.floor((j * columns) / count)]!;
  return { rows, columns: count, data: own };
}

/** Sum of all [M,M] matrices that some arrays hold one after the other. */
function summed(arrays: readonly Float32Array[], M: number): Float64Array {
  const total = new Float64Array(M * M);
  for (const array of arrays) for (let k = 0; k < array.length; k++) total[k % total.length]! += array[k]!;
  return total;
}

/** ||K - L L^T|| / ||L L^T||. */
function differenceFrom(K: Float64Array, { rows, columns, data }: Tall): number {
  let [error, size] = [0, 0];
  for (let i = 0; i < rows; i++)
    for (let j = 0; j <= i; j++) {
      let product = 0;
      for (let k = 0; k < columns; k++) product += data[i * columns + k]! * data[j * columns + k]!;
      const weight = i === j ? 1 : 2;
      error += weight * (K[i * rows + j]! - product) ** 2;
      size += weight * product ** 2;
    }
  return Math.sqrt(error / size);
}

function spectrumOf(all: Tall, singularValues: Record<string, number[]>): NonNullable<Measurement['spectrum']> {
  const eigenvalues = [...singular(reduceRows({ ...all, data: all.data.slice() })).values].map((value) => value ** 2);
  return { eigenvalues, effectiveRank: effectiveRank(eigenvalues), singularValues };
}

async function program(source: Source, { device, library, versions }: Backend): Promise<Program> {
  const plan = compile(source, { device: device.capabilities, library, ...(versions ? { versions } : {}) });
  return Program.create(device, plan);
}

async function runOnce(
  own: Program,
  values: Readonly<Record<string, ArrayLike<number>>>,
): Promise<Record<string, Float32Array>> {
  for (const name of Object.keys(own.plan.inputs)) own.write(name, values[name]!);
  return own.run(1, Object.keys(own.plan.outputs));
}
