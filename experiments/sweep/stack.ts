/** Trains one stack of runs of a sweep to its end, or until asked to stop. */
import { type Run, stacksOf } from '../../systems/index.ts';
import { encodeSafetensors, tensor } from '../disk/safetensors.ts';
import { writeWeights } from '../training/checkpoint.ts';
import { type Backend, type Errors, Trainer } from '../training/trainer.ts';
import { encodeState, readState, type StackState, stackName } from './checkpoint.ts';
import type { SweepFolder } from './folder.ts';
import { type RunPlan, systemOf } from './presets.ts';
import { EVERY, emptyRecord, note, noteDivergence, type RunRecord, scoreOf } from './records.ts';
import { type Summary, summaryOf } from './summary.ts';

export interface StackSession {
  readonly backend: Backend;
  readonly folder: SweepFolder;
  readonly group: string;
  readonly runs: readonly RunPlan[];
  /** The checkpoint to go on from. */
  readonly from?: string;
  /** Time between checkpoints, milliseconds. */
  readonly checkpointEvery: number;
  readonly signal: AbortSignal;
  /** Called after each look. */
  readonly progress: (state: StackProgress) => void;
}

export interface StackProgress {
  readonly epoch: number;
  readonly epochs: number;
  /** Of the runs that are not lost: medians. */
  readonly loss: number;
  readonly error: number;
  readonly diverged: number;
}

/** Summaries of the runs that were written; undefined where it was stopped, with a checkpoint to go on from. */
export async function trainStack(session: StackSession): Promise<Summary[] | undefined> {
  const { backend, runs, from } = session;
  const trainer = await Trainer.create(trainerOptions(runs), backend);
  try {
    let state: StackState | undefined;
    if (from !== undefined) {
      state = readState(from, runs, trainer.stateShapes());
      await trainer.restore(state.snapshot);
    }
    return await new StackTraining(session, trainer, state).run();
  } finally {
    trainer.destroy();
  }
}

export function trainerOptions(runs: readonly RunPlan[]) {
  const [plan] = runs as [RunPlan, ...RunPlan[]];
  const system = systemOf(plan);
  const { network: shape, optimizer, weighting, learningRate, updateEvery, betas, optimizerEpsilon } = plan;
  const stacked = runs.map(
    ({ parameters, seed }): Run => ({ parameters, seed, points: system.points(parameters, seed) }),
  );
  const moments = { betas, epsilon: optimizerEpsilon };
  const cadence = updateEvery > 0 ? { updateEvery } : {};
  return { system, shape, runs: stacked, optimizer, weighting, learningRate, ...cadence, moments };
}

class StackTraining {
  readonly #session: StackSession;
  readonly #trainer: Trainer;
  readonly #records: RunRecord[];
  readonly #epochs: number;
  #pace: { ms: number; steps: number };
  #saved = performance.now();
  /** Epoch of the last checkpoint on disk. */
  #savedAt = -1;

  constructor(session: StackSession, trainer: Trainer, state: StackState | undefined) {
    this.#session = session;
    this.#trainer = trainer;
    this.#records = state?.records ?? session.runs.map(emptyRecord);
    this.#pace = state ? { ...state.pace } : { ms: 0, steps: 0 };
    this.#savedAt = state ? state.snapshot.epoch : -1;
    this.#epochs = session.runs[0]!.epochs;
  }

