/**
 * R runs of one system trained together: compiles the step, the error and the weighting into programs that share one
 * set of buffers, and moves numbers in and out. It knows nothing of files, progress or the command line.
 */
import { type CompileOptions, type Device, type Library, type Plan, Program } from '../../engine/index.ts';
import { eigenvectors, REFRESH_EVERY } from '../../optim/index.ts';
import {
  type Coordinates,
  EVALUATION,
  initialThetas,
  inputValues,
  knownValues,
  type Problem,
} from '../../systems/index.ts';
import { type Choices, preferred, servedBy } from '../adapter/choices.ts';
import type { Errors, Snapshot, Trainable } from './loop.ts';
import { type Memory, memoryOf, type Role, sharedNames, type TrainingPlans, trainingPlans } from './plans.ts';
import { soapPlans, type TrainerOptions } from './tapes.ts';

export interface Backend {
  readonly library: Library;
  readonly device: Device;
  /** Pinned kernel versions. */
  readonly versions?: Readonly<Record<string, string>>;
  /** Versions of single calls where none is pinned; the default ones otherwise. */
  readonly choices?: Choices;
}

/** How a backend compiles. */
export function compileOptions({ device, library, versions = {}, choices = {} }: Backend): CompileOptions {
  const { capabilities } = device;
  return { device: capabilities, library, versions, prefer: preferred(choices, capabilities) };
}

type Programs = Readonly<Partial<Record<Role, Program>> & Record<'step' | 'error', Program>>;

/** What a run folder is written from, whatever the optimizer. */
export interface RunTrainer extends Trainable {
  readonly options: { readonly problem: Problem };
  readonly terms: readonly string[];
  /** Those with a reference solution. */
  readonly fields: readonly string[];
  /** The same, or all fields where none has a reference solution. */
  readonly predicted: readonly string[];
  readonly evaluation: Coordinates;
  /** In words, what there is to say before the first step. */
  readonly about?: string;
  /** Which version serves each kernel call, by `callText`. */
  readonly kernels: Readonly<Record<string, string>>;
  readonly dispatchesPerStep: number;
  readonly memory: Memory;
  /** Predictions of each run at the evaluation points as of the last `errors`, by field. */
  predictions(): Promise<readonly Readonly<Record<string, Float32Array>>[]>;
  /** Every theta, by input name. */
  thetas(): Promise<Readonly<Record<string, Float32Array>>>;
  /** Reference solution of a run at the evaluation points, by field. */
  exact(run: number): Readonly<Record<string, Float64Array>>;
  /** Everything that {@link restore} needs to go on bit for bit. */
  snapshot(): Promise<Snapshot>;
  restore(snapshot: Snapshot): Promise<void>;
  /** Shapes of the values of a {@link Snapshot}. */
  stateShapes(): Readonly<Record<string, readonly number[]>>;
  destroy(): void;
}

export class Trainer implements RunTrainer {
  readonly options: TrainerOptions;
  readonly terms: readonly string[];
  /** Fields with a reference solution. */
  readonly fields: readonly string[];
  /** The same, or all fields where none has one. */
  readonly predicted: readonly string[];
  readonly evaluation: Coordinates;
  /** Steps taken so far. */
  epoch = 0;
  /** The program of a training step. */
  readonly step: Program;
  readonly programs: Programs;
  /** Holds the temporaries of all programs. */
  readonly temporaries: Program;

  readonly #compiled: TrainingPlans;
  private constructor(options: TrainerOptions, compiled: TrainingPlans, programs: Programs, temporaries: Program) {
    this.options = options;
    this.terms = compiled.terms;
    this.fields = compiled.fields;
    this.predicted = compiled.predicted;
    this.evaluation = options.problem.system.evaluation();
    this.step = programs.step;
    this.programs = programs;
    this.#compiled = compiled;
    this.temporaries = temporaries;
  }

  /** Compiles and uploads; parameters start as PyTorch would start them. */
  static async create(options: TrainerOptions, backend: Backend): Promise<Trainer> {
    const { problem } = options;
    const { system, runs } = problem;
    const compiled = trainingPlans(options, compileOptions(backend));
    const { programs, temporaries } = await programsOf(backend.device, compiled);
    const { step, error } = programs;
    const trainer = new Trainer(options, compiled, programs, temporaries);
    const { data, terms } = compiled;
    const onEvaluation = runs.map((run) => ({ ...run, points: { [EVALUATION]: trainer.evaluation } }));
    fill(step, inputValues(problem, data.training));
    fill(error, inputValues({ system, runs: onEvaluation }, data.error));
    step.write('weights', new Array(runs.length * terms.length).fill(1));
    step.write('lr', new Array(runs.length).fill(options.learningRate));
    step.write('settings', [...options.betas, options.optimizerEpsilon]);
    trainer.setTheta(initialThetas(problem));
    return trainer;
  }

