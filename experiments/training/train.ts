/** Trains a system: progress on stderr, a run folder with configuration, metrics, weights and a picture, a summary. */
import type { Device, Library } from '../../engine/index.ts';
import { type Coordinates, type Run, stacksOf, systemNamed } from '../../systems/index.ts';
import { asServed, type Choices } from '../adapter/choices.ts';
import { openRunFolder, type RunFolder } from '../disk/run-folder.ts';
import { type FieldPicture, fieldsPicture, type HistoryPicture, surfacePicture } from '../show/picture.ts';
import { startProgress } from '../show/progress.ts';
import { readCheckpoint, writeCheckpoint, writeWeights } from './checkpoint.ts';
import type { Memory } from './plans.ts';
import { runsOf, type TrainSettings } from './settings.ts';
import { type Errors, Trainer } from './trainer.ts';

/** Epochs between looks at errors, weights and the keyboard. */
const EVERY = 25;
/** Time between checkpoints of a run under way: what a killed process loses at most. */
const CHECKPOINT_EVERY_MS = 15_000;

export interface RunSummary {
  readonly seed: number;
  readonly final: {
    readonly l2: Readonly<Record<string, number>>;
    readonly mean: number;
    readonly rmse: Readonly<Record<string, number>>;
  };
  readonly best: { readonly mean: number; readonly epoch: number };
  readonly losses: Readonly<Record<string, number>>;
  readonly weights: Readonly<Record<string, number>>;
}

export interface TrainSummary extends RunSummary {
  readonly system: string;
  readonly params: Readonly<Record<string, number>>;
  readonly optimizer: string;
  readonly weighting: string;
  readonly epochs: number;
  readonly msPerStep: number;
  readonly dispatchesPerStep: number;
  /** Bytes of device memory. */
  readonly memory: Memory;
  readonly adapter: string;
  readonly out: string;
  /** Why the run ended before its time, if it did. */
  readonly stopped?: string;
  readonly runs?: readonly RunSummary[];
}

export interface Session {
  readonly device: Device;
  readonly library: Library;
  readonly versions?: Readonly<Record<string, string>>;
  /** What a new run prefers; one that is resumed keeps to the versions that it was begun with. */
  readonly choices?: Choices;
  readonly settings: TrainSettings;
  readonly out: string;
  readonly resume: boolean;
  /** Aborted when the user asks to stop. */
  readonly signal: AbortSignal;
}

interface History {
  readonly epoch: number[];
  readonly terms: Record<string, number[]>;
  readonly error: number[];
}

/** A loss that is not a number any more; the weights of the epoch before are kept. */
export class DivergenceError extends Error {
  override readonly name = 'DivergenceError';
  readonly summary: TrainSummary;
  constructor(message: string, summary: TrainSummary) {
    super(message);
    this.summary = summary;
  }
}

/** Throws {@link DivergenceError} after writing what was reached; RunFolderError, CheckpointError before anything is. */
export async function train(session: Session): Promise<TrainSummary> {
  const { device, library, versions = {}, settings, signal } = session;
  const system = systemNamed(settings.system);
  const runs = runsOf(system, settings);
  const folder = openRunFolder(session.out, { resume: session.resume });
  const { network: shape, optimizer, weighting, learningRate, updateEvery } = settings;
  const moments = { betas: settings.betas, epsilon: settings.optimizerEpsilon };
  const choices = session.resume ? asServed(settings.kernels ?? {}) : (session.choices ?? {});
  let trainer: Trainer | undefined;
  try {
    trainer = await Trainer.create(
      { system, shape, runs, optimizer, weighting, learningRate, updateEvery, moments },
      { device, library, versions, choices },
    );
    if (session.resume) await trainer.restore(readCheckpoint(session.out, settings, trainer.stateShapes()));
    folder.truncateMetrics(trainer.epoch);
    folder.writeConfig({ ...settings, kernels: trainer.kernels });
    const outcome = await loop(trainer, folder, settings, runs, signal);
    const summary = await finish(trainer, folder, session, runs, outcome);
    if (outcome.diverged)
      throw new DivergenceError(`${outcome.diverged}; the last good weights are in ${session.out}`, summary);
    return summary;
  } finally {
    folder.close();
    trainer?.destroy();
  }
}

