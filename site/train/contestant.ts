/** One training in the page: the trainer of `tapir train`, its record, and the residuals over the domain. */
import { compile, type Device, newTape, Program } from '../../engine/index.ts';
import { encodeCheckpoint, encodeWeights } from '../../experiments/training/checkpoint-bytes.ts';
import { type Look, loop, msPerStep, type Outcome } from '../../experiments/training/loop.ts';
import { sharedNames } from '../../experiments/training/plans.ts';
import { FORMAT, type RunRecord } from '../../experiments/training/record.ts';
import {
  byTerm,
  DivergenceError,
  emptyRecord,
  firstLost,
  recording,
  watchDivergence,
} from '../../experiments/training/recorder.ts';
import { compileOptions, Trainer } from '../../experiments/training/trainer.ts';
import { library } from '../../kernels/index.ts';
import { lossModel, type Optimizer, type Problem } from '../../systems/index.ts';
import { tar } from '../shared/tar.ts';
import type { Standing } from './messages.ts';
import { hyperparametersOfSpec, problemOfSpec, type Spec, settingsOfSpec } from './spec.ts';

/** What one slice of training should last, milliseconds: short enough for the page to feel alive. */
const SLICE_MS = 120;
const MOST_STEPS = 100;

export class Contestant {
  readonly optimizer: Optimizer;
  readonly problem: Problem;
  readonly trainer: Trainer;
  readonly #spec: Spec;
  readonly #residuals: Program;
  readonly #record: RunRecord = emptyRecord();
  #slice = 1;

  private constructor(spec: Spec, optimizer: Optimizer, problem: Problem, trainer: Trainer, residuals: Program) {
    this.#spec = spec;
    this.optimizer = optimizer;
    this.problem = problem;
    this.trainer = trainer;
    this.#residuals = residuals;
  }

  /** Throws UserErrors where the spec makes no sense. */
  static async create(device: Device, spec: Spec, optimizer: Optimizer): Promise<Contestant> {
    const problem = problemOfSpec(spec);
    const backend = { device, library };
    const trainer = await Trainer.create({ ...hyperparametersOfSpec(spec, optimizer), problem }, backend);
    const model = lossModel(newTape(), problem);
    const outputs = Object.fromEntries(
      model.residuals.filter(({ name }) => name in problem.system.residuals).map(({ name, value }) => [name, value]),
    );
    const inputs = Object.fromEntries(
      Object.entries(model.inputs).filter(([name]) => name in trainer.step.plan.inputs && name !== 'weights'),
    );
    const plan = compile({ inputs, outputs }, compileOptions(backend));
    const shared = sharedNames(plan, trainer.step.plan).map((name) => [name, { program: trainer.step, name }] as const);
    const residuals = await Program.create(device, plan, Object.fromEntries(shared));
    return new Contestant(spec, optimizer, problem, trainer, residuals);
  }

  /** Trains for a slice of time, or the steps given. Throws {@link DivergenceError}. */
  async advance(steps?: number): Promise<Standing> {
    const count = steps ?? this.#slice;
    const { trainer } = this;
    const recorded = { records: [this.#record], terms: trainer.terms, score: 'relative' } as const;
    let last: Look | undefined;
    const started = performance.now();
    const outcome: Outcome = await loop(trainer, {
      epochs: trainer.epoch + count,
      next: (epoch) => epoch + count,
      observers: [
        watchDivergence(recorded, 'first'),
        recording(recorded),
        (look) => {
          last = look;
          return undefined;
        },
      ],
    });
    if (!last) throw new DivergenceError(firstLost([this.#record], this.problem.runs) ?? 'the training stopped');
    const took = performance.now() - started;
    if (steps === undefined)
      this.#slice = Math.max(1, Math.min(MOST_STEPS, 2 * count, Math.round((count * SLICE_MS) / took)));
    return this.standing(last, msPerStep(outcome.pace));
  }

  async standing(look: Look, pace: number | null): Promise<Standing> {
    const { trainer } = this;
    const { relative, mean } = look.errors[0]!;
    const [predictions] = await trainer.predictions();
    await this.#residuals.run();
    const names = Object.keys(this.#residuals.plan.outputs);
    const values = await Promise.all(names.map((name) => this.#residuals.read(name)));
    return {
      optimizer: this.optimizer,
      epoch: look.epoch,
      losses: byTerm(trainer.terms, look.losses.subarray(look.losses.length - trainer.terms.length), 0),
      weights: byTerm(trainer.terms, look.weights, 0),
      l2: relative,
      mean,
      msPerStep: pace,
      fields: trainer.fields.map((name) => ({ name, values: predictions![name]! })),
      residuals: names.map((name, k) => ({ name, values: values[k]! })),
    };
  }

  /**
   * The files of a run folder of `tapir train` in one archive, folder `NAME`. Where equations were edited, weights and
   * history alone: no system of that name has these equations.
   */
  async save(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const { trainer, problem } = this;
    const snapshot = await trainer.snapshot();
    const settings = settingsOfSpec(this.#spec, this.optimizer, Math.max(1, trainer.epoch), trainer.kernels);
    const text = (content: string) => new TextEncoder().encode(content);
    const lines = this.#record.history.map((line) => `${JSON.stringify(line)}\n`).join('');
    const ours = Object.keys(this.#spec.edited).length === 0 && this.#spec.points === undefined;
    const files: Record<string, Uint8Array> = {
      'weights.safetensors': encodeWeights(problem.stacks, await trainer.thetas(), problem.runs),
      'metrics.jsonl': text(lines),
      ...(ours
        ? {
            'config.json': text(`${JSON.stringify({ format: FORMAT, ...settings }, null, 1)}\n`),
            'checkpoint.safetensors': encodeCheckpoint(snapshot, trainer.stateShapes(), settings),
          }
        : {}),
    };
    return tar(Object.fromEntries(Object.entries(files).map(([file, bytes]) => [`${name}/${file}`, bytes])));
  }

  destroy(): void {
    this.#residuals.destroy();
    this.trainer.destroy();
  }
}
