/** Trains a system: progress on stderr, a run folder with configuration, metrics, weights and a picture, a summary. */
import { type Device, DeviceLostError, type Library } from '../../engine/index.ts';
import type { Run, System } from '../../systems/index.ts';
import { asServed, type Choices, pinsPassedOver } from '../adapter/choices.ts';
import { openRunFolder, type RunFolder } from '../disk/run-folder.ts';
import { openTracker, type Tracking, trackingsIn } from '../disk/tracker.ts';
import { draw } from '../show/draw.ts';
import { startProgress } from '../show/progress.ts';
import { readCheckpoint, writeCheckpoint, writeWeights } from './checkpoint.ts';
import {
  atMostEvery,
  everyEpochs,
  loop,
  msPerStep,
  newest,
  type Observer,
  type Outcome,
  type Snapshot,
  type StopSignal,
} from './loop.ts';
import { looksIn } from './metrics.ts';
import {
  byTerm,
  DivergenceError,
  emptyRecord,
  firstLost,
  hasFiniteState,
  ofRun,
  recordFrom,
  recording,
  untilTarget,
  watchDivergence,
} from './recorder.ts';
import { FORMAT, type Line, type Memory, type RunRecord, type Summary } from './results.ts';
import { problemFor, type TrainSettings, UsageError } from './settings.ts';
import { summaryOf } from './summary.ts';
import { track } from './track.ts';
import type { RunTrainer } from './trainer.ts';
import { looksEvery, trainerFor } from './trainers.ts';
import { weightsFrom } from './warm-start.ts';

const CHECKPOINT_EVERY_MS = 15_000;

export interface Session {
  readonly device: Device;
  readonly library: Library;
  readonly versions?: Readonly<Record<string, string>>;
  /** What a new run prefers; one that is resumed keeps to the versions that it was begun with. */
  readonly choices?: Choices;
  readonly settings: TrainSettings;
  /** Told what a pinned version could not do. */
  readonly notice?: (text: string) => void;
  readonly out: string;
  readonly resume: boolean;
  /** Unless stated, the one that has the name in the settings. */
  readonly system?: System;
  /** Time between checkpoints of a run under way, milliseconds: what a killed process loses at most. */
  readonly checkpointEvery?: number;
  /** Formats of other programs that the history is written in as well; those that the folder has already go on. */
  readonly track?: readonly Tracking[];
  /** Whether a line on stderr shows how the training stands: unless stated, it does. */
  readonly progress?: boolean;
  /** Called at each look; `stop` ends the training. */
  readonly observe?: Observer;
  /** Aborted when the user asks to stop. */
  readonly signal?: StopSignal;
}

/** Of one folder: what the run needed of the device, and where it lies, too. */
export type TrainSummary = Summary & { readonly memory: Memory; readonly out: string };

/** Throws {@link DivergenceError} after writing what was reached; RunFolderError, CheckpointError before anything is. */
export async function train(session: Session): Promise<TrainSummary> {
  const { device, library, versions = {}, settings, out, resume } = session;
  const problem = problemFor(settings, session.system);
  const folder = openRunFolder(out, { resume });
  const choices = resume ? asServed(settings.kernels ?? {}) : (session.choices ?? {});
  let trainer: RunTrainer | undefined;
  try {
    looksIn(folder);
    trainer = await trainerFor(settings, problem, { device, library, versions, choices });
    if (resume) await trainer.restore(checkpointOf(session, trainer));
    else if (settings.start !== undefined) trainer.setTheta(weightsFrom(settings.start, problem));
    folder.truncateMetrics(trainer.epoch);
    for (const line of pinsPassedOver(trainer.kernels, versions)) session.notice?.(line);
    // Before the configuration, so that a run that is there can be resumed from its first moment on.
    if (!resume) writeCheckpoint(folder, await trainer.snapshot(), trainer.stateShapes(), settings);
    folder.writeConfig({ format: FORMAT, ...settings, kernels: trainer.kernels });
    return await trainInto(folder, trainer, session);
  } catch (error) {
    if (!(error instanceof DeviceLostError)) throw error;
    throw new DeviceLostError(error.message, `what was reached is kept: go on with --resume ${out}`, error);
  } finally {
    folder.close();
    trainer?.destroy();
  }
}

/** Throws {@link UsageError} where the run is further than it is to go; CheckpointError. */
function checkpointOf({ out, settings }: Session, trainer: RunTrainer): Snapshot {
  const snapshot = readCheckpoint(out, settings, trainer.stateShapes());
  if (snapshot.epoch > settings.epochs)
    throw new UsageError(
      `${out} holds a run of ${snapshot.epoch} epochs; --epochs must be at least that, not ${settings.epochs}`,
    );
  return snapshot;
}

