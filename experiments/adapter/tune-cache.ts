/** What `tapir tune` found, on disk: one readable JSON file for each adapter, in the user's cache folder. */
import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { z } from 'zod';
import type { Device } from '../../engine/index.ts';
import { RunFolderError, writeFiles } from '../disk/atomic.ts';
import { FileError, readText, remove } from '../disk/files.ts';
import type { Choices } from './choices.ts';
import { fingerprint } from './fingerprint.ts';

const FORMAT = 1;

const entrySchema = z.object({
  version: z.string(),
  /** See `Choice`. */
  shaders: z.string(),
  /** Median milliseconds of a call by version. */
  ms: z.record(z.string(), z.number()),
  /** ISO 8601. */
  measured: z.string(),
});
const cacheSchema = z.object({
  format: z.literal(FORMAT),
  adapter: z.record(z.string(), z.unknown()),
  calls: z.record(z.string(), entrySchema),
});

/** What was measured of one call. */
export type Tuned = z.infer<typeof entrySchema>;
/** By `callText`. */
export type TuneCache = Readonly<Record<string, Tuned>>;

/** What may make another version the fastest: adapter, driver, what they offer, and the CPU where it plays the GPU. */
function identityOf(device: Device): Record<string, unknown> {
  const { adapter, vendor, architecture, software, features, limits, subgroupSize, webgpu, cpu, cores } =
    fingerprint(device);
  const own = { adapter, vendor, architecture, software, features, limits, subgroupSize, webgpu };
  return software ? { ...own, cpu, cores } : own;
}

/** `$XDG_CACHE_HOME/tapir/tune/ADAPTER-HASH.json`, or below `~/.cache`. */
export function cachePath(device: Device): string {
  const given = process.env['XDG_CACHE_HOME'];
  const base = given !== undefined && isAbsolute(given) ? given : join(homedir(), '.cache');
  const hash = createHash('sha256').update(JSON.stringify(identityOf(device)));
  const name = device.info.name.replace(/[^A-Za-z0-9.]+/g, '-').slice(0, 40);
  return join(base, 'tapir', 'tune', `${name}-${hash.digest('hex').slice(0, 8)}.json`);
}

/** Empty where there is no file; one that cannot be read is reported through `warn` in one line and counts as none. */
export const readCache = (device: Device, warn: (line: string) => void = complain): TuneCache =>
  cacheIn(cachePath(device), warn);

/** The same of a file by its path. */
export function cacheIn(path: string, warn: (line: string) => void): TuneCache {
  try {
    const text = readText(path);
    return text === undefined ? {} : cacheSchema.parse(JSON.parse(text)).calls;
  } catch (error) {
    const why = error instanceof FileError ? error.reason : 'it is damaged';
    warn(`${path} is ignored, ${why}: tapir tune writes it anew, tapir tune --forget removes it`);
    return {};
  }
}

const complain = (line: string) => void process.stderr.write(`tapir: ${line}\n`);

/** Adds to what is there, newer figures over older ones. Throws RunFolderError where the disk refuses. */
export function writeCache(device: Device, calls: TuneCache): string {
  const path = cachePath(device);
  const all = { ...readCache(device, () => {}), ...calls };
  try {
    const text = `${JSON.stringify({ format: FORMAT, adapter: identityOf(device), calls: all }, null, 1)}\n`;
    writeFiles(dirname(path), new Map([[basename(path), text]]));
  } catch (error) {
    throw unusable(path, error);
  }
  return path;
}

/** Removes the adapter's file; true where there was one. Throws RunFolderError where the disk refuses. */
export function forgetCache(device: Device): boolean {
  const path = cachePath(device);
  try {
    return remove(path);
  } catch (error) {
    throw unusable(path, error);
  }
}

const unusable = (path: string, error: unknown) =>
  new RunFolderError(
    `${path} cannot be written (${(error as NodeJS.ErrnoException).code}); set XDG_CACHE_HOME to a folder that can`,
    { cause: error },
  );

/** What runs on this adapter are to prefer; nothing where they shall not. */
export function tunedChoices(device: Device, untuned = false): Choices {
  if (untuned) return {};
  const all = Object.entries(readCache(device));
  return Object.fromEntries(all.map(([call, { version, shaders }]) => [call, { version, shaders }]));
}
