/** A version of one's own, out of a file: beside the built-in ones it is validated, timed and placed on the roofline. */

import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import type { Library, Version } from '../engine/index.ts';
import { exists } from '../experiments/disk/files.ts';
import { UsageError } from '../experiments/training/settings.ts';

const callable = z.custom<never>((value) => typeof value === 'function', 'must be a function');
const schema = z.object({
  kernel: z.string(),
  version: z.object({ name: z.string().regex(/^[\w-]+$/), why: z.string(), supports: callable, build: callable }),
});

/**
 * The library with the version that a module exports by default, `{ kernel, version: { name, why, supports, build } }`
 * (see `engine/gpu/kernel.ts`), as the last one of its kernel. Throws {@link UsageError} on a file that is none.
 */
export async function withKernelFile(library: Library, file: string): Promise<Library> {
  const wrong = (why: string) => new UsageError(`--kernel-file ${file}: ${why}`);
  if (!exists(file)) throw wrong('there is no such file; name a module that exports { kernel, version }');
  let exported: unknown;
  try {
    exported = ((await import(pathToFileURL(resolve(file)).href)) as { default?: unknown }).default;
  } catch (error) {
    throw wrong(`it does not load: ${String((error as Error).message).split('\n')[0]}`);
  }
  const parsed = schema.safeParse(exported);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    throw wrong(`its default export is no { kernel, version }: ${[...path, ''].join('.').slice(0, -1)} ${message}`);
  }
  const { kernel, version } = parsed.data;
  const known = library.find(({ name }) => name === kernel);
  if (!known) throw wrong(`there is no kernel ${kernel}; there are ${library.map(({ name }) => name).join(', ')}`);
  if (known.versions.some(({ name }) => name === version.name))
    throw wrong(`${kernel} has a version ${version.name} already; choose another name`);
  const own: Version = version;
  return library.map((each) => (each === known ? { ...each, versions: [...each.versions, own] } : each));
}
