/**
 * Runs of one system trained as sums of squares, by Gauss-Newton or a quasi-Newton method, one after the other within a step.
 * Theta lives on the host as double-single pairs.
 */
import { compile, doubleSingleOn, joinPairs, newTape, Program, splitPairs, UserError } from '../../engine/index.ts';
import { doubleSingleLibrary } from '../../kernels/index.ts';
import { formOf, MOST_DENSE } from '../../optim/index.ts';
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
import type { SquaresHyperparameters } from './hyperparameters.ts';
import { SystemSquares } from './least-squares.ts';
import type { Errors, Facts, Snapshot } from './loop.ts';
import { fill } from './programs.ts';
import { hasFiniteState } from './recorder.ts';
import { drawnAt, movesAt } from './resampling.ts';
import type { Memory } from './results.ts';
import { type Descent, descentFrom, type Step } from './square-steps.ts';
import { errorSource } from './tapes.ts';
import { thinned } from './thinned.ts';
import { type Backend, compileOptions, errorsOf, exactOf, predictionsOf, type RunTrainer } from './trainer.ts';
import { UsageError } from './usage.ts';

export type SecondOrderOptions = SquaresHyperparameters & { readonly problem: Problem };

export class SecondOrderTrainer implements RunTrainer {
  readonly options: SecondOrderOptions;
  readonly terms: readonly string[];
  readonly fields: readonly string[];
  readonly predicted: readonly string[];
  readonly evaluation: Coordinates;
  readonly about: string;
  epoch = 0;
  readonly squares: SystemSquares;
  readonly #error: Program;
  #descents: readonly Descent[];
  readonly #last: (Step | undefined)[];
  /** The last states in which every number is finite, the newest last. */
  #kept: Snapshot[] = [];

  private constructor(
    options: SecondOrderOptions,
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
    this.#descents = thetas.map((theta) => descentFrom(theta, options));
    this.#last = thetas.map(() => undefined);
    this.about = aboutOf(options, squares);
  }

  /** Throws ArithmeticError where the adapter cannot compute in double-single. */
  static async create(options: SecondOrderOptions, backend: Backend): Promise<SecondOrderTrainer> {
    const { problem, precision } = options;
    const { system, runs } = problem;
    if (system.resampling?.adaptive)
      throw new UsageError(`${system.name}: points that follow residuals are for adam and soap`);
    checkDense(options);
    const matrices = options.optimizer === 'gauss-newton' ? options.gram : 'none';
    const squares = await SystemSquares.create({ ...options, ...(matrices ? { matrices } : {}) }, backend);
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
    return new SecondOrderTrainer(options, squares, error, model, thetasOf(problem, initialThetas(problem)));
  }

  setTheta(values: Readonly<Record<string, ArrayLike<number>>>): void {
    const { problem } = this.options;
    const all = { ...initialThetas(problem), ...values };
    this.#descents = thetasOf(problem, all).map((theta) => descentFrom(theta, this.options));
  }

  get kernels(): Record<string, string> {
    return servedBy([this.squares.programs.rows.plan]);
  }