  async run(): Promise<Summary[] | undefined> {
    const { signal, checkpointEvery } = this.#session;
    const trainer = this.#trainer;
    while (trainer.epoch < this.#epochs && this.#records.some(({ diverged }) => !diverged)) {
      if (signal.aborted) {
        if (trainer.epoch > 0) await this.#save();
        return undefined;
      }
      await this.#advance();
      if (performance.now() - this.#saved > checkpointEvery) await this.#save();
    }
    return await this.#finish();
  }

  /** Takes the steps up to the next look, and looks. */
  async #advance(): Promise<void> {
    const trainer = this.#trainer;
    const from = trainer.epoch;
    const steps = Math.min(EVERY - (from % EVERY), this.#epochs - from);
    const started = performance.now();
    const losses = await trainer.run(steps);
    // Shaders are built at their first use: the first steps tell nothing about the pace.
    if (from > 0) this.#pace = { ms: this.#pace.ms + performance.now() - started, steps: this.#pace.steps + steps };
    noteDivergence(this.#records, losses, trainer.terms, from);
    const [errors, weights] = [await trainer.errors(), await trainer.weights()];
    const last = losses.slice(-this.#records.length * trainer.terms.length);
    this.#records.forEach((record, r) => {
      if (record.diverged) return;
      const { epoch } = trainer;
      const look = { epoch, losses: this.#byTerm(last, r), weights: this.#byTerm(weights, r), errors: errors[r]! };
      note(record, this.#session.runs[r]!, look);
    });
    this.#report(last, errors);
  }

  #byTerm(values: Float32Array, run: number): Record<string, number> {
    const { terms } = this.#trainer;
    return Object.fromEntries(terms.map((term, k) => [term, values[run * terms.length + k]!]));
  }

  #report(losses: Float32Array, errors: readonly Errors[]): void {
    const alive = [...this.#records.keys()].filter((r) => !this.#records[r]!.diverged);
    const K = this.#trainer.terms.length;
    this.#session.progress({
      epoch: this.#trainer.epoch,
      epochs: this.#epochs,
      loss: median(alive.map((r) => losses.slice(r * K, (r + 1) * K).reduce((a, b) => a + b, 0))),
      error: median(alive.map((r) => scoreOf(errors[r]!, this.#session.runs[r]!.score))),
      diverged: this.#records.length - alive.length,
    });
  }

  async #save(): Promise<void> {
    const { folder, group, runs } = this.#session;
    const trainer = this.#trainer;
    this.#saved = performance.now();
    if (this.#savedAt === trainer.epoch) return;
    const state = { snapshot: await trainer.snapshot(), records: this.#records, pace: this.#pace };
    folder.writeCheckpoint(group, stackName(runs), encodeState(state, runs, trainer.stateShapes()));
    this.#savedAt = trainer.epoch;
    this.#saved = performance.now();
  }

  /** Writes every run. Checkpoint first, so a killed process can resume. */
  async #finish(): Promise<Summary[]> {
    const { folder, group, runs, backend } = this.#session;
    const trainer = this.#trainer;
    if (runs.length > 1) await this.#save();
    const errors = await trainer.errors();
    const facts = {
      msPerStep: this.#pace.steps > 0 ? this.#pace.ms / this.#pace.steps : null,
      stackedWith: runs.length - 1,
      dispatchesPerStep: trainer.plan.dispatches.length,
      adapter: backend.device.info.name,
      kernels: trainer.kernels,
      finished: new Date().toISOString(),
    };
    const arrays = await this.#arrays();
    const summaries = runs.map((run, r) => summaryOf(run, this.#records[r]!, errors[r]!, facts));
    const written = runs.map((run, r) => {
      const files = new Map<string, string | Uint8Array>([
        ['config.json', json({ ...run, group })],
        ['metrics.jsonl', this.#records[r]!.history.map((line) => `${JSON.stringify(line)}\n`).join('')],
        ...(this.#records[r]!.diverged ? [] : arrays[r]!),
        ['summary.json', json(summaries[r]!)],
      ]);
      return folder.writeRun(run.id, files);
    });
    folder.dropCheckpoint(group, stackName(runs));
    return summaries.filter((_, r) => written[r]);
  }

  /** Weights and predicted fields of each run, as files. */
  async #arrays(): Promise<[string, Uint8Array][][]> {
    const trainer = this.#trainer;
    const { system, shape, runs } = trainer.options;
    const [predictions, thetas] = [await trainer.predictions(), await trainer.thetas()];
    return runs.map((run, r) => {
      const own = Object.entries(thetas).map(([name, values]): [string, Float32Array] => {
        const size = values.length / runs.length;
        return [name, values.slice(r * size, (r + 1) * size)];
      });
      const files: [string, Uint8Array][] = [];
      const writeFile = (name: string, contents: string | Uint8Array) =>
        void files.push([name, contents as Uint8Array]);
      writeWeights({ writeFile }, stacksOf(system, shape), Object.fromEntries(own), [run]);
      const tensors = new Map(Object.entries(predictions[r]!).map(([field, values]) => [field, tensor(values)]));
      writeFile('fields.safetensors', encodeSafetensors({ tensors, metadata: { at: 'evaluation points' } }));
      return files;
    });
  }
}

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
