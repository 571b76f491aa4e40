/** Reading, and looking at what is there. */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { UserError } from '../../engine/index.ts';

/** Something that is there and cannot be read as a file. */
export class FileError extends UserError {
  override readonly name = 'FileError';
  /** What is in the way. */
  readonly reason: string;
  constructor(path: string, reason: string, cause?: unknown) {
    super(`${path} cannot be read: ${reason}`, { cause });
    this.reason = reason;
  }
}

export const exists = (path: string): boolean => existsSync(path);
export const isFolder = (path: string): boolean => existsSync(path) && statSync(path).isDirectory();
export const isFile = (path: string): boolean => existsSync(path) && statSync(path).isFile();

/** Bytes of a file that is read as a whole: a string holds no more than this. */
const LARGEST = 2 ** 29;

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'a part of the path is a file',
  EACCES: 'its permissions forbid it',
  EPERM: 'its permissions forbid it',
  EISDIR: 'it is a folder',
  ELOOP: 'it is a link that leads back to itself',
  ENXIO: 'it is no regular file',
  ENAMETOOLONG: 'the name is too long',
};

/** What the system says is in the way, with its code. */
export function reasonOf(error: unknown): string {
  const { code = '', message = String(error) } = error as NodeJS.ErrnoException;
  return reasons[code] ? `${code}, ${reasons[code]}` : message;
}

/** Throws {@link FileError} where there is no file: a pipe, say, would keep the reader waiting for ever. */
export function readBytes(path: string): Uint8Array {
  try {
    const descriptor = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      const stats = fstatSync(descriptor);
      if (!stats.isFile() && !stats.isDirectory()) throw new FileError(path, 'it is no regular file');
      if (stats.size > LARGEST) throw new FileError(path, `it is larger than ${LARGEST / 2 ** 20} MiB`);
      return readFileSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    if (error instanceof FileError) throw error;
    throw new FileError(path, reasonOf(error), error);
  }
}

/** Text of a file in UTF-8; undefined where nothing is there. Throws {@link FileError}. */
export function readText(path: string): string | undefined {
  try {
    return new TextDecoder('utf-8', { ignoreBOM: false }).decode(readBytes(path));
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** What a folder holds; nothing where there is none. */
export const namesIn = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);

/** Makes a folder, and those it lies in, where they are missing. */
export const makeFolder = (path: string): void => void mkdirSync(path, { recursive: true });

/** Removes a file, or a folder with all that it holds. True where there was one. */
export function remove(path: string): boolean {
  const there = existsSync(path);
  rmSync(path, { recursive: true, force: true });
  return there;
}