interface Outcome {
  readonly history: History;
  readonly best: { mean: number; epoch: number }[];
  readonly losses: Float32Array;
  readonly msPerStep: number;
  readonly stopped?: string;
  readonly diverged?: string;
}

async function loop(
  trainer: Trainer,
  folder: RunFolder,
  settings: TrainSettings,
  runs: readonly Run[],
  signal: AbortSignal,
): Promise<Outcome> {
  const { terms } = trainer;
  const K = terms.length;
  const { history, best, losses: recalled } = recall(folder, terms, runs);
  const progress = startProgress({ total: settings.epochs, label: settings.system });
  let [warm, first, started] = [false, trainer.epoch, performance.now()];
  const pace = () => (trainer.epoch > first ? (performance.now() - started) / (trainer.epoch - first) : 0);
  let last = recalled;
  let good = await trainer.snapshot();
  let saved = performance.now();
  try {
    while (trainer.epoch < settings.epochs) {
      if (signal.aborted)
        return { history, best, losses: last, msPerStep: pace(), stopped: `interrupted at epoch ${trainer.epoch}` };
      const from = trainer.epoch;
      const losses = await trainer.run(Math.min(EVERY - (from % EVERY), settings.epochs - from));
      const bad = losses.findIndex((value) => !Number.isFinite(value));
      if (bad >= 0) {
        const epoch = from + Math.floor(bad / (runs.length * K)) + 1;
        const which = runs.length > 1 ? ` of seed ${runs[Math.floor(bad / K) % runs.length]!.seed}` : '';
        await trainer.restore(good);
        return {
          history,
          best,
          losses: last,
          msPerStep: pace(),
          diverged: `loss term ${terms[bad % K]}${which} is ${losses[bad]} at epoch ${epoch}`,
        };
      }
      last = losses.slice(-runs.length * K);
      // Shaders are built at their first use: the pace is that of the steps after.
      if (!warm && trainer.epoch < settings.epochs) [warm, first, started] = [true, trainer.epoch, performance.now()];
      const errors = await trainer.errors();
      const snapshot = await trainer.snapshot();
      if (Object.values(snapshot.values).every((values) => values.every(Number.isFinite))) good = snapshot;
      note(trainer, folder, history, best, last, errors, runs);
      if (good === snapshot && performance.now() - saved > CHECKPOINT_EVERY_MS) {
        writeCheckpoint(folder, good, trainer.stateShapes(), settings);
        saved = performance.now();
      }
      progress.update({
        epoch: trainer.epoch,
        terms: byTerm(terms, last, 0),
        error: errors[0]!.mean,
        msPerStep: pace(),
      });
    }
    return { history, best, losses: last, msPerStep: pace() };
  } finally {
    progress.stop();
  }
}

/** What the metrics of a continued run say so far, its last losses among it. */
function recall(
  folder: RunFolder,
  terms: readonly string[],
  runs: readonly Run[],
): Pick<Outcome, 'history' | 'best' | 'losses'> {
  const history: History = { epoch: [], terms: Object.fromEntries(terms.map((term) => [term, []])), error: [] };
  const best = runs.map(() => ({ mean: Number.POSITIVE_INFINITY, epoch: 0 }));
  const last = new Float32Array(runs.length * terms.length).fill(Number.NaN);
  for (const line of folder.readMetrics()) {
    const { epoch, seed, losses, mean } = line as {
      epoch: number;
      seed?: number;
      losses: Record<string, number | null>;
      mean: number | null;
    };
    const r = seed === undefined ? 0 : runs.findIndex((run) => run.seed === seed);
    if (mean !== null && best[r] && mean < best[r].mean) best[r] = { mean, epoch };
    terms.forEach((term, k) => {
      last[r * terms.length + k] = losses[term] ?? Number.NaN;
    });
    if (r !== 0) continue;
    history.epoch.push(epoch);
    history.error.push(mean ?? Number.NaN);
    for (const term of terms) history.terms[term]!.push(losses[term] ?? Number.NaN);
  }
  return { history, best, losses: last };
}

function byTerm(terms: readonly string[], values: Float32Array, run: number): Record<string, number> {
  return Object.fromEntries(terms.map((term, k) => [term, values[run * terms.length + k]!]));
}

