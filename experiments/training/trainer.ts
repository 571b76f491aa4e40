/**
 * R runs of one system trained together: compiles the step, the error and the weighting into programs that share one
 * set of buffers, and moves numbers in and out. It knows nothing of files, progress or the command line.
 */
import type { CompileOptions, Device, Library, Plan, Program } from '../../engine/index.ts';
import { scheduleNumbers } from '../../optim/index.ts';
import {
  CAUSAL,
  CAUSAL_SLICES,
  type Coordinates,
  EVALUATION,
  initialThetas,
  inputValues,
  knownValues,
  LEARNED,
  learnedValues,
  type Problem,
  sliceEnds,
} from '../../systems/index.ts';
import { type Choices, preferred, servedBy } from '../adapter/choices.ts';
import type { Block, Errors, Facts, Snapshot, Trainable } from './loop.ts';
import { memoryOf, type TrainingPlans, trainingPlans } from './plans.ts';
import { errorsFrom, fill, type Programs, programsOf } from './programs.ts';
import type { Memory } from './results.ts';
import { type Machine, Stepper } from './stepper.ts';
import { optimizerSettings, type TrainerOptions } from './tapes.ts';

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

/** What a run folder is written from, whatever the optimizer. */
export interface RunTrainer extends Trainable {
  readonly options: { readonly problem: Problem };
  readonly terms: readonly string[];
  /** Those with a reference solution. */
  readonly fields: readonly string[];
  /** All fields, those with a reference solution or not. */
  readonly predicted: readonly string[];
  readonly evaluation: Coordinates;
  /** In words, what there is to say before the first step. */
  readonly about?: string;
  /** Which version serves each kernel call, by `callText`. */
  readonly kernels: Readonly<Record<string, string>>;
  readonly dispatchesPerStep: number;
  readonly memory: Memory;
  /** Before the first step: what the networks begin with, by input name. */
  setTheta(values: Readonly<Record<string, ArrayLike<number>>>): void;
  /** Predictions of each run at the evaluation points as of the last `errors`, by field. */
  predictions(): Promise<readonly Readonly<Record<string, Float32Array>>[]>;
  /** Every theta, by input name. */
  thetas(): Promise<Readonly<Record<string, Float32Array>>>;
  /** Parameters that are learned, as they are now, by name and run. */
  learned?(): Promise<Facts>;
  /** Reference solution of a run at the evaluation points, by field. */
  exact(run: number): Readonly<Record<string, Float64Array>>;
  /** Everything that {@link restore} needs to go on bit for bit. */
  snapshot(): Promise<Snapshot>;
  /** The state after an epoch, where it is kept: that of the latest looks with nothing newer beside them is. */
  stateAt(epoch: number): Promise<Snapshot | undefined>;
  /** Goes back to the last of these epochs after which every number was finite; false where none is within reach. */
  goBack(epochs: readonly number[]): Promise<boolean>;
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
  /** All fields, those with a reference solution or not. */
  readonly predicted: readonly string[];
  readonly evaluation: Coordinates;
  /** The program of a training step. */
  readonly step: Program;
  readonly programs: Programs;
  /** Holds the temporaries of all programs. */
  readonly temporaries: Program;

  readonly #compiled: TrainingPlans;
  readonly #stepper: Stepper;

  private constructor({ options, compiled, programs }: Machine, temporaries: Program, stepper: Stepper) {
    this.options = options;
    this.terms = compiled.terms;
    this.fields = compiled.fields;
    this.predicted = compiled.predicted;
    this.evaluation = options.problem.system.evaluation();
    this.step = programs.step;
    this.programs = programs;
    this.#compiled = compiled;
    this.temporaries = temporaries;
    this.#stepper = stepper;
  }

  /** Compiles and uploads; parameters start as PyTorch would start them. */
  static async create(options: TrainerOptions, backend: Backend): Promise<Trainer> {
    const { problem } = options;
    const { system, runs } = problem;
    const compiled = trainingPlans(options, compileOptions(backend));
    const { programs, temporaries } = await programsOf(backend.device, compiled);
    const { step, error } = programs;
    const machine = { device: backend.device, options, compiled, programs };
    const trainer = new Trainer(machine, temporaries, await Stepper.create(machine));
    const { data, terms } = compiled;
    const onEvaluation = runs.map((run) => ({ ...run, points: { [EVALUATION]: trainer.evaluation } }));
    fill(step, inputValues(problem, data.training));
    fill(error, inputValues({ system, runs: onEvaluation }, data.error));
    const { learningRate, schedule, causal, weights = {} } = options;
    const perRun = (value: number) => new Array(runs.length).fill(value);
    step.write(
      'weights',
      runs.flatMap(() => terms.map((term) => weights[term] ?? 1)),
    );
    step.write('lr', perRun(learningRate));
    step.write('settings', optimizerSettings(options));
    if (schedule) fill(programs.rate!, { step: [0], base: perRun(learningRate), schedule: scheduleNumbers(schedule) });
    if (causal !== undefined) fill(step, { [CAUSAL]: perRun(causal), [CAUSAL_SLICES]: sliceEnds(system) });
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

  /** Steps taken, or handed over, so far. */
  get epoch(): number {
    return this.#stepper.epoch;
  }

  /** Takes `steps` steps. Returns the unweighted loss terms before each, [steps,R,K]. */
  async run(steps: number): Promise<Float32Array> {
    return this.#stepper.run(steps);
  }

  async ahead(looks: readonly number[]): Promise<Block> {
    return this.#stepper.ahead(looks);
  }

  async stateAt(epoch: number): Promise<Snapshot | undefined> {
    return this.#stepper.stateAt(epoch);
  }

  async goBack(epochs: readonly number[]): Promise<boolean> {
    return this.#stepper.goBack(epochs);
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

  async learned(): Promise<Facts> {
    const there = LEARNED in this.plan.inputs;
    return there ? learnedValues(this.options.problem, await this.step.read(LEARNED)) : {};
  }

  /** Reference solution of a run at the evaluation points, by field. */
  exact(run: number): Record<string, Float64Array> {
    return exactOf(this.options.problem, run, this.fields, this.evaluation);
  }

  /** Everything a later {@link restore} needs to go on bit for bit: parameters, optimizer state, loss weights, epoch. */
  async snapshot(): Promise<Snapshot> {
    return this.#stepper.snapshot();
  }

  async restore(snapshot: Snapshot): Promise<void> {
    this.#stepper.restore(snapshot);
  }

  /** Shapes of the values of a {@link Snapshot}. */
  stateShapes(): Record<string, readonly number[]> {
    return Object.fromEntries(this.#stepper.stateNames.map((name) => [name, this.plan.inputs[name]!.shape]));
  }

  destroy(): void {
    this.#stepper.destroy();
    for (const program of [...Object.values(this.programs), this.temporaries]) program.destroy();
  }
}

/** Errors of each run of a problem, as an error program computed them last; a mean of NaN where no field has a reference. */
export async function errorsOf(error: Program, fields: readonly string[], { runs }: Problem): Promise<Errors[]> {
  const names = fields.length > 0 ? ['relative', 'rmse'] : [];
  const [relative, rmse] = await Promise.all(names.map((name) => error.read(name)));
  return errorsFrom(relative, rmse, fields, runs.length);
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
