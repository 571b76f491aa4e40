/** Fields and residuals over the domain, of what a trainer has learned so far, with the least and the largest of each. */
import { abs, compile, index, max, neg, newTape, Program, stack, type Var } from '../../engine/index.ts';
import { sharedNames } from '../../experiments/training/plans.ts';
import { fill } from '../../experiments/training/programs.ts';
import { type Backend, compileOptions, type RunTrainer, Trainer } from '../../experiments/training/trainer.ts';
import { countOf, EVALUATION, errorModel, inputValues, lossModel } from '../../systems/index.ts';
import type { Stored } from './plane.ts';

/** Values at points, each [1,N]. */
type Values = Readonly<Record<string, Var>>;

export class View {
  readonly names: readonly string[];
  readonly #program: Program;
  readonly #trainer: RunTrainer;

  private constructor(names: readonly string[], program: Program, trainer: RunTrainer) {
    this.names = names;
    this.#program = program;
    this.#trainer = trainer;
  }

  /** The residuals of the equations, at the interior points; their ranges are symmetric about 0. */
  static residuals(trainer: RunTrainer, backend: Backend): Promise<View> {
    const { problem } = trainer.options;
    const { inputs, residuals, data } = lossModel(newTape(), problem);
    const own = residuals.filter(({ name }) => name in problem.system.residuals);
    const values = Object.fromEntries(own.map(({ name, value }) => [name, value]));
    const largest = (value: Var) => max(abs(value), undefined, false);
    const range = (value: Var) => [neg(largest(value)), largest(value)] as const;
    return View.#create(trainer, backend, { inputs, values, range, data: inputValues(problem, data) });
  }

  /** The predicted fields, at the evaluation points. */
  static fields(trainer: RunTrainer, backend: Backend): Promise<View> {
    const { problem } = trainer.options;
    const { evaluation } = trainer;
    const { inputs, predicted, predictions, data } = errorModel(newTape(), problem, countOf(evaluation));
    const values = Object.fromEntries(predicted.map((name, k) => [name, index(predictions, 1, k)]));
    const range = (value: Var) => [neg(max(neg(value), undefined, false)), max(value, undefined, false)] as const;
    const runs = problem.runs.map((run) => ({ ...run, points: { [EVALUATION]: evaluation } }));
    const given = inputValues({ system: problem.system, runs }, data);
    return View.#create(trainer, backend, { inputs, values, range, data: given });
  }

  /** On the parameters of a {@link Trainer} themselves; those that another one keeps on the host are copied. */
  static async #create(
    trainer: RunTrainer,
    backend: Backend,
    given: {
      readonly inputs: Values;
      readonly values: Values;
      readonly range: (value: Var) => readonly [Var, Var];
      readonly data: Readonly<Record<string, ArrayLike<number>>>;
    },
  ): Promise<View> {
    const { inputs, values, range, data } = given;
    const ranges = stack(Object.values(values).flatMap(range), 0);
    const named = Object.fromEntries(Object.entries(values).map(([name, value]) => [`values.${name}`, value]));
    const plan = compile({ inputs, outputs: { ...named, ranges } }, compileOptions(backend));
    const step = trainer instanceof Trainer ? trainer.step : undefined;
    const shared = step ? sharedNames(plan, step.plan).map((name) => [name, { program: step, name }] as const) : [];
    const program = await Program.create(backend.device, plan, Object.fromEntries(shared));
    fill(program, data);
    return new View(Object.keys(values), program, trainer);
  }

  async update(): Promise<void> {
    if (!(this.#trainer instanceof Trainer)) fill(this.#program, await this.#trainer.thetas());
    await this.#program.run();
  }

  /** As of the last {@link update}. */
  read(name: string): Promise<Float32Array> {
    return this.#program.read(`values.${name}`);
  }

  /** The least and the largest value of each, as of the last {@link update}. */
  async ranges(): Promise<Readonly<Record<string, readonly [low: number, high: number]>>> {
    const all = await this.#program.read('ranges');
    return Object.fromEntries(this.names.map((name, k) => [name, [all[2 * k]!, all[2 * k + 1]!]]));
  }

  /** Where on the device the values lie, and the two numbers of their range. */
  places(name: string): { readonly values: Stored; readonly range: Stored } {
    const { buffer, at } = this.#program.placeOf('ranges');
    const range = { buffer, at: at + 8 * this.names.indexOf(name) };
    return { values: this.#program.placeOf(`values.${name}`), range };
  }

  destroy(): void {
    this.#program.destroy();
  }
}
