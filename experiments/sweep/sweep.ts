/** Works through the plan of a sweep: stack after stack, each run written when it is done, nothing done twice. */
import { BufferSizeError, type Device, DeviceLostError, type Library, StalledError } from '../../engine/index.ts';
import type { Choices } from '../adapter/choices.ts';
import type { ProgressStream } from '../show/progress.ts';
import type { Summary } from '../training/record.ts';
import { peekState, stackName, unfit } from './checkpoint.ts';
import { SweepFolder } from './folder.ts';
import { costOf, type Group, groupTitle, type Shard, type SweepPlan, selectGroups } from './plan.ts';
import type { RunPlan } from './presets.ts';
import { type SweepProgress, startSweepProgress } from './progress.ts';
import { type StackProgress, trainStack } from './stack.ts';

export interface SweepSession {
  readonly device: Device;
  /**
   * Opens another device where this one is lost; without it the sweep ends then. `singly` where it made no progress: the
   * other one names the dispatch, should it happen again.
   */
  readonly reopen?: (singly: boolean) => Promise<Device>;
  readonly library: Library;
  readonly versions?: Readonly<Record<string, string>>;
  /** Kernel versions that a new sweep prefers; one that is there keeps its own. */
  readonly choices?: Choices;
  readonly plan: SweepPlan;
  readonly out: string;
  readonly only?: readonly string[];
  readonly shard?: Shard;
  /** Time between checkpoints of a stack under way, milliseconds: what a killed process loses at most. */
  readonly checkpointEvery?: number;
  /** Recorded in the folder. */
  readonly command: string;
  /** Aborted when the user asks to stop. */
  readonly signal: AbortSignal;
  /** Where progress goes: stderr unless stated. */
  readonly stream?: ProgressStream;
}

export interface SweepOutcome {
  readonly preset: string;
  readonly out: string;
  readonly adapter: string;
  /** Numbers of runs: in the plan, of those selected here, and of these there before and now. */
  readonly planned: number;
  readonly selected: number;
  readonly before: number;
  readonly finished: number;
  /** Groups that another process is working on. */
  readonly busy: readonly string[];
  readonly stopped: boolean;
  /** What this process trained. */
  readonly runs: readonly Summary[];
}

const CHECKPOINT_EVERY_MS = 60_000;
/** Devices that are opened in place of lost ones. */
const REOPENED_AT_MOST = 3;

/** Throws UsageError and RunFolderError before anything is trained; CheckpointError on a damaged checkpoint. */
export async function sweep(session: SweepSession): Promise<SweepOutcome> {
  const { plan, out, only, shard, signal } = session;
  const groups = selectGroups(plan, only, shard);
  const folder = SweepFolder.open(out, plan, session.command, session.choices);
  const work = new Work(groups, folder, session);
  const runs: Summary[] = [];
  const busy: string[] = [];
  try {
    for (const group of groups) {
      if (signal.aborted) break;
      const pending = work.pending(group).length > 0;
      if (!pending && !folder.littered(group.id)) continue;
      const unlock = folder.lockGroup(group.id, wholeOf(plan, group).runs);
      if (typeof unlock === 'string') {
        if (!pending) continue;
        busy.push(group.id);
        work.progress.note(unlock);
        continue;
      }
      try {
        await work.throughLosses(async () => void runs.push(...(await work.train(group))));
      } finally {
        unlock();
      }
    }
  } finally {
    work.progress.stop();
    await work.close();
  }
  return {
    preset: plan.preset,
    out,
    adapter: work.device.info.name,
    planned: plan.runs.length,
    selected: work.total,
    before: work.before,
    finished: work.finished,
    busy,
    stopped: signal.aborted,
    runs,
  };
}

/** A group with those of its runs, too, that were not selected. */
const wholeOf = ({ groups }: SweepPlan, group: Group): Group => groups.find(({ id }) => id === group.id)!;

/** The selected groups, and how far they are. */
class Work {
  readonly total: number;
  readonly before: number;
  readonly progress: SweepProgress;
  readonly #groups: readonly Group[];
  readonly #folder: SweepFolder;
  readonly #session: SweepSession;
  /** The session's, or the one that was opened in its place. */
  device: Device;
  #reopened = 0;
  /** Work of each run by id, in units of its cost times its epochs. */
  readonly #units: ReadonlyMap<string, number>;
  readonly #started = performance.now();
  /** Units that were done when this process began, or came from checkpoints. */
  #given: number;

  constructor(groups: readonly Group[], folder: SweepFolder, session: SweepSession) {
    this.#groups = groups;
    this.#folder = folder;
    this.#session = session;
    this.device = session.device;
    const all = groups.flatMap(({ runs }) => runs);
    this.#units = new Map(all.map((run) => [run.id, costOf(run) * run.epochs]));
    this.total = all.length;
    this.before = this.finished;
    this.#given = this.#doneUnits();
    this.progress = startSweepProgress(`sweep ${session.plan.preset}`, session.stream);
  }

