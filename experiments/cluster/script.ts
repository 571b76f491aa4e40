/**
 * The script of a job array that works through a sweep, in the conventions of submitit: a signal before the time limit,
 * upon which state is kept and the job requeued; logs named by job and task.
 */
import { join } from 'node:path';
import { TRY_AGAIN } from '../../engine/index.ts';

/** Where jobs keep their scripts and logs in a sweep's folder. */
export const LOGS = 'slurm';
/** Time before the limit at which Slurm gives notice, seconds. */
const NOTICE_S = 90;

export interface Resources {
  readonly partition?: string;
  /** As Slurm takes it: minutes, or days-hours:minutes:seconds. */
  readonly time?: string;
  /** For each task. */
  readonly gpus?: number;
}

export interface JobArray extends Resources {
  readonly name: string;
  /** Of all tasks there could be, those to start, counted from 0. */
  readonly tasks: readonly number[];
  readonly count: number;
  /** The folder in which the command is run, and the sweep's, both absolute. */
  readonly folder: string;
  readonly out: string;
  /** The command of one task, without its shard. */
  readonly command: readonly string[];
}

export function jobScript({ name, tasks, count, partition, time, gpus, folder, out, command }: JobArray): string {
  const log = (kind: string) => join(out, LOGS, `%A_%a_log.${kind}`);
  const directives = [
    `job-name=${name}`,
    `array=${rangesOf(tasks)}`,
    'nodes=1',
    'ntasks=1',
    ...(partition === undefined ? [] : [`partition=${partition}`]),
    ...(time === undefined ? [] : [`time=${time}`]),
    ...(gpus === undefined ? [] : [`gpus-per-node=${gpus}`]),
    `signal=USR2@${NOTICE_S}`,
    'requeue',
    'open-mode=append',
    `output="${log('out')}"`,
    `error="${log('err')}"`,
  ];
  return [
    '#!/bin/bash',
    ...directives.map((each) => `#SBATCH --${each}`),
    '',
    `cd ${quoted(folder)} || exit`,
    'status=0',
    `srun --unbuffered ${command.map(quoted).join(' ')} \\`,
    `  --out ${quoted(out)} --shard "$((SLURM_ARRAY_TASK_ID + 1))/${count}" || status=$?`,
    '# Stopped, with everything kept: at the time limit, or where the GPU was lost.',
    `if [ "$status" = ${TRY_AGAIN} ]; then exec scontrol requeue "$SLURM_JOB_ID"; fi`,
    'exit "$status"',
    '',
  ].join('\n');
}

/** `0-2,5`. */
export function rangesOf(numbers: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const number of numbers.toSorted((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last && last[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}

/** A word as a shell takes it. */
export const quoted = (word: string): string =>
  /^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
