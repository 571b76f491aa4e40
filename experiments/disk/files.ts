/** Reading, and looking at what is there. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';

export const exists = (path: string): boolean => existsSync(path);
export const isFolder = (path: string): boolean => existsSync(path) && statSync(path).isDirectory();
export const isFile = (path: string): boolean => existsSync(path) && statSync(path).isFile();

/** Undefined where there is no file. */
export const readText = (path: string): string | undefined =>
  existsSync(path) ? readFileSync(path, 'utf8') : undefined;

/** Throws what the disk throws. */
export const readBytes = (path: string): Uint8Array => readFileSync(path);

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