  get dispatchesPerStep(): number {
    const { residuals, rows, gram, transposed, applied } = this.squares.programs;
    const carries = 'momentum' in this.options && this.options.momentum > 0;
    const programs = [residuals, rows, ...(gram ? [gram] : []), transposed, ...(carries ? [applied] : [])];
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
    const { problem, thin } = this.options;
    const R = problem.runs.length;
    const losses = new Float32Array(steps * R * this.terms.length);
    for (let step = 0; step < steps; step++) {
      const { system } = problem;
      const runs = problem.runs.map((run) =>
        system.resampling ? thinned(system, drawnAt(system, run, this.epoch), thin) : run,
      );
      if (movesAt(system, this.epoch)) for (const descent of this.#descents) descent.forget();
      for (let r = 0; r < R; r++) {
        this.squares.select(runs[r]!);
        const taken = await this.#descents[r]!.step(this.squares);
        this.#last[r] = taken;
        losses.set(this.squares.losses(taken.residual, this.terms), (step * R + r) * this.terms.length);
      }
      this.epoch++;
    }
    const snapshot = await this.snapshot();
    if (hasFiniteState(snapshot)) this.#kept = [...this.#kept, snapshot].slice(-2);
    return losses;
  }

  /** What the last step has to say, by run: the loss after it, its length, its damping; learned parameters. */
  facts(): Facts {
    const names = Object.keys(this.#last.find((step) => step !== undefined)?.facts ?? {});
    const of = (name: string) => this.#last.map((step) => step?.facts[name] ?? Number.NaN);
    return { ...Object.fromEntries(names.map((name) => [name, of(name)])), ...this.#learned() };
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
    const states = this.#descents.map((descent) => descent.state());
    const values = Object.entries(states[0]!).map(([name, { length }]): [string, Float32Array] => {
      const all = new Float32Array(2 * length * states.length);
      states.forEach((state, r) => {
        all.set(splitPairs(state[name]!), 2 * r * length);
      });
      return [name, all];
    });
    return { epoch: this.epoch, values: Object.fromEntries(values) };
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
    const all = Object.entries(values).map(([name, pairs]) => [name, joinPairs(pairs)] as const);
    this.#descents.forEach((descent, r) => {
      const part = (joined: Float64Array) => {
        const length = joined.length / this.#descents.length;
        return joined.slice(r * length, (r + 1) * length);
      };
      descent.restore(Object.fromEntries(all.map(([name, joined]) => [name, part(joined)])));
    });
    this.epoch = epoch;
  }

  /** Pairs of float32. */
  stateShapes(): Record<string, readonly number[]> {
    const [first] = this.#descents as [Descent, ...Descent[]];
    const R = this.#descents.length;
    return Object.fromEntries(Object.entries(first.state()).map(([name, { length }]) => [name, [R, length, 2]]));
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
      return [name, Float64Array.from(this.#descents.flatMap(({ theta }) => [...theta.subarray(from, start)]))];
    });
    return Object.fromEntries(entries);
  }
}

/** A network too large for a dense matrix of its parameters. */
export class TooManyParametersError extends UserError {
  override readonly name = 'TooManyParametersError';
}

/** Throws {@link TooManyParametersError}. */
function checkDense({ optimizer, problem }: SecondOrderOptions): void {
  const count = partsOf(problem).reduce((sum, [, own]) => sum + own, 0);
  if (optimizer !== 'ssbroyden' || count <= MOST_DENSE) return;
  throw new TooManyParametersError(
    `ssbroyden would keep a matrix of ${count} x ${count} numbers; its limit is ${MOST_DENSE} parameters`,
    { remedy: 'take smaller networks (--width 20 --depth 3), or --optimizer lbfgs' },
  );
}

/** In words: what is computed, and where. */
function aboutOf(options: SecondOrderOptions, squares: SystemSquares): string {
  const { rows, parameters } = squares;
  const size = `${rows} residuals, ${parameters} parameters`;
  if (options.optimizer !== 'gauss-newton') return size;
  const kernel = formOf(squares) === 'kernel';
  const where = kernel && squares.programs.gram ? 'on the device' : 'on the host';
  return `${size}: ${kernel ? 'J J^T' : 'J^T J'} is computed ${where} and factorized`;
}

/** What one run's theta is made of, in order: input names and how many parameters each has. */
const partsOf = ({ system, stacks }: Problem): [string, number][] => {
  const own = stacks.map(({ theta, networks, architecture }): [string, number] => [
    theta,
    networks.length * parameterCount(architecture),
  ]);
  const { length } = learnedNames(system);
  return length > 0 ? [...own, [LEARNED, length]] : own;
};

/** Theta of each run, part after part, from values by input name, runs one after the other. */
const thetasOf = (problem: Problem, all: Readonly<Record<string, ArrayLike<number>>>): Float64Array[] =>
  problem.runs.map((_, r) =>
    Float64Array.from(
      partsOf(problem).flatMap(([name, count]) => Array.from(all[name]!).slice(r * count, (r + 1) * count)),
    ),
  );
