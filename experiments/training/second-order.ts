/**
 * Runs of one system trained by Gauss-Newton, one after the other within a step: theta and the last direction live on the
 * host as double-single pairs, so that a checkpoint holds all their digits.
 */
import { compile, doubleSingleOn, joinPairs, newTape, Program, splitPairs } from '../../engine/index.ts';
import { doubleSingleLibrary } from '../../kernels/index.ts';
import { formOf, type GaussNewtonState, type GaussNewtonStep, gaussNewtonStep, startOf } from '../../optim/index.ts';
import {
  type Coordinates,
  countOf,
  type ErrorModel,
  EVALUATION,
  initialThetas,
  inputValues,
  LEARNED,
  learnedNames,
  learnedValues,
  lossModel,
  type Problem,
  parameterCount,
} from '../../systems/index.ts';
import { servedBy } from '../adapter/choices.ts';
import type { GaussNewtonHyperparameters } from './hyperparameters.ts';
import { SystemSquares } from './least-squares.ts';
import type { Errors, Facts, Snapshot } from './loop.ts';
import { fill } from './programs.ts';
import { hasFiniteState } from './recorder.ts';
import { drawnAt, movesAt } from './resampling.ts';
import type { Memory } from './results.ts';
import { thinned, UsageError } from './settings.ts';
import { errorSource } from './tapes.ts';
import { type Backend, compileOptions, errorsOf, exactOf, predictionsOf, type RunTrainer } from './trainer.ts';

export interface GaussNewtonTrainerOptions extends GaussNewtonHyperparameters {
  readonly problem: Problem;
}

export class GaussNewtonTrainer implements RunTrainer {
  readonly options: GaussNewtonTrainerOptions;
  readonly terms: readonly string[];
  readonly fields: readonly string[];
  readonly predicted: readonly string[];
  readonly evaluation: Coordinates;
  readonly about: string;
  epoch = 0;
  readonly squares: SystemSquares;
  readonly #error: Program;
  readonly #states: GaussNewtonState[];
  readonly #last: (GaussNewtonStep | undefined)[];
  /** The last states in which every number is finite, the newest last. */
  #kept: Snapshot[] = [];

  private constructor(
    options: GaussNewtonTrainerOptions,
    squares: SystemSquares,
    error: Program,
    { fields, predicted }: Pick<ErrorModel, 'fields' | 'predicted'>,
    thetas: readonly Float64Array[],
  ) {
    const { problem } = options;
    this.options = options;
    this.squares = squares;
    this.#error = error;
    this.fields = fields;
    this.predicted = predicted;
    this.terms = lossModel(newTape(), problem).terms;
    this.evaluation = problem.system.evaluation();
    this.#states = thetas.map((theta) => startOf(theta, options));
    this.#last = thetas.map(() => undefined);
    const { rows, parameters } = squares;
    const form = formOf(squares) === 'kernel' ? 'J J^T' : 'J^T J';
    const where = squares.programs.gram ? 'on the device' : 'on the host';
    this.about = `${rows} residuals, ${parameters} parameters: ${form} is computed ${form === 'J J^T' ? where : 'on the host'} and factorized`;
  }

  /** Throws ArithmeticError where the adapter cannot compute in double-single. */
  static async create(options: GaussNewtonTrainerOptions, backend: Backend): Promise<GaussNewtonTrainer> {
    const { problem, precision } = options;
    const { system, runs } = problem;
    if (system.resampling?.adaptive)
      throw new UsageError(`${system.name}: points that follow residuals are for adam and soap`);
    const squares = await SystemSquares.create(options, backend);
    const evaluation = system.evaluation();
    const { model, source } = errorSource(problem, countOf(evaluation));
    const { device } = backend;
    const compiled =
      precision === 'single'
        ? compile(source, compileOptions(backend))
        : compile(source, {
            device: device.capabilities,
            library: doubleSingleLibrary,
            arithmetic: (await doubleSingleOn(device)).arithmetic,
          });
    const error = await Program.create(device, compiled);
    const onEvaluation = runs.map((run) => ({ ...run, points: { [EVALUATION]: evaluation } }));
    fill(error, inputValues({ system, runs: onEvaluation }, model.data));
    return new GaussNewtonTrainer(options, squares, error, model, startingThetas(problem));
  }

  get kernels(): Record<string, string> {
    return servedBy([this.squares.programs.rows.plan]);
  }

  get dispatchesPerStep(): number {
    const { residuals, rows, gram, transposed, applied } = this.squares.programs;
    const programs = [
      residuals,
      rows,
      ...(gram ? [gram] : []),
      transposed,
      ...(this.options.momentum > 0 ? [applied] : []),
    ];
    return programs.reduce((sum, { plan }) => sum + plan.dispatches.length, 0);
  }