  /** Does what may lose the device; with another one it goes on from the last checkpoint, three times at most. */
  async throughLosses(action: () => Promise<void>): Promise<void> {
    const { reopen } = this.#session;
    for (;;) {
      try {
        await action();
        return;
      } catch (error) {
        if (!(error instanceof DeviceLostError)) throw error;
        if (!reopen || this.#reopened === REOPENED_AT_MOST)
          throw new DeviceLostError(error.message, 'what was reached is kept: the same command goes on', error);
        this.#reopened++;
        await this.close();
        this.device = await reopen(error instanceof StalledError);
        const again = `opened ${this.device.info.name} again (${this.#reopened} of ${REOPENED_AT_MOST})`;
        this.progress.note(`${error.message}; ${again}`);
      }
    }
  }

  /** Closes the device that was opened here; the session's own is its caller's. */
  async close(): Promise<void> {
    if (this.device !== this.#session.device) await this.device.close();
  }

  get finished(): number {
    return this.#groups.flatMap(({ runs }) => runs).filter(({ id }) => this.#folder.finished(id)).length;
  }

  pending({ runs }: Group): RunPlan[] {
    return runs.filter(({ id }) => !this.#folder.finished(id));
  }

  /** Trains what is missing of a group: first what checkpoints hold, then the rest. */
  async train(group: Group): Promise<Summary[]> {
    const summaries: Summary[] = [];
    for (const from of this.#folder.checkpoints(group.id)) {
      const { ids, epoch } = peekState(from);
      const runs = wholeOf(this.#session.plan, group).runs.filter(({ id }) => ids.includes(id));
      if (runs.every(({ id }) => this.#folder.finished(id))) this.#folder.dropCheckpoint(group.id, stackName(runs));
      else if (runs.some(({ id }) => this.#units.has(id))) {
        this.progress.note(`${group.id} goes on from epoch ${epoch}`);
        summaries.push(...(await this.#stack({ ...group, runs }, from, epoch)));
      }
      if (this.#session.signal.aborted) return summaries;
    }
    const rest = this.pending(group);
    if (rest.length > 0) summaries.push(...(await this.#stack({ ...group, runs: rest })));
    return summaries;
  }

  /** Trains a stack; in halves where its buffers are larger than the adapter's. */
  async #stack(group: Group, from?: string, epoch = 0): Promise<Summary[]> {
    const { library, versions = {}, checkpointEvery = CHECKPOINT_EVERY_MS, signal } = this.#session;
    const { id, runs } = group;
    if (signal.aborted) return [];
    const own = runs.reduce((sum, run) => sum + (this.#units.get(run.id) ?? 0), 0);
    this.#given += own * (epoch / runs[0]!.epochs);
    let last: StackProgress = { epoch, epochs: runs[0]!.epochs, loss: Number.NaN, error: Number.NaN, diverged: 0 };
    const progress = (state: StackProgress) => {
      last = state;
      this.#show(group, state, own);
    };
    progress(last);
    try {
      const backend = { device: this.device, library, versions, choices: this.#folder.choices };
      const where = { backend, folder: this.#folder, group: id, signal, checkpointEvery };
      const summaries = (await trainStack({ ...where, runs, ...(from ? { from } : {}), progress })) ?? [];
      for (const summary of summaries) this.#tell(summary);
      if (summaries.length > 0) this.#show(group, last, 0);
      return summaries;
    } catch (error) {
      if (!(error instanceof BufferSizeError)) throw error;
      if (from !== undefined) throw unfit(from, `its ${runs.length} runs together do not fit this adapter's buffers`);
      if (runs.length === 1) throw error;
      const half = Math.ceil(runs.length / 2);
      this.progress.note(`${id}: ${runs.length} runs do not fit this adapter's buffers, trying ${half}`);
      const first = await this.#stack({ id, runs: runs.slice(0, half) });
      return [...first, ...(await this.#stack({ id, runs: runs.slice(half) }))];
    }
  }

  #tell({ id, diverged, final, best, losses, epochs }: Summary): void {
    const text = diverged
      ? `diverged: ${diverged.term} is ${diverged.value} at epoch ${diverged.epoch} of ${epochs}`
      : final.error === null
        ? `loss terms ${Object.entries(losses)
            .map(([term, loss]) => `${term} ${loss?.toExponential(2)}`)
            .join(', ')}`
        : `error ${final.error.toExponential(2)}, best ${best.error?.toExponential(2)} at ${best.epoch}`;
    this.progress.note(`${id}: ${text}`);
  }

  #doneUnits(): number {
    return [...this.#units].reduce((sum, [id, units]) => sum + (this.#folder.finished(id) ? units : 0), 0);
  }

  #show(group: Group, { epoch, epochs, loss, error }: StackProgress, own: number): void {
    const all = [...this.#units.values()].reduce((sum, units) => sum + units, 0);
    const done = Math.min(all, this.#doneUnits() + own * (epoch / epochs));
    const here = done - this.#given;
    const seconds = (performance.now() - this.#started) / 1000;
    const left = here > 0 ? (seconds * (all - done)) / here : Number.NaN;
    const state = { fraction: done / all, title: groupTitle(group), epoch, epochs, loss, error, left };
    this.progress.update({ done: this.finished, total: this.total, ...state });
  }
}
