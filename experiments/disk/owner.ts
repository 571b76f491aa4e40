/** Whose a file is: processes as others on the same disk can tell them apart, on this machine and on another. */
import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Undefined where the system has no such file. */
function told(read: () => string): string | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** Where process numbers mean the same processes: one boot of one machine, one container. */
export const space: string = createHash('sha256')
  .update(
    JSON.stringify([
      hostname(),
      told(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')),
      told(() => readlinkSync('/proc/self/ns/pid')),
    ]),
  )
  .digest('hex')
  .slice(0, 8);

/** When a process of this machine began, in ticks since boot: a number that is given out again means another process. */
export function startOf(pid: number): string | undefined {
  // The name of the program, in parentheses, may hold spaces; the start is the 22nd field.
  return told(() => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')[19]!);
}

/** Whether a process of this machine is there; where its start is known, that very one. */
export function isAlive(pid: number, start?: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
  const now = startOf(pid);
  return start === undefined || now === undefined || now === start;
}

const TEMPORARY = /\.(\d+)(?:-([0-9a-f]{8}))?\.tmp$/;

/** The name under which this process prepares a file or a folder that is to appear whole. */
export const temporaryName = (path: string): string => `${path}.${process.pid}-${space}.tmp`;

/**
 * Whether a name is one of {@link temporaryName}: of a process that is gone or cannot be told to be there. What this
 * process prepares is never seen half done, as it yields to nothing meanwhile: under its number lies what another left.
 */
export function temporary(name: string): 'abandoned' | 'unknown' | undefined {
  const [, id, where] = TEMPORARY.exec(name) ?? [];
  if (id === undefined) return undefined;
  const pid = Number(id);
  return where === space && (pid === process.pid || !isAlive(pid)) ? 'abandoned' : 'unknown';
}
