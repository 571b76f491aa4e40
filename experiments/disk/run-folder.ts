/** The folder of a training run: configuration, metrics, summary, and whatever else the run leaves behind. */

import {
  appendFileSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { UserError } from '../../engine/index.ts';

const CONFIG = 'config.json';
const METRICS = 'metrics.jsonl';
const SUMMARY = 'summary.json';
const LOCK = '.lock';

/** A run folder that cannot be used; the message is one line and names the remedy. */
export class RunFolderError extends UserError {
  override readonly name = 'RunFolderError';
}

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
  checkContents(path, resume);
  const made = firstMissing(path);
  try {
    mkdirSync(path, { recursive: true });
    const unlock = lock(path);
    try {
      checkContents(path, resume);
      if (resume) dropTornLine(join(path, METRICS));
    } catch (error) {
      unlock();
      throw error;
    }
    return runFolder(path, () => {
      unlock();
      removeEmpty(path, made);
    });
  } catch (error) {
    removeEmpty(path, made);
    throw failure(path, error);
  }
}

function runFolder(path: string, close: () => void): RunFolder {
  const metrics = join(path, METRICS);
  const attempt = <T>(action: () => T): T => {
    try {
      return action();
    } catch (error) {
      throw failure(path, error);
    }
  };
  const write = (name: string, contents: string | Uint8Array) => attempt(() => replaceFile(join(path, name), contents));
  const readMetrics = () => attempt(() => parseLines(metrics));
  return {
    path,
    writeConfig: (config) => write(CONFIG, pretty(config)),
    writeSummary: (summary) => write(SUMMARY, pretty(summary)),
    writeFile: write,
    appendMetrics: (line) => attempt(() => appendLine(metrics, JSON.stringify(line))),
    readMetrics,
    truncateMetrics(epoch) {
      const all = readMetrics();
      const kept = all.filter((line) => typeof line['epoch'] !== 'number' || line['epoch'] <= epoch);
      if (kept.length < all.length) write(METRICS, kept.map((line) => `${JSON.stringify(line)}\n`).join(''));
    },
    close,
  };
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

function checkContents(path: string, resume: boolean): void {
  if (existsSync(path) && !statSync(path).isDirectory())
    throw new RunFolderError(`${path} is a file; choose a folder with --out`);
  if (resume && !existsSync(join(path, CONFIG)))
    throw new RunFolderError(`${path} holds no run to resume; check --out, or leave out --resume to start one`);
  if (!resume && [CONFIG, METRICS].some((name) => existsSync(join(path, name))))
    throw new RunFolderError(`${path} already holds a run; continue it with --resume or choose another --out`);
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

const remedies: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full; free some space or choose another --out',
  EDQUOT: 'the disk quota is used up; free some space or choose another --out',
  EACCES: 'it is not writable; change its permissions or choose another --out',
  EPERM: 'it is not writable; change its permissions or choose another --out',
  EROFS: 'it is on a read-only disk; choose another --out',
  ENOTDIR: 'a part of the path is a file; choose another --out',
  EEXIST: 'a part of the path is a file; choose another --out',
  ENAMETOOLONG: 'the name is too long; choose a shorter --out',
};

/** What went wrong with a path, in one line with a remedy. */
export function failure(path: string, error: unknown): RunFolderError {
  if (error instanceof RunFolderError) return error;
  const { code = '', message = String(error) } = error as NodeJS.ErrnoException;
  const what = remedies[code] ?? `${message.replaceAll('\n', ' ')}; choose another --out`;
  return new RunFolderError(`${path} cannot be used: ${what}`, { cause: error });
}

function pretty(value: Json): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** Whoever looks finds the old file or the whole new one. */
export function replaceFile(path: string, contents: string | Uint8Array): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    const descriptor = openSync(temporary, 'w');
    try {
      writeFileSync(descriptor, contents);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function appendLine(path: string, line: string): void {
  const before = existsSync(path) ? statSync(path).size : 0;
  try {
    appendFileSync(path, `${line}\n`);
  } catch (error) {
    if (existsSync(path) && statSync(path).isFile()) truncateSync(path, before);
    throw error;
  }
}

function parseLines(path: string): Record<string, unknown>[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line, i) => {
      const value = parseObject(line);
      if (!value)
        throw new RunFolderError(`${path}: line ${i + 1} is not a JSON object; mend it or choose another --out`);
      return value;
    });
}

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** A process that ended while writing leaves the beginning of a line. */
function dropTornLine(path: string): void {
  if (!existsSync(path)) return;
  const bytes = readFileSync(path);
  const start = bytes.lastIndexOf('\n') + 1;
  if (start === bytes.length) return;
  if (parseObject(bytes.toString('utf8', start))) appendFileSync(path, '\n');
  else truncateSync(path, start);
}

/** Locks held by this process: another process may have had the same number before. */
const held = new Set<string>();

/** Takes the lock of a folder and returns what gives it back. Throws {@link RunFolderError} where another process has it. */
export function lock(folder: string): () => void {
  const path = join(resolve(folder), LOCK);
  const mine = `${process.pid} ${hostname()}\n`;
  if (!createExclusively(path, mine)) {
    takeStale(folder, path);
    if (!createExclusively(path, mine)) throw inUse(folder, path, readFileSync(path, 'utf8'));
  }
  held.add(path);
  return () => {
    if (held.delete(path)) rmSync(path, { force: true });
  };
}

function createExclusively(path: string, contents: string): boolean {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'wx');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  try {
    writeFileSync(descriptor, contents);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(descriptor);
  }
  return true;
}

/** Moves away the lock of a dead process; puts it back if meanwhile another process took it over. */
function takeStale(folder: string, path: string): void {
  const found = readFileSync(path, 'utf8');
  if (held.has(path) || !isStale(found)) throw inUse(folder, path, found);
  const aside = `${path}.${process.pid}`;
  renameSync(path, aside);
  const moved = readFileSync(aside, 'utf8');
  if (moved !== found) {
    renameSync(aside, path);
    throw inUse(folder, path, moved);
  }
  rmSync(aside);
}

function isStale(contents: string): boolean {
  const [, id, host] = /^(\d+) (.*)\n$/.exec(contents) ?? [];
  if (id === undefined || host !== hostname()) return false;
  const pid = Number(id);
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

function inUse(folder: string, path: string, contents: string): RunFolderError {
  const [pid = '', host = ''] = contents.trim().split(' ');
  const holder = pid ? `process ${pid}${host && host !== hostname() ? ` on ${host}` : ''}` : 'another process';
  return new RunFolderError(
    `${folder} is in use by ${holder}; wait for it, choose another --out, or remove ${path} if it is gone`,
  );
}