  get plan(): Plan {
    return this.step.plan;
  }

  get dispatchesPerStep(): number {
    return this.plan.dispatches.length;
  }

  /** Which version serves each kernel call, by `callText`. */
  get kernels(): Record<string, string> {
    return servedBy(Object.values(this.#compiled.plans));
  }

  /** Device memory of all programs together. */
  get memory(): Memory {
    return memoryOf(this.#compiled, this.options);
  }

  setTheta(values: Readonly<Record<string, ArrayLike<number>>>): void {
    for (const [name, data] of Object.entries(values)) this.step.write(name, data);
  }

  /** Takes `steps` steps. Returns the unweighted loss terms before each, [steps,R,K]. */
  async run(steps: number): Promise<Float32Array> {
    const { updateEvery, problem } = this.options;
    const { runs } = problem;
    const losses = new Float32Array(steps * runs.length * this.terms.length);
    const before = updateEvery === 1 && this.programs.weighting ? [this.programs.weighting] : [];
    for (let done = 0; done < steps; ) {
      if (updateEvery > 1 && this.epoch % updateEvery === 0) await this.programs.weighting?.run();
      const starting = this.epoch === 0 && this.programs.start !== undefined;
      const until = starting ? 1 : updateEvery > 1 ? updateEvery - (this.epoch % updateEvery) : steps;
      const count = Math.min(steps - done, until);
      const recorded = starting ? await this.#start(before) : await this.#steps(count, before);
      losses.set(recorded, done * runs.length * this.terms.length);
      done += count;
      this.epoch += count;
    }
    return losses;
  }

  async #steps(count: number, before: readonly Program[]): Promise<Float32Array> {
    const { refresh } = this.programs;
    const first = this.epoch;
    // SOAP counts its steps from the second epoch on.
    const due = (step: number) => refresh !== undefined && (first + step) % REFRESH_EVERY === 0;
    const recorded = await this.step.run(count, ['losses'], (step) => ({ before, after: due(step) ? [refresh!] : [] }));
    return recorded['losses']!;
  }

  /** SOAP's first epoch: factors from the first gradient, their eigenvectors by the CPU. */
  async #start(before: readonly Program[]): Promise<Float32Array> {
    const recorded = await this.programs.start!.run(1, ['losses'], () => ({ before }));
    for (const [theta, { factors }] of soapPlans(this.options.problem)) {
      for (const { size, count } of factors) {
        const matrices = finiteOnes(await this.step.read(`${theta}.L.${size}`), size);
        this.step.write(`${theta}.Q.${size}`, eigenvectors(matrices, count, size));
      }
    }
    return recorded['losses']!;
  }

  /** Errors of each run at the evaluation points; of no field, and a mean of NaN, where there is no reference solution. */
  async errors(): Promise<Errors[]> {
    await this.programs.error.run();
    return errorsOf(this.programs.error, this.fields, this.options.problem);
  }

  /** Predictions of each run at the evaluation points as of the last {@link errors}, by field. */
  async predictions(): Promise<Record<string, Float32Array>[]> {
    return predictionsOf(this.programs.error, this.predicted, this.options.problem);
  }

  /** Loss weights, [R,K]. */
  async weights(): Promise<Float32Array> {
    return this.step.read('weights');
  }

  /** Every theta, by input name. */
  async thetas(): Promise<Record<string, Float32Array>> {
    const names = this.options.problem.stacks.map(({ theta }) => theta);
    const values = await Promise.all(names.map((name) => this.step.read(name)));
    return Object.fromEntries(names.map((name, k) => [name, values[k]!]));
  }

  /** Reference solution of a run at the evaluation points, by field. */
  exact(run: number): Record<string, Float64Array> {
    return exactOf(this.options.problem, run, this.fields, this.evaluation);
  }

  /** Everything a later {@link restore} needs to go on bit for bit: parameters, optimizer state, loss weights, epoch. */
  async snapshot(): Promise<Snapshot> {
    const names = this.#stateNames();
    const values = await Promise.all(names.map((name) => this.step.read(name)));
    return { epoch: this.epoch, values: Object.fromEntries(names.map((name, k) => [name, values[k]!])) };
  }

  async restore({ epoch, values }: Snapshot): Promise<void> {
    for (const name of this.#stateNames()) this.step.write(name, values[name]!);
    this.epoch = epoch;
  }

  /** Shapes of the values of a {@link Snapshot}. */
  stateShapes(): Record<string, readonly number[]> {
    return Object.fromEntries(this.#stateNames().map((name) => [name, this.plan.inputs[name]!.shape]));
  }

  #stateNames(): string[] {
    return [
      ...new Set([...Object.keys(this.plan.state), ...Object.keys(this.programs.refresh?.plan.state ?? {}), 'weights']),
    ];
  }

  destroy(): void {
    for (const program of [...Object.values(this.programs), this.temporaries]) program.destroy();
  }
}

/** Errors of each run of a problem, as an error program computed them last; a mean of NaN where no field has a reference. */
export async function errorsOf(error: Program, fields: readonly string[], { runs }: Problem): Promise<Errors[]> {
  const F = fields.length;
  const names = F > 0 ? ['relative', 'rmse'] : [];
  const [relative, rmse] = await Promise.all(names.map((name) => error.read(name)));
  return runs.map((_, r) => {
    const row = (values?: Float32Array) => Object.fromEntries(fields.map((field, k) => [field, values![r * F + k]!]));
    const own = row(relative);
    return { relative: own, rmse: row(rmse), mean: Object.values(own).reduce((a, b) => a + b, 0) / F };
  });
}

/**
 * Matrices [count,size,size], those with an element that is not finite replaced by the identity. The run that such a
 * matrix belongs to is lost, as its losses say; it must not take those beside it along.
 */
function finiteOnes(matrices: Float32Array, size: number): Float32Array {
  const all = matrices.slice();
  for (let at = 0; at < all.length; at += size * size) {
    const own = all.subarray(at, at + size * size);
    if (own.every(Number.isFinite)) continue;
    own.fill(0);
    for (let k = 0; k < size; k++) own[k * size + k] = 1;
  }
  return all;
}

/** Reference solution of a run at evaluation points, by field. */
export function exactOf(
  { system, runs }: Problem,
  run: number,
  fields: readonly string[],
  evaluation: Coordinates,
): Record<string, Float64Array> {
  const { parameters } = runs[run]!;
  return Object.fromEntries(
    fields.map((field) => [field, knownValues(system, `${field}_exact`, parameters, evaluation)]),
  );
}

/** Predictions of each run, by field, as an error program computed them last. */
export async function predictionsOf(
  error: Program,
  predicted: readonly string[],
  { runs }: Problem,
): Promise<Record<string, Float32Array>[]> {
  const all = await error.read('predictions');
  const [F, N] = [predicted.length, all.length / runs.length / predicted.length];
  return runs.map((_, r) =>
    Object.fromEntries(predicted.map((field, k) => [field, all.slice((r * F + k) * N, (r * F + k + 1) * N)])),
  );
}

/** Writes what a program takes: inputs that no output needs are not among them. */
export function fill(program: Program, values: Readonly<Record<string, ArrayLike<number>>>): void {
  for (const [name, data] of Object.entries(values)) if (name in program.plan.inputs) program.write(name, data);
}

/** Programs that share the buffers of the step and the temporaries; where one cannot be created, none is left. */
async function programsOf(
  device: Device,
  { plans, temporaries: held }: TrainingPlans,
): Promise<{ programs: Programs; temporaries: Program }> {
  const made: Program[] = [];
  const create = async (plan: Plan, ...owners: readonly Program[]) => {
    const shared = owners.flatMap((program) =>
      sharedNames(plan, program.plan).map((name) => [name, { program, name }] as const),
    );
    const program = await Program.create(device, plan, Object.fromEntries(shared));
    made.push(program);
    return program;
  };
  try {
    const temporaries = await create(held);
    const { step: stepPlan, ...others } = plans;
    const step = await create(stepPlan, temporaries);
    const created = await Promise.allSettled(
      Object.entries(others).map(async ([role, plan]) => [role, await create(plan, step, temporaries)] as const),
    );
    const rest = created.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    });
    return { programs: { ...Object.fromEntries(rest), step } as Programs, temporaries };
  } catch (failure) {
    for (const program of made) program.destroy();
    throw failure;
  }
}
