/**
 * The folder of a sweep: `sweep.json` holds the plan, `runs/ID/` each finished run, `groups/` checkpoints of what is under
 * way. A run's folder appears whole or not at all; several processes may work in one sweep folder.
 */
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { Choices } from '../adapter/choices.ts';
import { appear, attempt, createFile, type Files, RunFolderError, replaceFile } from '../disk/atomic.ts';
import { exists, isFolder, makeFolder, namesIn, readText, remove } from '../disk/files.ts';
import { type Lock, lock } from '../disk/lock.ts';
import { temporary, temporaryName } from '../disk/owner.ts';
import { UsageError } from '../training/settings.ts';
import type { SweepPlan } from './plan.ts';
import { type RunPlan, runPlanSchema } from './presets.ts';

const PLAN = 'sweep.json';
const FORMAT = 1;

export interface SweepRecord extends Omit<SweepPlan, 'groups' | 'overrides'> {
  readonly overrides: Readonly<Record<string, unknown>>;
  readonly format: number;
  /** ISO 8601. */
  readonly created: string;
  /** The command that made the folder, without its place. */
  readonly command: string;
  /** Kernel versions that its runs prefer, as known when it was made: whoever goes on with it does the same. */
  readonly choices?: Choices;
}

const recordSchema = z.object({
  format: z.literal(FORMAT),
  preset: z.string(),
  own: z.string().exactOptional(),
  overrides: z.record(z.string(), z.unknown()),
  stack: z.int().positive(),
  created: z.string(),
  command: z.string(),
  choices: z.record(z.string(), z.object({ version: z.string(), shaders: z.string().exactOptional() })).exactOptional(),
  runs: z.array(runPlanSchema).min(1),
});

/** What sweep.json says. Throws {@link UsageError} where there is none or it cannot be read. */
export function readSweep(path: string): SweepRecord {
  const file = join(path, PLAN);
  const text = readText(file);
  if (text === undefined) throw new UsageError(`${path} holds no sweep: there is no ${PLAN}`);
  try {
    return recordSchema.parse(JSON.parse(text));
  } catch {
    throw new UsageError(`${file} is not the plan of a sweep; choose another folder`);
  }
}

/** Every method throws {@link RunFolderError} where the disk refuses. */
export class SweepFolder {
  readonly path: string;
  /** Kernel versions that the runs prefer. */
  readonly choices: Choices;
  /** Locks of groups that this process has. */
  readonly #locks = new Map<string, Lock>();

  private constructor(path: string, choices: Choices) {
    this.path = path;
    this.choices = choices;
  }

  /**
   * Throws {@link UsageError} where `path` holds anything but this very plan, {@link RunFolderError} where it is a file.
   * Writes nothing.
   */
  static check(path: string, plan: SweepPlan): void {
    if (!exists(path)) return;
    if (!isFolder(path)) throw new RunFolderError(`${path} is a file; choose a folder with --out`);
    if (!exists(join(path, PLAN))) {
      if (!exists(join(path, 'config.json'))) return;
      throw new UsageError(`${path} holds a training run, not a sweep; choose another --out`);
    }
    const difference = differenceOf(readSweep(path), plan);
    if (difference)
      throw new UsageError(`${path} holds another sweep: ${difference}; repeat its options or choose another --out`);
  }

  /**
   * Makes the folder of a sweep, whose runs are to prefer `choices`, or finds it with this very plan in it and then
   * leaves its choices; throws as {@link check} does.
   */
  static open(path: string, plan: SweepPlan, command: string, choices: Choices = {}): SweepFolder {
    SweepFolder.check(path, plan);
    const { groups: _, ...rest } = plan;
    const record = { format: FORMAT, created: new Date().toISOString(), command, choices, ...rest };
    attempt(path, () => {
      for (const name of ['runs', 'groups']) makeFolder(join(path, name));
      if (!exists(join(path, PLAN))) createFile(join(path, PLAN), `${JSON.stringify(record, null, 1)}\n`);
      for (const name of namesIn(path)) if (temporary(name) === 'abandoned') remove(join(path, name));
    });
    SweepFolder.check(path, plan);
    return new SweepFolder(path, readSweep(path).choices ?? {});
  }

