/** Writing so that nothing is left half done: whole files, whole lines, whole folders. */
import {
  appendFileSync,
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../../engine/index.ts';
import { temporaryName } from './owner.ts';

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
  const temporary = temporaryName(path);
  try {
    writeThrough(temporary, contents);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** What file systems without hard links say. */
const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'];

/** Makes a file that appears whole; false where there is one: of several processes at once, one makes it. */
export function createFile(path: string, contents: string): boolean {
  const temporary = temporaryName(path);
  try {
    writeThrough(temporary, contents);
    linkSync(temporary, path);
    return true;
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    // NFS may repeat a request whose answer was lost: then the link is there, and counts.
    if (code === 'EEXIST') return statSync(temporary).nlink === 2;
    if (!NO_LINKS.includes(code)) throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
  return createExclusively(path, contents);
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

function writeThrough(path: string, contents: string | Uint8Array): void {
  const descriptor = openSync(path, 'w');
  try {
    writeFileSync(descriptor, contents);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
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
