/** The folder of a training run: configuration, metrics, summary, and whatever else the run leaves behind. */

import { appendFileSync, existsSync, mkdirSync, rmdirSync, statSync, truncateSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { appendLine, attempt, failure, RunFolderError, replaceFile } from './atomic.ts';
import { readBytes, readText, reasonOf } from './files.ts';
import { type Lock, lock } from './lock.ts';

const CONFIG = 'config.json';
const METRICS = 'metrics.jsonl';
const SUMMARY = 'summary.json';
/** What a run writes, whatever else lies in its folder. */
const OUTPUTS = [CONFIG, METRICS, SUMMARY, 'weights.safetensors', 'checkpoint.safetensors', 'picture.svg'];

type Json = Readonly<Record<string, unknown>>;

/** Every method throws {@link RunFolderError} where the disk refuses. */
export interface RunFolder {
  readonly path: string;
  writeConfig(config: Json): void;
  /** Adds a line to metrics.jsonl; NaN and infinities become null. A line that does not fit is taken back. */
  appendMetrics(metrics: Json): void;
  readMetrics(): Record<string, unknown>[];
  /** Drops the metrics of epochs after `epoch`, which a run continued from there writes again. */
  truncateMetrics(epoch: number): void;
  /** Whoever looks finds the old file or the whole new one. */
  writeFile(name: string, contents: string | Uint8Array): void;
  writeSummary(summary: Json): void;
  /** Unlocks the folder, and removes it if it was made for this run and nothing was written. */
  close(): void;
}

export interface RunFolderOptions {
  /** Whether a run is to be there already, rather than not. */
  readonly resume: boolean;
}

/**
 * Makes and locks the folder of a run. Throws {@link RunFolderError}, leaving nothing behind, where `path` is a file, holds
 * a run that is not to be resumed or none that is, is in use by another process, or cannot be written.
 */
export function openRunFolder(path: string, { resume }: RunFolderOptions): RunFolder {
  checkRunFolder(path, { resume });
  const made = firstMissing(path);
  try {
    mkdirSync(path, { recursive: true });
    const held = lock(path);
    try {
      checkRunFolder(path, { resume });
      if (resume) dropTornLine(join(path, METRICS));
    } catch (error) {
      held.release();
      throw error;
    }
    return runFolder(path, held, made);
  } catch (error) {
    removeEmpty(path, made);
    throw failure(path, error);
  }
}

function runFolder(path: string, held: Lock, made: string | undefined): RunFolder {
  const metrics = join(path, METRICS);
  const writing = (action: () => void) =>
    attempt(path, () => {
      held.check();
      action();
    });
  const write = (name: string, contents: string | Uint8Array) => writing(() => replaceFile(join(path, name), contents));
  const readMetrics = () => attempt(path, () => parseLines(metrics));
  return {
    path,
    writeConfig: (config) => write(CONFIG, pretty(config)),
    writeSummary: (summary) => write(SUMMARY, pretty(summary)),
    writeFile: write,
    appendMetrics: (line) => writing(() => appendLine(metrics, JSON.stringify(line))),
    readMetrics,
    truncateMetrics(epoch) {
      const all = readMetrics();
      const kept = all.filter((line) => typeof line['epoch'] !== 'number' || line['epoch'] <= epoch);
      if (kept.length < all.length) write(METRICS, kept.map((line) => `${JSON.stringify(line)}\n`).join(''));
    },
    close() {
      held.release();
      removeEmpty(path, made);
    },
  };
}

/** What config.json of the run in a folder says; undefined where there is none. Throws FileError; SyntaxError where it is no JSON. */
export function readConfig(folder: string): unknown {
  const text = readText(join(folder, CONFIG));
  return text === undefined ? undefined : JSON.parse(text);
}

/** `base/system-year-month-day-time`, in local time, with a number where that exists already. */
export function defaultRunFolder(system: string, now = new Date(), base = 'runs'): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const day = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join('-');
  const time = [now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join('');
  const path = join(base, `${system}-${day}-${time}`);
  if (!existsSync(path)) return path;
  let number = 2;
  while (existsSync(`${path}-${number}`)) number++;
  return `${path}-${number}`;
}

/** Throws {@link RunFolderError} where a run cannot begin, or go on, in a folder. Writes nothing. */
export function checkRunFolder(path: string, { resume }: RunFolderOptions): void {
  if (existsSync(path) && !statSync(path).isDirectory())
    throw new RunFolderError(`${path} is a file; choose a folder with --out`);
  if (resume && !existsSync(join(path, CONFIG)))
    throw new RunFolderError(`${path} holds no run to resume; check --out, or leave out --resume to start one`);
  if (!resume && [CONFIG, METRICS].some((name) => existsSync(join(path, name))))
    throw new RunFolderError(`${path} already holds a run; continue it with --resume or choose another --out`);
  checkPlaces(path, OUTPUTS);
}

/**
 * Throws {@link RunFolderError} where files of these names could not be written into a folder, which may have to be made:
 * before anything is computed for them.
 */
export function checkPlaces(folder: string, names: readonly string[]): void {
  let at = resolve(folder);
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at);
  if (!statSync(at).isDirectory()) throw new RunFolderError(`${folder}: ${at} is a file; choose a folder with --out`);
  for (const name of names) checkFile(join(folder, name));
}

/** Throws {@link RunFolderError} where something is in the place of a file. */
function checkFile(path: string): void {
  try {
    const there = statSync(path, { throwIfNoEntry: false });
    if (!there || there.isFile()) return;
    const what = there.isDirectory() ? 'it is a folder' : 'it is not a file';
    throw new RunFolderError(`${path} cannot be written: ${what}; remove it or choose another --out`);
  } catch (error) {
    if (error instanceof RunFolderError) throw error;
    throw new RunFolderError(`${path} cannot be written: ${reasonOf(error)}; remove it or choose another --out`);
  }
}

/** The outermost folder that has to be made for `path` to be there, if any. */
function firstMissing(path: string): string | undefined {
  let missing: string | undefined;
  for (let at = resolve(path); !existsSync(at); at = dirname(at)) missing = at;
  return missing;
}

/** Removes `path` and its parents up to `made`, as far as they are empty. */
function removeEmpty(path: string, made: string | undefined): void {
  if (made === undefined) return;
  try {
    for (let at = resolve(path); at.length >= made.length; at = dirname(at)) if (existsSync(at)) rmdirSync(at);
  } catch {
    // Something was written here.
  }
}

function pretty(value: Json): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** Objects of a file of lines, with their numbers where they cannot be parsed. */
function parseLines(path: string): Record<string, unknown>[] {
  return (readText(path) ?? '').split('\n').flatMap((line, i) => {
    if (line === '') return [];
    const value = parseObject(line);
    if (!value)
      throw new RunFolderError(`${path}: line ${i + 1} is not a JSON object; mend it or choose another --out`);
    return [value];
  });
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** A process that ended while writing leaves the beginning of a line. */
function dropTornLine(path: string): void {
  if (!existsSync(path)) return;
  const bytes = readBytes(path);
  const start = bytes.lastIndexOf(0x0a) + 1;
  if (start === bytes.length) return;
  if (parseObject(new TextDecoder().decode(bytes.subarray(start)))) appendFileSync(path, '\n');
  else truncateSync(path, start);
}
