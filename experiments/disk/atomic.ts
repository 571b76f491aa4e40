/** Writing so that nothing is left half done: whole files, whole lines, whole folders, one process at a time. */
import {
  appendFileSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { UserError } from '../../engine/index.ts';

const LOCK = '.lock';

/** A run folder that cannot be used; the message is one line and names the remedy. */
export class RunFolderError extends UserError {
  override readonly name = 'RunFolderError';
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

/** Adds a line; one that does not fit is taken back. */
export function appendLine(path: string, line: string): void {
  const before = existsSync(path) ? statSync(path).size : 0;
  try {
    appendFileSync(path, `${line}\n`);
  } catch (error) {
    if (existsSync(path) && statSync(path).isFile()) truncateSync(path, before);
    throw error;
  }
}

/** Files by name. */
export type Files = ReadonlyMap<string, string | Uint8Array>;

/** Writes files into a folder, which is made if it is missing. */
export function writeFiles(folder: string, files: Files): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, contents] of files) replaceFile(join(folder, name), contents);
}

/** Makes a folder with files in one step, by way of `draft`: it appears whole or not at all. */
export function appear(folder: string, draft: string, files: Files): void {
  rmSync(draft, { recursive: true, force: true });
  try {
    writeFiles(draft, files);
    renameSync(draft, folder);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    throw error;
  }
}

/** Runs an action on a path. Throws {@link RunFolderError} where the disk refuses. */
export function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw failure(path, error);
  }
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