  /** Whether a run is there, diverged or not. */
  finished(id: string): boolean {
    return exists(join(this.path, 'runs', id, 'summary.json'));
  }

  /** Writes a finished run in one step; leaves one that is there already, and returns false then. */
  writeRun(id: string, files: Files): boolean {
    if (this.finished(id)) return false;
    return this.#attempt(() => {
      if (!exists(join(this.path, PLAN)))
        throw new RunFolderError(`${this.path} was removed under way; start again, or choose another --out`);
      try {
        appear(join(this.path, 'runs', id), temporaryName(join(this.path, 'runs', `.${id}`)), files);
        return true;
      } catch (error) {
        if (!this.finished(id)) throw error;
        return false;
      }
    });
  }

  /** Whether a killed process left anything of a group whose runs are all there. */
  littered(id: string): boolean {
    return this.#attempt(() => namesIn(this.#group(id)).length > 0);
  }

  /**
   * Locks a group and removes what a killed process left half done of it and of `runs`, which are all of its runs.
   * Returns what unlocks it, or why another process has it.
   */
  lockGroup(id: string, runs: readonly RunPlan[]): (() => void) | string {
    const path = this.#group(id);
    return this.#attempt(() => {
      makeFolder(path);
      let held: Lock;
      try {
        held = lock(path);
      } catch (error) {
        if (error instanceof RunFolderError) return error.message;
        throw error;
      }
      const drafts = new Set(runs.map((run) => `.${run.id}`));
      for (const name of namesIn(join(this.path, 'runs')))
        if (temporary(name) && drafts.has(name.replace(/\.[^.]*\.tmp$/, ''))) remove(join(this.path, 'runs', name));
      this.#locks.set(id, held);
      return () => {
        this.#locks.delete(id);
        held.release();
      };
    });
  }

  /** Checkpoints of stacks of a group, by path. */
  checkpoints(id: string): string[] {
    const path = this.#group(id);
    const names = this.#attempt(() => namesIn(path));
    return names
      .filter((name) => name.endsWith('.safetensors'))
      .sort()
      .map((name) => join(path, name));
  }

  writeCheckpoint(id: string, name: string, bytes: Uint8Array): void {
    this.#attempt(() => {
      this.#locks.get(id)?.check();
      replaceFile(join(this.#group(id), `${name}.safetensors`), bytes);
    });
  }

  dropCheckpoint(id: string, name: string): void {
    this.#attempt(() => void remove(join(this.#group(id), `${name}.safetensors`)));
  }

  #group(id: string): string {
    return join(this.path, 'groups', id);
  }

  #attempt<T>(action: () => T): T {
    return attempt(this.path, action);
  }
}

/** What sets a plan apart from the one in a folder, if anything does. */
function differenceOf(found: SweepRecord, plan: SweepPlan): string | undefined {
  const said = (name: string, before: unknown, now: unknown) =>
    JSON.stringify(before) === JSON.stringify(now)
      ? []
      : [`${name} was ${JSON.stringify(before) ?? 'the default'}, now ${JSON.stringify(now) ?? 'the default'}`];
  const before = found.overrides;
  const now: Readonly<Record<string, unknown>> = { ...plan.overrides };
  const options = [...new Set([...Object.keys(before), ...Object.keys(now)])];
  const differences = [
    ...said('preset', found.preset, plan.preset),
    ...options.flatMap((name) => said(name, before[name], now[name])),
    ...said('stack', found.stack, plan.stack),
  ];
  if (differences.length > 0) return differences.join('; ');
  if (found.own !== plan.own) return `${plan.preset} was defined otherwise`;
  if (!isDeepStrictEqual(found.runs, JSON.parse(JSON.stringify(plan.runs))))
    return 'its runs were planned by another version';
  return undefined;
}
