/** Slurm's own commands: jobs handed in, and what the queue says of them. */
import { spawnSync } from 'node:child_process';
import { userInfo } from 'node:os';
import { UserError } from '../../engine/index.ts';

/** Slurm is not there, or refuses. */
export class SlurmError extends UserError {
  override readonly name = 'SlurmError';
}

function slurm(program: string, args: readonly string[]): string {
  const { error, status, stdout, stderr } = spawnSync(program, [...args], { encoding: 'utf8' });
  if (error)
    throw new SlurmError(`there is no ${program} here`, { remedy: 'run it where jobs are submitted', cause: error });
  if (status !== 0)
    throw new SlurmError(`${program}: ${stderr.trim().split('\n')[0]}`, {
      remedy: 'see its manual page, or --dry-run',
    });
  return stdout;
}

/** Hands in a script; returns the number of its job. */
export const submit = (script: string): string => slurm('sbatch', ['--parsable', script]).trim().split(';')[0]!;

/** State of each of the user's tasks in the queue, by `JOB_TASK`: PENDING, RUNNING and others. */
export type Queue = ReadonlyMap<string, string>;

/** Throws {@link SlurmError}. */
export function readQueue(): Queue {
  const format = ['--noheader', '--array', '--format=%F_%K %T', `--user=${userInfo().username}`];
  return queueOf(slurm('squeue', format));
}

export const queueOf = (text: string): Queue =>
  new Map(
    text.split('\n').flatMap((line) => {
      const [task, state] = line.trim().split(/\s+/);
      return task && state ? [[task, state] as const] : [];
    }),
  );
