/** Trains one stack of runs of a sweep to its end, or until asked to stop. */
import { type Problem, problemOf } from '../../systems/index.ts';
import type { Files } from '../disk/atomic.ts';
import { encodeSafetensors, tensor } from '../disk/safetensors.ts';
import { writeWeights } from '../training/checkpoint.ts';
import {
  atMostEvery,
  everyEpochs,
  type Look,
  loop,
  msPerStep,
  newest,
  type Observer,
  type Pace,
  type Snapshot,
} from '../training/loop.ts';
import { type Config, FORMAT, type RunRecord, type Summary } from '../training/record.ts';
import {
  byTerm,
  emptyRecord,
  ofRun,
  recording,
  resultOf,
  scoreOf,
  thinned as thinnedLooks,
  watchDivergence,
} from '../training/recorder.ts';
import { thinned } from '../training/thinned.ts';
import type { Backend, RunTrainer } from '../training/trainer.ts';
import { looksEvery, trainerFor } from '../training/trainers.ts';
import { encodeState, readState, stackName } from './checkpoint.ts';
import type { SweepFolder } from './folder.ts';
import { type RunPlan, systemOf } from './presets.ts';

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
  const { backend, folder, group, runs, from, checkpointEvery, signal, progress } = session;
  const { epochs, score } = runs[0]!;
  const trainer = await trainerFor(runs[0]!, trainerOptions(runs).problem, backend);
  try {
    const state = from === undefined ? undefined : readState(from, runs, trainer.stateShapes());
    if (state) await trainer.restore(state.snapshot);
    const { terms } = trainer;
    const records = state?.records ?? runs.map(emptyRecord);
    const alive = () => records.some(({ diverged }) => !diverged);
    let saved = state?.snapshot.epoch ?? 0;
    const save = async (snapshot: Snapshot, pace: Pace) => {
      if (snapshot.epoch === saved) return;
      const bytes = encodeState({ snapshot, records, pace }, runs, trainer.stateShapes());
      folder.writeCheckpoint(group, stackName(runs), bytes);
      saved = snapshot.epoch;
    };
    const observers: readonly Observer[] = [
      watchDivergence({ records, terms, score }, 'last'),
      recording({ records, terms, score, keeps: thinnedLooks(epochs, looksEvery(runs[0]!)) }),
      newest((look) => void progress({ epochs, ...progressOf(look, records, terms.length, runs) })),
      newest(
        atMostEvery(checkpointEvery, async ({ epoch, pace }) => {
          const snapshot = await trainer.stateAt(epoch);
          if (snapshot) await save(snapshot, pace);
          return undefined;
        }),
      ),
    ];
    const before = state?.pace ?? { ms: 0, steps: 0 };
    const { ending, pace } = alive()
      ? await loop(trainer, { epochs, observers, signal, pace: before, next: everyEpochs(looksEvery(runs[0]!)) })
      : { ending: 'stopped', pace: before };
    if (ending === 'interrupted') {
      await save(await trainer.snapshot(), pace);
      return undefined;
    }
    // A checkpoint first, so that a process killed while it writes can resume at the end.
    if (runs.length > 1) await save(await trainer.snapshot(), pace);
    return await writeRuns(session, trainer, records, pace);
  } finally {
    trainer.destroy();
  }
}

/** Runs that share everything but couplings and seeds, as one problem. */
export function trainerOptions<P extends RunPlan>(plans: readonly P[]): P & { readonly problem: Problem } {
  const [plan] = plans as readonly [P, ...P[]];
  const system = systemOf(plan);
  const runs = plans.map(({ parameters, seed }) => ({ parameters, seed, points: system.points(parameters, seed) }));
  const few = 'thin' in plan ? runs.map((run) => thinned(system, run, plan.thin)) : runs;
  return { ...plan, problem: problemOf(system, few, plan.network) };
}

function progressOf(
  { epoch, losses, errors }: Look,
  records: readonly RunRecord[],
  K: number,
  runs: readonly RunPlan[],
): Omit<StackProgress, 'epochs'> {
  const alive = [...records.keys()].filter((r) => !records[r]!.diverged);
  const last = losses.subarray(losses.length - records.length * K);
  return {
    epoch,
    loss: median(alive.map((r) => last.slice(r * K, (r + 1) * K).reduce((a, b) => a + b, 0))),
    error: median(alive.map((r) => scoreOf(errors[r]!, runs[r]!.score))),
    diverged: records.length - alive.length,
  };
}

/** Writes every run that is not there yet, and drops the checkpoint. Returns the summaries of what it wrote. */
async function writeRuns(
  { folder, group, runs, backend }: StackSession,
  trainer: RunTrainer,
  records: readonly RunRecord[],
  pace: Pace,
): Promise<Summary[]> {
  const errors = await trainer.errors();
  const weights = await trainer.weights();
  const learned = (await trainer.learned?.()) ?? {};
  const facts = {
    msPerStep: msPerStep(pace),
    stackedWith: runs.length - 1,
    dispatchesPerStep: trainer.dispatchesPerStep,
    adapter: backend.device.info.name,
    kernels: trainer.kernels,
    finished: new Date().toISOString(),
  };
  const arrays = await arraysOf(trainer);
  const summaries = runs.map((run, r): Summary => {
    const now = { errors: errors[r]!, weights: byTerm(trainer.terms, weights, r), learned: ofRun(learned, r) };
    const alive = records[r]!.diverged ? undefined : now;
    return { ...aboutOf(run), ...resultOf(run.seed, records[r]!, run.score, alive, trainer.fields), ...facts };
  });
  const written = runs.map((run, r) => {
    const { seed, ...settings } = run;
    const config: Config = { format: FORMAT, ...settings, seeds: [seed], group };
    const files: Files = new Map<string, string | Uint8Array>([
      ['config.json', json(config)],
      ['metrics.jsonl', records[r]!.history.map((line) => `${JSON.stringify(line)}\n`).join('')],
      ...(records[r]!.diverged ? [] : arrays[r]!),
      ['summary.json', json(summaries[r]!)],
    ]);
    return folder.writeRun(run.id, files);
  });
  folder.dropCheckpoint(group, stackName(runs));
  return summaries.filter((_, r) => written[r]);
}

function aboutOf({ id, system, coupling, parameters: params, optimizer, weighting, epochs, score }: RunPlan) {
  return { format: FORMAT, id, system, coupling, params, optimizer, weighting, score, epochs } as const;
}

/** Weights and predicted fields of each run, as files. */
async function arraysOf(trainer: RunTrainer): Promise<[string, Uint8Array][][]> {
  const { stacks, runs } = trainer.options.problem;
  const [predictions, thetas] = [await trainer.predictions(), await trainer.thetas()];
  return runs.map((run, r) => {
    const own = Object.entries(thetas).map(([name, values]): [string, Float32Array] => {
      const size = values.length / runs.length;
      return [name, values.slice(r * size, (r + 1) * size)];
    });
    const files: [string, Uint8Array][] = [];
    const writeFile = (name: string, contents: string | Uint8Array) => void files.push([name, contents as Uint8Array]);
    writeWeights({ writeFile }, stacks, Object.fromEntries(own), [run]);
    const tensors = new Map(Object.entries(predictions[r]!).map(([field, values]) => [field, tensor(values)]));
    writeFile('fields.safetensors', encodeSafetensors({ tensors, metadata: { at: 'evaluation points' } }));
    return files;
  });
}

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