async function trainInto(folder: RunFolder, trainer: RunTrainer, session: Session): Promise<TrainSummary> {
  const { settings, signal, observe, out, device, checkpointEvery = CHECKPOINT_EVERY_MS, track: asked = [] } = session;
  const { terms } = trainer;
  const { runs } = trainer.options.problem;
  const { score, targetError } = settings;
  const goal = targetError === undefined ? undefined : untilTarget(targetError, score);
  const records = recordsOf(looksIn(folder), runs, settings);
  const begun = await trainer.snapshot();
  const passed: number[] = [];
  const kinds = new Set([...asked, ...trackingsIn(out)]);
  const trackers = [...kinds].map((kind) => openTracker(kind, out, trainer.epoch, settings));
  const seedOf = (r: number) => (runs.length > 1 ? runs[r]!.seed : undefined);
  records.forEach(({ history }, r) => {
    track(trackers, history, seedOf(r));
  });
  const append = (line: Line, r: number) => {
    folder.appendMetrics(runs.length > 1 ? { ...line, seed: runs[r]!.seed } : { ...line });
    track(trackers, [line], seedOf(r));
  };
  const progress = session.progress === false ? undefined : showing(trainer, settings);
  const observers: readonly Observer[] = [
    watchDivergence({ records, terms, score }, 'first'),
    ({ epoch }) => {
      passed.push(epoch);
      return undefined;
    },
    recording({ records, terms, score, append }),
    newest(
      atMostEvery(checkpointEvery, async ({ epoch }) => {
        const snapshot = await trainer.stateAt(epoch);
        if (snapshot && hasFiniteState(snapshot)) writeCheckpoint(folder, snapshot, trainer.stateShapes(), settings);
        return undefined;
      }),
    ),
    ...(progress ? [newest(progress.observer)] : []),
    ...(observe ? [observe] : []),
    ...(goal ? [goal.observer] : []),
  ];
  const outcome = await loop(trainer, {
    epochs: settings.epochs,
    observers,
    ...(signal ? { signal } : {}),
    next: everyEpochs(looksEvery(settings)),
  }).finally(() => progress?.stop());
  const lost = firstLost(records, runs);
  if (lost && !(await trainer.goBack(passed))) await trainer.restore(begun);
  // Steps that were under way when an observer ended the training are taken back.
  if (outcome.ending === 'stopped' && !lost && trainer.epoch > passed.at(-1)!) await trainer.goBack(passed);
  const reached = goal?.reached();
  const early = outcome.ending === 'finished' || reached ? undefined : `${outcome.ending} at epoch ${trainer.epoch}`;
  const stopped = lost ?? early;
  const summary = await finish(folder, trainer, { settings, out, device, records, outcome, reached, stopped });
  if (lost) throw new DivergenceError(`${lost}; the last good weights are in ${out}`, summary);
  return summary;
}

/** A line on stderr, about the first run. */
function showing(trainer: RunTrainer, { epochs, system }: TrainSettings): { observer: Observer; stop(): void } {
  const progress = startProgress({
    total: epochs,
    label: [system, ...(trainer.about ? [trainer.about] : [])].join(', '),
  });
  const { terms, fields } = trainer;
  const observer: Observer = ({ epoch, losses, errors, facts, pace }) => {
    const last = losses.subarray(losses.length - errors.length * terms.length);
    const error = fields.length > 0 ? { error: errors[0]!.mean } : {};
    const ms = msPerStep(pace) ?? 0;
    progress.update({ epoch, terms: byTerm(terms, last, 0), ...error, msPerStep: ms, facts: ofRun(facts, 0) });
    return undefined;
  };
  return { observer, stop: progress.stop };
}

/** What the metrics of a run say so far; nothing where it is new. */
function recordsOf(lines: readonly Line[], runs: readonly Run[], { score }: TrainSettings): RunRecord[] {
  if (lines.length === 0) return runs.map(emptyRecord);
  return runs.map(({ seed }) =>
    recordFrom(
      lines.filter((line) => line.seed === undefined || line.seed === seed).map(({ seed: _, ...line }) => line),
      score,
    ),
  );
}

interface Ended extends Pick<Session, 'settings' | 'out' | 'device'> {
  readonly records: readonly RunRecord[];
  readonly outcome: Outcome;
  readonly reached: Summary['reached'];
  readonly stopped: string | undefined;
}

/** Writes weights, a checkpoint, a picture and the summary of a run that has ended. */
async function finish(folder: RunFolder, trainer: RunTrainer, ended: Ended): Promise<TrainSummary> {
  const { settings, out, device, records, outcome, reached, stopped } = ended;
  const { system, stacks, runs } = trainer.options.problem;
  const found = await summaryOf(trainer, { settings, device, records, pace: outcome.pace, stopped });
  // Those of the errors that the summary has just computed: a run that was resumed at its end has had no look before.
  const predictions = await trainer.predictions();
  const summary: TrainSummary = { ...found, out, ...(reached === undefined ? {} : { reached }) };
  writeWeights(folder, stacks, await trainer.thetas(), runs);
  writeCheckpoint(folder, await trainer.snapshot(), trainer.stateShapes(), settings);
  const exact = trainer.exact(0);
  const fields = trainer.predicted.map((name) => ({
    name,
    prediction: predictions[0]![name]!,
    ...(exact[name] ? { exact: exact[name], relativeError: summary.final.l2[name] ?? Number.NaN } : {}),
  }));
  const history = historyPicture(trainer.terms, records[0]!);
  folder.writeFile(
    'picture.svg',
    draw(system.title, describe(settings, trainer.epoch), trainer.evaluation, fields, history),
  );
  folder.writeSummary({ ...summary });
  return summary;
}

function historyPicture(terms: readonly string[], { history }: RunRecord) {
  const of = (pick: (line: Line) => number | null | undefined) => history.map((line) => pick(line) ?? Number.NaN);
  return {
    epoch: history.map(({ epoch }) => epoch),
    terms: Object.fromEntries(terms.map((term) => [term, of(({ losses }) => losses[term])])),
    error: of(({ mean }) => mean),
  };
}

function describe(settings: TrainSettings, epochs: number): string {
  const parameters = Object.entries(settings.parameters).map(([name, value]) => `${name} = ${value}`);
  return [...parameters, settings.optimizer, settings.weighting, `seed ${settings.seeds[0]}`, `${epochs} epochs`].join(
    ', ',
  );
}
