/**
 * R runs of one system trained together: compiles the step, the error and the weighting into programs that share one
 * set of buffers, and moves numbers in and out. It knows nothing of files, progress or the command line.
 */
import {
  broadcast,
  compile,
  type Device,
  grad,
  input,
  type Library,
  newTape,
  type Plan,
  Program,
  reshape,
  type Source,
  type Tape,
  type Var,
} from '../engine/index.ts';
import {
  ADAM,
  type AdamSettings,
  adam,
  gradientNorms,
  reweighted,
  UPDATE_EVERY,
  type Weighting,
} from '../optim/index.ts';
import {
  type Coordinates,
  countOf,
  errorModel,
  initialTheta,
  inputValues,
  knownValues,
  type LossModel,
  lossModel,
  type NetworkShape,
  type Optimizer,
  type Run,
  type System,
  shareThetas,
  stacksOf,
} from '../systems/index.ts';

export interface TrainerOptions {
  readonly system: System;
  readonly shape: NetworkShape;
  readonly runs: readonly Run[];
  readonly optimizer: Optimizer;
  readonly weighting: Weighting;
  readonly learningRate: number;
  /** Steps between updates of the weights; the weighting's own by default. */
  readonly updateEvery?: number;
  /** Share of the old weight in an update. */
  readonly weightMemory?: number;
  readonly adam?: AdamSettings;
}

export interface Backend {
  readonly library: Library;
  readonly device: Device;
  /** Pinned kernel versions. */
  readonly versions?: Readonly<Record<string, string>>;
}

/** Errors of one run by field. */
export interface Errors {
  /** ||prediction - exact|| / ||exact||. */
  readonly relative: Readonly<Record<string, number>>;
  readonly rmse: Readonly<Record<string, number>>;
  /** Mean of `relative` over the fields. */
  readonly mean: number;
}

export interface Snapshot {
  readonly epoch: number;
  readonly values: Readonly<Record<string, Float32Array>>;
}

/** Numbers of points by group. */
function countsOf(run: Run): Record<string, number> {
  return Object.fromEntries(Object.entries(run.points).map(([group, points]) => [group, countOf(points)]));
}

/** The loss of the given runs on a tape of its own or on one that exists. */
export function modelFor(
  { system, shape, runs }: Pick<TrainerOptions, 'system' | 'shape' | 'runs'>,
  tape: Tape = newTape(),
): LossModel {
  return lossModel(tape, system, runs.length, countsOf(runs[0]!), shape);
}

/** The training step: losses, gradient of the weighted sum, update of every theta. */
export function stepSource(options: TrainerOptions): { model: LossModel; source: Source } {
  const model = modelFor(options);
  const { tape } = model.total;
  const R = options.runs.length;
  const gradients = grad(model.total, model.thetas);
  const lr = input(tape, 'lr', [R, 1]);
  const settings = input(tape, 'adam.settings', [3]);
  const updates = stacksOf(options.system, options.shape).map(({ theta, networks }, k) => {
    const rows = [R, networks.length, 1];
    const rate = reshape(broadcast(reshape(lr, [R, 1, 1]), rows), [R * networks.length, 1]);
    return adam(theta, model.thetas[k]!, gradients[k]!, rate, settings);
  });
  const merge = <T>(pick: (update: (typeof updates)[0]) => Readonly<Record<string, T>>): Record<string, T> =>
    Object.assign({}, ...updates.map(pick));
  return {
    model,
    source: {
      inputs: { ...model.inputs, lr, 'adam.settings': settings, ...merge((u) => u.inputs) },
      outputs: { losses: model.losses, ...merge((u) => u.outputs) },
      state: merge((u) => u.state),
    },
  };
}

/** Loss terms, each term's gradient and its norms: what weighting and verification look at. */
export function termsSource(
  options: Pick<TrainerOptions, 'system' | 'shape' | 'runs' | 'weighting' | 'weightMemory'>,
): { model: LossModel; source: Source } {
  const model = modelFor(options);
  const { l2, max, gradients } = gradientNorms(model.losses, model.thetas);
  const weights = model.inputs['weights']!;
  const byTerm: Record<string, Var> = {};
  gradients.forEach((terms, k) => {
    terms.forEach((g, s) => {
      byTerm[`gradient.${model.terms[k]}.${s}`] = g;
    });
  });
  const next = reweighted(weights, options.weighting === 'lra' ? max : l2, options.weightMemory);
  return {
    model,
    source: { inputs: model.inputs, outputs: { losses: model.losses, l2, max, "weights'": next, ...byTerm } },
  };
}

function weightingSource(options: TrainerOptions): Source {
  const { model, source } = termsSource(options);
  const next = source.outputs["weights'"]!;
  return { inputs: model.inputs, outputs: { "weights'": next }, state: { weights: "weights'" } };
}

function errorSource(
  { system, shape, runs }: TrainerOptions,
  count: number,
): { source: Source; fields: readonly string[] } {
  const { inputs, relative, rmse, predictions, fields } = errorModel(newTape(), system, runs.length, count, shape);
  return { source: { inputs, outputs: { relative, rmse, predictions } }, fields };
}

export class Trainer {
  readonly options: TrainerOptions;
  readonly terms: readonly string[];
  readonly fields: readonly string[];
  readonly evaluation: Coordinates;
  /** Steps taken so far. */
  epoch = 0;
  /** The program of a training step. */
  readonly step: Program;
  readonly #error: Program;
  readonly #weighting: Program | undefined;

