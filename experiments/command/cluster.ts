/** Sweeps on a cluster: `tapir sweep PRESET --slurm` and `tapir sweep status`. */
import { resolve } from 'node:path';
import { Command } from 'commander';
import { handIn, prepare } from '../cluster/jobs.ts';
import { type Queue, readQueue, SlurmError } from '../cluster/queue.ts';
import type { Resources } from '../cluster/script.ts';
import { statusText, sweepStatus } from '../cluster/status.ts';
import { exists } from '../disk/files.ts';
import type { SweepPlan } from '../sweep/plan.ts';
import { UsageError } from '../training/settings.ts';
import { integer } from './options.ts';
import { type Global, jsonOption, putJson, say } from './output.ts';

export interface SlurmOptions extends Resources {
  readonly slurm?: boolean;
  readonly arraySize?: number;
}

/** A word of a job script's directives. */
function word(name: string): (text: string) => string {
  return (text) => {
    if (!/^[\w.,:@+-]+$/.test(text)) throw new UsageError(`${name} takes a word as Slurm does, not ${text}`);
    return text;
  };
}

export function slurmOptions(command: Command): Command {
  return command
    .option('--slurm', 'submit the sweep as a job array; again: submit what failed')
    .option('--partition <name>', '--slurm: where its jobs run', word('--partition'))
    .option('--time <limit>', '--slurm: time limit of a job, such as 4:00:00', word('--time'))
    .option('--gpus <n>', '--slurm: GPUs of each job', integer('--gpus', 0))
    .option(
      '--array-size <n>',
      '--slurm: jobs, balanced by work (default: as many as help)',
      integer('--array-size', 1),
    );
}

interface Sweep {
  readonly plan: SweepPlan;
  readonly only: readonly string[];
  readonly out: string;
  /** As it is recorded in the folder, and the arguments of one task. */
  readonly command: string;
  readonly task: readonly string[];
  readonly dryRun: boolean;
}

export function submitSweep({ plan, only, out, command, task, dryRun }: Sweep, options: SlurmOptions & Global): void {
  const { partition, time, gpus, arraySize } = options;
  const resources = {
    ...(partition === undefined ? {} : { partition }),
    ...(time === undefined ? {} : { time }),
    ...(gpus === undefined ? {} : { gpus }),
  };
  const submission = {
    ...{ plan, only, resources, out: resolve(out), folder: process.cwd() },
    ...(arraySize === undefined ? {} : { count: arraySize }),
    command: [process.execPath, resolve(process.argv[1] ?? 'tapir'), ...task],
  };
  const done = (id: string) => exists(`${out}/runs/${id}/summary.json`);
  const prepared = prepare(submission, dryRun ? queueIfAny() : readQueue(), done);
  if (dryRun) {
    process.stdout.write(prepared.script);
    return;
  }
  const { tasks, queued, count } = prepared;
  if (tasks.size === 0) {
    say(queued > 0 ? `nothing to submit: ${queued} tasks are in the queue` : 'every run is there', options);
    return;
  }
  const job = handIn(submission, prepared, command);
  if (options.json) putJson({ job, count, tasks: Object.fromEntries(tasks), queued });
  else say(`submitted job ${job}, ${tasks.size} of ${count} tasks; see tapir sweep status ${out}`, options);
}

/** Empty where there is no Slurm. */
function queueIfAny(): Queue {
  try {
    return readQueue();
  } catch (error) {
    if (error instanceof SlurmError) return new Map();
    throw error;
  }
}

export function statusCommand(): Command {
  return new Command('status')
    .argument('<dir>', 'folder of a sweep')
    .description('how far a sweep is: its folder, who is at work in it, the queue of the cluster')
    .addOption(jsonOption())
    .action((path: string, _: Global, command: Command) => {
      const options = command.optsWithGlobals<Global>();
      const status = sweepStatus(path, queueIfAny());
      if (options.json) putJson(status);
      else say(statusText(status), options);
    });
}
