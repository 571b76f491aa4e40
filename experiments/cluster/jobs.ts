/** What was submitted for a sweep: jobs, and which of their tasks trains which groups. */
import { join } from 'node:path';
import { z } from 'zod';
import { appendLine, attempt, replaceFile } from '../disk/atomic.ts';
import { makeFolder, readText } from '../disk/files.ts';
import { SweepFolder } from '../sweep/folder.ts';
import { type Group, type SweepPlan, selectGroups, workOf } from '../sweep/plan.ts';
import { UsageError } from '../training/settings.ts';
import { type Queue, submit } from './queue.ts';
import { jobScript, LOGS, type Resources } from './script.ts';

const jobSchema = z.object({
  job: z.string(),
  /** Parts of the plan, and of each task of this job, counted from 0, the groups. */
  count: z.int().positive(),
  tasks: z.record(z.string(), z.array(z.string())),
  /** ISO 8601. */
  submitted: z.string(),
});
export type Job = z.infer<typeof jobSchema>;

const jobsFile = (out: string) => join(out, LOGS, 'jobs.jsonl');

/** In the order in which they were submitted. Throws {@link UsageError}. */
export function readJobs(out: string): Job[] {
  const lines = (readText(jobsFile(out)) ?? '').split('\n').filter(Boolean);
  try {
    return lines.map((line) => jobSchema.parse(JSON.parse(line)));
  } catch {
    throw new UsageError(`${jobsFile(out)} is damaged; remove it once no job of the sweep is in the queue`);
  }
}

/** As many parts as are of use: with more, the dearest group would still take as long as all the rest. */
export function usefulCount(groups: readonly Group[]): number {
  const work = groups.map(workOf);
  return Math.max(1, Math.ceil(work.reduce((a, b) => a + b, 0) / Math.max(...work)));
}

export interface Submission {
  readonly plan: SweepPlan;
  readonly only: readonly string[];
  /** Absolute. */
  readonly out: string;
  /** Parts of the plan; those of the last submission, or as many as are of use, unless stated. */
  readonly count?: number;
  readonly resources: Resources;
  /** Where commands are run, and the command of a task without folder and shard. */
  readonly folder: string;
  readonly command: readonly string[];
}

export interface Prepared {
  readonly count: number;
  /** Groups of each task that has work left and is not in the queue. */
  readonly tasks: ReadonlyMap<number, readonly string[]>;
  /** Tasks that are in the queue. */
  readonly queued: number;
  readonly script: string;
}

/** What is left to submit. Throws {@link UsageError}. */
export function prepare(
  { plan, only, out, count: asked, resources, folder, command }: Submission,
  queue: Queue,
  done: (id: string) => boolean,
): Prepared {
  const jobs = readJobs(out);
  const queued = new Set(
    jobs.flatMap(({ job, tasks }) =>
      Object.entries(tasks).flatMap(([task, ids]) => (queue.has(`${job}_${task}`) ? ids : [])),
    ),
  );
  const before = jobs.at(-1)?.count;
  const count = asked ?? before ?? usefulCount(selectGroups(plan, only));
  if (queued.size > 0 && count !== before)
    throw new UsageError(
      `tasks of this sweep are in the queue, in ${before} parts; leave out --array-size, or cancel them first`,
    );
  const tasks = new Map<number, string[]>();
  let waiting = 0;
  for (let k = 0; k < count; k++) {
    const groups = selectGroups(plan, only, { index: k + 1, count });
    const left = groups.filter(({ runs }) => runs.some(({ id }) => !done(id)));
    if (left.length === 0) continue;
    if (groups.some(({ id }) => queued.has(id))) waiting++;
    else
      tasks.set(
        k,
        groups.map(({ id }) => id),
      );
  }
  const name = `tapir-${plan.preset}`;
  const script = jobScript({ name, tasks: [...tasks.keys()], count, ...resources, folder, out, command });
  return { count, tasks, queued: waiting, script };
}

/** Makes the sweep's folder, hands in what is left, and takes note of it. Returns the number of the job. */
export function handIn({ plan, out }: Submission, { count, tasks, script }: Prepared, command: string): string {
  SweepFolder.open(out, plan, command);
  const path = join(out, LOGS, 'submission.sh');
  return attempt(out, () => {
    makeFolder(join(out, LOGS));
    replaceFile(path, script);
    const job = submit(path);
    const record: Job = {
      ...{ job, count, submitted: new Date().toISOString() },
      tasks: Object.fromEntries([...tasks].map(([task, ids]) => [String(task), [...ids]])),
    };
    appendLine(jobsFile(out), JSON.stringify(record));
    return job;
  });
}