  get memory(): Memory {
    const programs = [...Object.values({ ...this.squares.programs }), this.#error];
    const total = programs.reduce((sum, { bytes }) => sum + bytes, 0);
    const held = (which: (names: readonly string[]) => boolean) =>
      4 *
      programs
        .flatMap(({ plan }) => plan.slots)
        .reduce((sum, { elements, words = 1, names }) => sum + (which(names) ? words * elements : 0), 0);
    const parameters = held((names) => names.some((name) => name.startsWith('theta')));
    const activations = held((names) => names.length === 0);
    return { total, parameters, optimizerState: 0, activations, data: total - parameters - activations };
  }

  async run(steps: number): Promise<Float32Array> {
    const { problem, thin, ...settings } = this.options;
    const R = problem.runs.length;
    const losses = new Float32Array(steps * R * this.terms.length);
    for (let step = 0; step < steps; step++) {
      const { system } = problem;
      const runs = problem.runs.map((run) =>
        system.resampling ? thinned(system, drawnAt(system, run, this.epoch), thin) : run,
      );
      if (movesAt(system, this.epoch)) for (const state of this.#states) delete state.residual;
      for (let r = 0; r < R; r++) {
        const state = this.#states[r]!;
        this.squares.select(runs[r]!);
        const taken = await gaussNewtonStep(this.squares, state, settings);
        state.theta = rounded(state.theta);
        state.phi = rounded(state.phi);
        state.lambda = rounded(Float64Array.of(state.lambda))[0]!;
        this.#last[r] = taken;
        losses.set(this.squares.losses(taken.residual, this.terms), (step * R + r) * this.terms.length);
      }
      this.epoch++;
    }
    const snapshot = await this.snapshot();
    if (hasFiniteState(snapshot)) this.#kept = [...this.#kept, snapshot].slice(-2);
    return losses;
  }

  /** The loss after the last step, its damping and its length, by run; learned parameters. */
  facts(): Facts {
    const of = (name: 'loss' | 'lambda' | 'eta') => this.#last.map((step) => step?.[name] ?? Number.NaN);
    return { loss: of('loss'), lambda: of('lambda'), eta: of('eta'), ...this.#learned() };
  }

  async learned(): Promise<Facts> {
    return this.#learned();
  }

  #learned(): Facts {
    return learnedValues(this.options.problem, this.#byStack()[LEARNED] ?? []);
  }

  async errors(): Promise<Errors[]> {
    fill(this.#error, this.#byStack());
    await this.#error.run();
    return errorsOf(this.#error, this.fields, this.options.problem);
  }

  async predictions(): Promise<Record<string, Float32Array>[]> {
    return predictionsOf(this.#error, this.predicted, this.options.problem);
  }

  /** Conditions are weighed before they are squared; loss terms have no weights of their own. */
  async weights(): Promise<Float32Array> {
    return new Float32Array(this.options.problem.runs.length * this.terms.length).fill(1);
  }

  async thetas(): Promise<Record<string, Float32Array>> {
    const all = Object.entries(this.#byStack());
    return Object.fromEntries(all.map(([name, values]) => [name, Float32Array.from(values)]));
  }

  exact(run: number): Record<string, Float64Array> {
    return exactOf(this.options.problem, run, this.fields, this.evaluation);
  }

  async snapshot(): Promise<Snapshot> {
    const pairs = (of: (state: GaussNewtonState) => Float64Array) =>
      splitPairs(this.#states.flatMap((state) => [...of(state)]));
    const values = {
      theta: pairs(({ theta }) => theta),
      phi: pairs(({ phi }) => phi),
      lambda: pairs(({ lambda }) => Float64Array.of(lambda)),
      since: Float32Array.from(this.#states, ({ since }) => since),
    };
    return { epoch: this.epoch, values };
  }

  async stateAt(epoch: number): Promise<Snapshot | undefined> {
    return this.#kept.find((kept) => kept.epoch === epoch);
  }

  async goBack(epochs: readonly number[]): Promise<boolean> {
    const last = this.#kept.findLast(({ epoch }) => epochs.includes(epoch));
    if (last) await this.restore(last);
    return last !== undefined;
  }

  async restore({ epoch, values }: Snapshot): Promise<void> {
    const { parameters } = this.squares;
    const [theta, phi, lambda] = ['theta', 'phi', 'lambda'].map((name) => joinPairs(values[name]!));
    this.#states.forEach((state, r) => {
      state.theta = theta!.slice(r * parameters, (r + 1) * parameters);
      state.phi = phi!.slice(r * parameters, (r + 1) * parameters);
      state.lambda = lambda![r]!;
      state.since = values['since']![r]!;
      delete state.residual;
    });
    this.epoch = epoch;
  }

  stateShapes(): Record<string, readonly number[]> {
    const R = this.#states.length;
    const { parameters } = this.squares;
    return { theta: [R, parameters, 2], phi: [R, parameters, 2], lambda: [R, 2], since: [R] };
  }

  destroy(): void {
    this.squares.destroy();
    this.#error.destroy();
  }

  /** Every theta by input name, and what learned parameters are made from, runs one after the other. */
  #byStack(): Record<string, Float64Array> {
    let start = 0;
    const entries = partsOf(this.options.problem).map(([name, count]) => {
      const from = start;
      start += count;
      return [name, Float64Array.from(this.#states.flatMap((state) => [...state.theta.subarray(from, start)]))];
    });
    return Object.fromEntries(entries);
  }
}

/** What double-single keeps of numbers. */
const rounded = (values: Float64Array): Float64Array => joinPairs(splitPairs(values));

/** What one run's theta is made of, in order: input names and how many parameters each has. */
const partsOf = ({ system, stacks }: Problem): [string, number][] => {
  const own = stacks.map(({ theta, networks, architecture }): [string, number] => [
    theta,
    networks.length * parameterCount(architecture),
  ]);
  const { length } = learnedNames(system);
  return length > 0 ? [...own, [LEARNED, length]] : own;
};

/** Initial parameters of each run, part after part. */
function startingThetas(problem: Problem): Float64Array[] {
  const all = initialThetas(problem);
  return problem.runs.map((_, r) =>
    Float64Array.from(
      partsOf(problem).flatMap(([name, count]) => [...all[name]!.subarray(r * count, (r + 1) * count)]),
    ),
  );
}
