/** One training in the page: the trainer of `tapir train`, its record, and the residuals over the domain. */
import type { Device } from '../../engine/index.ts';
import { encodeCheckpoint, encodeWeights } from '../../experiments/training/checkpoint-bytes.ts';
import type { Method } from '../../experiments/training/hyperparameters.ts';
import { type Look, loop, msPerStep, type Outcome } from '../../experiments/training/loop.ts';
import { FORMAT, type RunRecord } from '../../experiments/training/record.ts';
import {
  byTerm,
  DivergenceError,
  emptyRecord,
  firstLost,
  recording,
  watchDivergence,
} from '../../experiments/training/recorder.ts';
import { SecondOrderTrainer } from '../../experiments/training/second-order.ts';
import { summaryOf } from '../../experiments/training/summary.ts';
import { type RunTrainer, Trainer } from '../../experiments/training/trainer.ts';
import { library } from '../../kernels/index.ts';
import type { Problem } from '../../systems/index.ts';
import { tar } from '../shared/tar.ts';
import { thin } from '../shared/thin.ts';
import { pictureKey, type Quantity, type Range, type Standing } from './messages.ts';
import { hyperparametersOfSpec, problemOfSpec, type Spec, settingsOfSpec } from './spec.ts';
import { View } from './view.ts';

/** A slice of training lasts about a frame, milliseconds; where looking at it takes long, several times as long as that. */
const FRAME_MS = 16;
const TRAINED_PER_LOOKED = 3;
const MOST_STEPS = 100;
/** Lines that the history keeps; beyond, every second one goes. */
const MOST_LINES = 2000;

export class Contestant {
  readonly optimizer: Method;
  readonly problem: Problem;
  readonly trainer: RunTrainer;
  readonly residuals: View;
  /** Where the domain is a plane: what of it is drawn. */
  readonly fields: View | undefined;
  readonly #spec: Spec;
  readonly #device: Device;
  readonly #record: RunRecord = emptyRecord();
  #slice = 1;
  #pace: Outcome['pace'] = { ms: 0, steps: 0 };

  private constructor(
    device: Device,
    spec: Spec,
    optimizer: Method,
    trainer: RunTrainer,
    views: { readonly residuals: View; readonly fields: View | undefined },
  ) {
    this.#device = device;
    this.#spec = spec;
    this.optimizer = optimizer;
    this.problem = trainer.options.problem;
    this.trainer = trainer;
    this.residuals = views.residuals;
    this.fields = views.fields;
  }

  /** Throws UserErrors where the spec makes no sense, or the adapter cannot compute what the optimizer needs. */
  static async create(device: Device, spec: Spec, optimizer: Method): Promise<Contestant> {
    const problem = problemOfSpec(spec);
    const backend = { device, library };
    const how = hyperparametersOfSpec(spec, optimizer);
    const trainer =
      how.optimizer === 'gauss-newton'
        ? await SecondOrderTrainer.create({ ...how, problem }, backend)
        : await Trainer.create({ ...how, problem }, backend);
    const plane = problem.system.coordinates.length === 2;
    const residuals = await View.residuals(trainer, backend);
    const fields = plane ? await View.fields(trainer, backend) : undefined;
    return new Contestant(device, spec, optimizer, trainer, { residuals, fields });
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
    this.#pace = outcome.pace;
    const trained = outcome.pace.ms / outcome.pace.steps;
    const standing = await this.standing(last, msPerStep(outcome.pace));
    if (steps === undefined) {
      const looked = performance.now() - started - count * trained;
      const wanted = Math.max(FRAME_MS, TRAINED_PER_LOOKED * looked) / trained;
      this.#slice = Math.max(1, Math.min(MOST_STEPS, 2 * count, Math.round(wanted)));
    }
    thin(this.#record.history, MOST_LINES);
    return standing;
  }

  async standing(look: Look, pace: number | null): Promise<Standing> {
    const { trainer } = this;
    const { relative, mean } = look.errors[0]!;
    return {
      optimizer: this.optimizer,
      epoch: look.epoch,
      losses: byTerm(trainer.terms, look.losses.subarray(look.losses.length - trainer.terms.length), 0),
      weights: byTerm(trainer.terms, look.weights, 0),
      l2: relative,
      mean,
      msPerStep: pace,
      ...(await this.#shown()),
    };
  }

  /** Brings residuals, and fields in the plane, up to date on the device. */
  async update(): Promise<void> {
    await this.residuals.update();
    await this.fields?.update();
  }

  /** On a line the curves; in the plane what the colours stand for. */
  async #shown(): Promise<Pick<Standing, 'fields' | 'residuals' | 'ranges'>> {
    const { fields, residuals, trainer } = this;
    await this.update();
    if (!fields) {
      const [predictions] = await trainer.predictions();
      const values = await Promise.all(residuals.names.map((name) => residuals.read(name)));
      return {
        fields: trainer.predicted.map((name) => ({ name, values: predictions![name]! })),
        residuals: residuals.names.map((name, k) => ({ name, values: values[k]! })),
        ranges: {},
      };
    }
    const named = (of: Quantity, ranges: Readonly<Record<string, Range>>) =>
      Object.entries(ranges).map(([name, range]) => [pictureKey(of, name, this.optimizer), range] as const);
    const ranges = [...named('field', await fields.ranges()), ...named('residual', await residuals.ranges())];
    return { fields: [], residuals: [], ranges: Object.fromEntries(ranges) };
  }

  /**
   * The files of a run folder of `tapir train` in one archive, folder `NAME`. Where equations were edited, weights and
   * history alone: no system of that name has these equations.
   */
  async save(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const { trainer, problem } = this;
    const text = (content: string) => new TextEncoder().encode(content);
    const lines = this.#record.history.map((line) => `${JSON.stringify(line)}\n`).join('');
    const files: Record<string, Uint8Array> = {
      'weights.safetensors': encodeWeights(problem.stacks, await trainer.thetas(), problem.runs),
      'metrics.jsonl': text(lines),
    };
    if (Object.keys(this.#spec.edited).length === 0 && this.#spec.points === undefined) {
      const settings = settingsOfSpec(this.#spec, this.optimizer, Math.max(1, trainer.epoch), trainer.kernels);
      const ended = { settings, device: this.#device, records: [this.#record], pace: this.#pace };
      const json = (value: object) => text(`${JSON.stringify(value, null, 1)}\n`);
      files['config.json'] = json({ format: FORMAT, ...settings });
      files['summary.json'] = json(await summaryOf(trainer, ended));
      files['checkpoint.safetensors'] = encodeCheckpoint(await trainer.snapshot(), trainer.stateShapes(), settings);
    }
    return tar(Object.fromEntries(Object.entries(files).map(([file, bytes]) => [`${name}/${file}`, bytes])));
  }

  destroy(): void {
    this.residuals.destroy();
    this.fields?.destroy();
    this.trainer.destroy();
  }
}
