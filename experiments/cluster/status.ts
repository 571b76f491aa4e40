/** How far a sweep is, from its folder, the locks in it, and the queue of the cluster. */
import { join } from 'node:path';
import { exists, readText } from '../disk/files.ts';
import { holderOfFolder } from '../disk/lock.ts';
import { table } from '../show/table.ts';
import { readSweep } from '../sweep/folder.ts';
import { groupsOf, groupTitle } from '../sweep/plan.ts';
import { readJobs } from './jobs.ts';
import type { Queue } from './queue.ts';
import { LOGS } from './script.ts';

/** `open`: nobody was told to train it, or it was stopped where it can be continued. */
export type State = 'done' | 'running' | 'waiting' | 'failed' | 'open';

export interface GroupStatus {
  readonly id: string;
  readonly title: string;
  readonly state: State;
  readonly runs: number;
  readonly done: number;
  /** `JOB_TASK` of the task that was submitted last for it. */
  readonly task?: string;
  /** Who has it. */
  readonly holder?: string;
  /** The last line of its task's log, of a group that failed. */
  readonly said?: string;
}

export interface SweepStatus {
  readonly path: string;
  readonly planned: number;
  /** Runs by the state of their groups; a run that is there is done. */
  readonly runs: Readonly<Record<State, number>>;
  readonly groups: readonly GroupStatus[];
}

/** Throws UsageError where there is no sweep. */
export function sweepStatus(path: string, queue: Queue): SweepStatus {
  const { runs, stack } = readSweep(path);
  const tasks = new Map(
    readJobs(path).flatMap(({ job, tasks: own }) =>
      Object.entries(own).flatMap(([task, ids]) => ids.map((id) => [id, `${job}_${task}`] as const)),
    ),
  );
  const counts = { done: 0, running: 0, waiting: 0, failed: 0, open: 0 };
  const groups = groupsOf(runs, stack).map((group): GroupStatus => {
    const done = group.runs.filter(({ id }) => exists(join(path, 'runs', id, 'summary.json'))).length;
    const task = tasks.get(group.id);
    const holder = holderOfFolder(join(path, 'groups', group.id));
    const state = done === group.runs.length ? 'done' : stateOf(holder, task, queue);
    counts.done += done;
    counts[state] += group.runs.length - done;
    const said = state === 'failed' ? lastLine(path, task!) : undefined;
    return {
      ...{ id: group.id, title: groupTitle(group), state, runs: group.runs.length, done },
      ...(task === undefined ? {} : { task }),
      ...(holder === undefined || state !== 'running' ? {} : { holder }),
      ...(said === undefined ? {} : { said }),
    };
  });
  return { path, planned: runs.length, runs: counts, groups };
}

function stateOf(holder: string | undefined, task: string | undefined, queue: Queue): State {
  if (holder !== undefined) return 'running';
  if (task === undefined) return 'open';
  // A task that runs trains one of its groups after the other.
  return queue.has(task) ? 'waiting' : 'failed';
}

/** What a log ends with; Dawn's warnings and blank lines are passed over. */
function lastLine(path: string, task: string): string {
  const text = readText(join(path, LOGS, `${task}_log.err`));
  if (text === undefined) return 'it left no log';
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('Warning: '));
  return lines.at(-1)?.trim() ?? 'its log is empty';
}

export function statusText({ path, planned, runs, groups }: SweepStatus): string {
  const counts = Object.entries(runs).flatMap(([state, count]) => (count > 0 ? [`${count} ${state}`] : []));
  const rows = groups.map(({ id, state, runs: all, done, task, holder, said }) => [
    ...[id, state, `${done}/${all}`, task ?? '-'],
    said ?? holder ?? '',
  ]);
  return `${path}: ${planned} runs, ${counts.join(', ')}\n${table(['batch', 'state', 'runs', 'task', ''], rows)}`;
}