  private constructor(
    options: TrainerOptions,
    terms: readonly string[],
    fields: readonly string[],
    step: Program,
    error: Program,
    weighting?: Program,
  ) {
    this.options = options;
    this.terms = terms;
    this.fields = fields;
    this.evaluation = options.system.evaluation();
    this.step = step;
    this.#error = error;
    this.#weighting = weighting;
  }

  /** Compiles and uploads; parameters start as PyTorch would start them. */
  static async create(options: TrainerOptions, { device, library, versions }: Backend): Promise<Trainer> {
    const { system, runs, shape } = options;
    const settings = { device: device.capabilities, library, ...(versions ? { versions } : {}) };
    const { model, source } = stepSource(options);
    const evaluation = system.evaluation();
    const errors = errorSource(options, countOf(evaluation));
    const weighted = options.weighting !== 'none';
    const step = await Program.create(device, compile(source, settings));
    const shareOf = (plan: Plan) =>
      Object.fromEntries(
        Object.keys(plan.inputs).flatMap((name) => (step.plan.inputs[name] ? [[name, { program: step, name }]] : [])),
      );
    const create = (from: Source) => {
      const plan = compile(from, settings);
      return Program.create(device, plan, shareOf(plan));
    };
    const [error, weighting] = await Promise.all([
      create(errors.source),
      weighted ? create(weightingSource(options)) : undefined,
    ]);
    const trainer = new Trainer(options, model.terms, errors.fields, step, error, weighting);
    const values = inputValues(system, Object.keys(model.inputs), runs);
    for (const [name, data] of Object.entries(values)) step.write(name, data);
    const onEvaluation = runs.map((run) => ({ ...run, points: { evaluation } }));
    for (const [name, data] of Object.entries(inputValues(system, Object.keys(errors.source.inputs), onEvaluation)))
      error.write(name, data);
    step.write('weights', new Array(runs.length * model.terms.length).fill(1));
    step.write('lr', new Array(runs.length).fill(options.learningRate));
    const { betas, epsilon } = options.adam ?? ADAM;
    step.write('adam.settings', [...betas, epsilon]);
    trainer.setTheta(
      shareThetas(
        system,
        shape,
        runs.map(({ seed }) => initialTheta(system, shape, seed)),
      ),
    );
    return trainer;
  }

  get plan(): Plan {
    return this.step.plan;
  }

  setTheta(values: Readonly<Record<string, ArrayLike<number>>>): void {
    for (const [name, data] of Object.entries(values)) this.step.write(name, data);
  }

  /** Takes `steps` steps. Returns the unweighted loss terms before each, [steps,R,K]. */
  async run(steps: number): Promise<Float32Array> {
    const { weighting, updateEvery = UPDATE_EVERY[weighting], runs } = this.options;
    const losses = new Float32Array(steps * runs.length * this.terms.length);
    const before = updateEvery === 1 && this.#weighting ? [this.#weighting] : [];
    for (let done = 0; done < steps; ) {
      const due = updateEvery > 1 && this.epoch % updateEvery === 0;
      if (due) await this.#weighting?.run();
      const until = updateEvery > 1 ? updateEvery - (this.epoch % updateEvery) : steps;
      const count = Math.min(steps - done, until);
      const recorded = await this.step.run(count, ['losses'], before);
      losses.set(recorded['losses']!, done * runs.length * this.terms.length);
      done += count;
      this.epoch += count;
    }
    return losses;
  }

  /** Errors of each run at the evaluation points. */
  async errors(): Promise<Errors[]> {
    await this.#error.run();
    const [relative, rmse] = await Promise.all([this.#error.read('relative'), this.#error.read('rmse')]);
    const F = this.fields.length;
    return this.options.runs.map((_, r) => {
      const row = (values: Float32Array) =>
        Object.fromEntries(this.fields.map((field, k) => [field, values[r * F + k]!]));
      const own = row(relative);
      return { relative: own, rmse: row(rmse), mean: Object.values(own).reduce((a, b) => a + b, 0) / F };
    });
  }

  /** Predictions of each run at the evaluation points as of the last {@link errors}, by field. */
  async predictions(): Promise<Record<string, Float32Array>[]> {
    const all = await this.#error.read('predictions');
    const [F, N] = [this.fields.length, countOf(this.evaluation)];
    return this.options.runs.map((_, r) =>
      Object.fromEntries(this.fields.map((field, k) => [field, all.slice((r * F + k) * N, (r * F + k + 1) * N)])),
    );
  }

  /** Loss weights, [R,K]. */
  async weights(): Promise<Float32Array> {
    return this.step.read('weights');
  }

  /** Every theta, by input name. */
  async thetas(): Promise<Record<string, Float32Array>> {
    const names = stacksOf(this.options.system, this.options.shape).map(({ theta }) => theta);
    const values = await Promise.all(names.map((name) => this.step.read(name)));
    return Object.fromEntries(names.map((name, k) => [name, values[k]!]));
  }

  /** Reference solution of a run at the evaluation points, by field. */
  exact(run: number): Record<string, Float64Array> {
    const { system, runs } = this.options;
    return Object.fromEntries(
      this.fields.map((field) => [
        field,
        knownValues(system, `${field}_exact`, runs[run]!.parameters, this.evaluation),
      ]),
    );
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
    return [...Object.keys(this.plan.state), 'weights'];
  }

  destroy(): void {
    for (const program of [this.step, this.#error, this.#weighting]) program?.destroy();
  }
}
