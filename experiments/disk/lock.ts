/**
 * Locks of folders: one process at a time, of one machine or of several that share the disk. A lock is a small file that
 * says who holds it and since when. It appears whole or not at all, by a hard link; flock, which some shared file systems
 * ignore, is not needed. Its holder writes it again every few seconds. On one machine the lock of a dead process is known
 * by its number; on another by its silence, measured by the clock of the disk.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { createFile, RunFolderError, replaceFile } from './atomic.ts';
import { namesIn, remove } from './files.ts';
import { isAlive, space, startOf, temporary, temporaryName } from './owner.ts';

const LOCK = '.lock';
const CLAIM = '.claim';
/** Time between two signs of life of a holder, and the silence after which another machine may take its lock over. */
const BEAT_MS = 10_000;
export const SILENCE_MS = 120_000;
/** A lock that is given back just when it is looked at is tried for again, so many times. */
const TRIES = 10;

export interface Lock {
  /** Throws {@link RunFolderError} where the lock is not this process's any more. */
  check(): void;
  release(): void;
}

interface Holder {
  readonly pid: number;
  readonly host: string;
  readonly since?: string;
  readonly space?: string;
  readonly start?: string;
}

/** Takes the lock of a folder. Throws {@link RunFolderError} where another process has it, and says which one. */
export function lock(folder: string): Lock {
  const path = join(resolve(folder), LOCK);
  const lock = acquire(folder, path);
  for (const name of namesIn(folder)) if (isLeftOver(name, lock.claim)) remove(join(folder, name));
  return lock;
}

/** Temporary files of this folder belong to who has its lock, but for those of processes that try to get it. */
function isLeftOver(name: string, claim: string): boolean {
  if (!name.startsWith(LOCK)) return temporary(name) !== undefined;
  return temporary(name) === 'abandoned' || (name.endsWith(CLAIM) && name !== claim);
}

type Acquired = Lock & { readonly claim: string };

function acquire(folder: string, path: string): Acquired {
  const since = new Date().toISOString();
  const unique = randomBytes(6).toString('hex');
  const contents = `${process.pid} ${hostname()} ${since} ${space} ${startOf(process.pid) ?? '-'} ${unique}\n`;
  for (let tries = 0; tries < TRIES; tries++) {
    if (createFile(path, contents)) return held(folder, path, contents);
    const found = contentsOf(path);
    if (found === undefined) continue;
    if (!isStale(path, found)) throw inUse(folder, path, found);
    // Who has the claim to a stale lock may replace it, and nobody else: claims are locks themselves.
    let claim: Acquired;
    try {
      claim = acquire(folder, `${path}.${nameOf(found)}${CLAIM}`);
    } catch (error) {
      // Whoever has the claim now may have come too late itself: then the lock says who has it.
      if (contentsOf(path) !== found) continue;
      throw error;
    }
    try {
      if (contentsOf(path) !== found) continue;
      replaceFile(path, contents);
      return held(folder, path, contents);
    } finally {
      claim.release();
    }
  }
  throw inUse(folder, path, contentsOf(path) ?? '');
}

/** Locks of this process, by path: what they say. */
const ours = new Map<string, string>();
const releases = new Set<() => void>();
process.on('exit', () => {
  for (const release of releases) release();
});

function held(folder: string, path: string, contents: string): Acquired {
  ours.set(path, contents);
  // The file itself, not its name: a lock that was taken over is not written into.
  const descriptor = openSync(path, 'r+');
  const beat = setInterval(() => {
    try {
      writeSync(descriptor, contents, 0);
      fsyncSync(descriptor);
    } catch {
      // Whoever writes next finds out what is wrong with the disk.
    }
  }, BEAT_MS).unref();
  const release = () => {
    if (!releases.delete(release)) return;
    clearInterval(beat);
    closeSync(descriptor);
    ours.delete(path);
    if (contentsOf(path) === contents) rmSync(path, { force: true });
  };
  releases.add(release);
  const check = () => {
    const found = contentsOf(path);
    if (found === contents) return;
    if (!existsSync(folder)) throw new RunFolderError(`${folder} was removed under way; choose another --out`);
    if (found === undefined)
      throw new RunFolderError(`${path} was removed under way: another process may have been let in; start again`);
    throw new RunFolderError(`${folder} was taken over by ${holderText(found)}; wait for it or choose another --out`);
  };
  return { check, release, claim: `${basename(path)}.${nameOf(contents)}${CLAIM}` };
}

/** Who has the lock of a folder, in words; undefined where nobody has, or a stale one was left. */
export function holderOfFolder(folder: string): string | undefined {
  const path = join(resolve(folder), LOCK);
  const found = contentsOf(path);
  return found === undefined || isStale(path, found) ? undefined : holderText(found);
}

const nameOf = (contents: string): string => createHash('sha256').update(contents).digest('hex').slice(0, 12);

function contentsOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ESTALE'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

/** What a lock says; earlier versions wrote number and host alone. */
function holderOf(contents: string): Holder | undefined {
  const [, pid, host, since, where, start] = /^(\d+) (\S+)(?: (\S+) (\S+) (\S+) \S+)?\n$/.exec(contents) ?? [];
  if (!pid || !host) return undefined;
  const own = { pid: Number(pid), host };
  if (!since || !where) return own;
  return { ...own, since, space: where, ...(start && start !== '-' ? { start } : {}) };
}

function isStale(path: string, contents: string): boolean {
  const holder = holderOf(contents);
  if (holder && (holder.space ?? holder.host) === (holder.space ? space : hostname())) {
    const { pid, start } = holder;
    const unclear = pid === process.pid && start === undefined;
    return unclear ? ours.get(path) !== contents : !isAlive(pid, start);
  }
  // By the clock that set the time of the lock: that of the disk, which may be another machine's.
  const probe = temporaryName(`${path}.clock`);
  try {
    writeFileSync(probe, '');
    return statSync(probe).mtimeMs - statSync(path).mtimeMs > SILENCE_MS;
  } finally {
    rmSync(probe, { force: true });
  }
}

function holderText(contents: string): string {
  const holder = holderOf(contents);
  if (!holder) return 'another process';
  return `process ${holder.pid} on ${holder.host}${holder.since ? ` since ${holder.since}` : ''}`;
}

function inUse(folder: string, path: string, contents: string): RunFolderError {
  return new RunFolderError(
    `${folder} is in use by ${holderText(contents)}; wait for it, choose another --out, or remove ${path} if it is gone`,
  );
}