function note(
  trainer: Trainer,
  folder: RunFolder,
  history: History,
  best: { mean: number; epoch: number }[],
  losses: Float32Array,
  errors: readonly Errors[],
  runs: readonly Run[],
): void {
  const { epoch, terms } = trainer;
  history.epoch.push(epoch);
  for (const [term, value] of Object.entries(byTerm(terms, losses, 0))) history.terms[term]!.push(value);
  history.error.push(errors[0]!.mean);
  errors.forEach(({ relative, mean }, r) => {
    if (mean < best[r]!.mean) best[r] = { mean, epoch };
    folder.appendMetrics({
      epoch,
      ...(runs.length > 1 ? { seed: runs[r]!.seed } : {}),
      losses: byTerm(terms, losses, r),
      l2: relative,
      mean,
    });
  });
}

async function finish(
  trainer: Trainer,
  folder: RunFolder,
  session: Session,
  runs: readonly Run[],
  outcome: Outcome,
): Promise<TrainSummary> {
  const { settings, out, device } = session;
  const system = systemNamed(settings.system);
  const errors = await trainer.errors();
  const predictions = await trainer.predictions();
  const weights = await trainer.weights();
  const summaries = runs.map(
    ({ seed }, r): RunSummary => ({
      seed,
      final: { l2: errors[r]!.relative, mean: errors[r]!.mean, rmse: errors[r]!.rmse },
      best: outcome.best[r]!,
      losses: byTerm(trainer.terms, outcome.losses, r),
      weights: byTerm(trainer.terms, weights, r),
    }),
  );
  const summary: TrainSummary = {
    system: settings.system,
    params: settings.parameters,
    optimizer: settings.optimizer,
    weighting: settings.weighting,
    epochs: trainer.epoch,
    ...summaries[0]!,
    msPerStep: outcome.msPerStep,
    dispatchesPerStep: trainer.plan.dispatches.length,
    memory: trainer.memory,
    adapter: device.info.name,
    out,
    ...(outcome.stopped || outcome.diverged ? { stopped: outcome.stopped ?? outcome.diverged! } : {}),
    ...(runs.length > 1 ? { runs: summaries } : {}),
  };
  writeWeights(folder, stacksOf(system, settings.network), await trainer.thetas(), runs);
  writeCheckpoint(folder, await trainer.snapshot(), trainer.stateShapes(), settings);
  const exact = trainer.exact(0);
  const fields = trainer.fields.map((name) => ({
    name,
    prediction: predictions[0]![name]!,
    exact: exact[name]!,
    relativeError: errors[0]!.relative[name]!,
  }));
  folder.writeFile(
    'picture.svg',
    draw(system.title, describe(settings, trainer.epoch), trainer.evaluation, fields, outcome.history),
  );
  folder.writeSummary({ ...summary });
  return summary;
}

/** Fields over a line, or over a grid whose last coordinate runs fastest. Returns SVG. */
export function draw(
  title: string,
  subtitle: string,
  points: Coordinates,
  fields: readonly FieldPicture[],
  history: HistoryPicture,
): string {
  const { x, y } = points as { x: Float64Array; y?: Float64Array };
  if (!y) return fieldsPicture({ title, subtitle, x, xName: 'x', fields, history });
  const ny = y.findIndex((value, k) => k > 0 && value === y[0]);
  const nx = x.length / ny;
  const byRow = (values: ArrayLike<number>) =>
    Float64Array.from({ length: x.length }, (_, k) => values[(k % nx) * ny + Math.floor(k / nx)]!);
  const turned = fields.map(({ prediction, exact, ...rest }) => ({
    ...rest,
    prediction: byRow(prediction),
    exact: byRow(exact),
  }));
  return surfacePicture({ title, subtitle, x: byRow(x), y: byRow(y), nx, ny, fields: turned, history });
}

function describe(settings: TrainSettings, epochs: number): string {
  const parameters = Object.entries(settings.parameters).map(([name, value]) => `${name} = ${value}`);
  return [...parameters, settings.optimizer, settings.weighting, `seed ${settings.seeds[0]}`, `${epochs} epochs`].join(
    ', ',
  );
}
