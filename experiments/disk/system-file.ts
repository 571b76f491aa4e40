/** A system of the user's own, from a file. A .mjs, .js or .ts file is a program, and runs; a .json file is data. */
import { existsSync, statSync } from 'node:fs';
import { basename, dirname, extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { defineSystem, type System, SystemError, type SystemSpec } from '../../systems/index.ts';
import { readText } from './files.ts';

const PROGRAMS = ['.mjs', '.js', '.ts'];

/** Whether the text names a file, rather than a system. */
export const isSystemFile = (text: string): boolean =>
  /[\\/]/.test(text) || [...PROGRAMS, '.json'].includes(extname(text));

/** Whether a .json file holds a system, rather than something else. */
export function holdsSystem(path: string): boolean {
  try {
    const value: unknown = JSON.parse(readText(path) ?? '');
    return typeof value === 'object' && value !== null && 'residuals' in value;
  } catch {
    return false;
  }
}

/** What the file defines. Throws {@link SystemError}, whose message begins with the file's name. */
export async function readSystem(path: string): Promise<System> {
  const extension = extname(path);
  const fail = (what: string): never => {
    throw new SystemError(`${basename(path)}: ${what}`);
  };
  if (!existsSync(path)) fail(`there is no such file (${path})`);
  if (!statSync(path).isFile()) fail('it is not a file');
  if (![...PROGRAMS, '.json'].includes(extension)) fail(`a system is a ${[...PROGRAMS, '.json'].join(', ')} file`);
  const spec = extension === '.json' ? parsed(path, fail) : await exported(path, fail);
  if (typeof spec !== 'object' || spec === null)
    fail(
      extension === '.json'
        ? 'it holds no object'
        : 'it has no default export; write export default defineSystem({...})',
    );
  if (typeof (spec as Partial<System>).points === 'function') return spec as System;
  try {
    return defineSystem(spec as SystemSpec, { readText: (file) => readText(resolve(dirname(path), file)) });
  } catch (error) {
    if (error instanceof SystemError) fail(error.message);
    throw error;
  }
}

type Fail = (what: string) => never;

function parsed(path: string, fail: Fail): unknown {
  try {
    return JSON.parse(readText(path) ?? '');
  } catch (error) {
    return fail(`it is not JSON: ${(error as Error).message}`);
  }
}

async function exported(path: string, fail: Fail): Promise<unknown> {
  try {
    const { default: spec } = (await import(pathToFileURL(resolve(path)).href)) as { default?: unknown };
    return spec;
  } catch (error) {
    if (error instanceof SystemError) return fail(error.message);
    if ((error as NodeJS.ErrnoException).code === 'ERR_UNKNOWN_FILE_EXTENSION')
      return fail(`this Node (${process.version}) reads no TypeScript; use Node 22.18 or newer, or write .mjs`);
    return fail(`it cannot be loaded: ${(error as Error).message}`);
  }
}
