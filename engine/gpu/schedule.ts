/**
 * Orders tasks into steps. A task's height is the number of further steps that have to follow it; a step takes the tasks
 * of the greatest height that is left. So what lies on the longest way goes first, and everything else as late as it
 * can, together with what else is due then. Values of one size that read each other's elements at the same index only
 * cost no step: they share a loop.
 */
import { UserError } from '../tape/error.ts';
import type { KernelCall, Target } from './place.ts';
import type { Task, ValueWork } from './tasks.ts';

/** Values that one loop computes: element by element, or by folding elements first. */
export interface Segment {
  readonly kind: 'map' | 'reduce';
  /** Of a `reduce` segment the first ones are reductions, the others follow from them. */
  readonly targets: readonly Target[];
}

/** Work that can run at once. */
export interface Step {
  readonly calls: readonly KernelCall[];
  readonly segments: readonly Segment[];
}

/** State updates that cannot be done in place, since every order would overwrite what another value still needs. */
export class UpdateConflict extends Error {
  override readonly name = 'UpdateConflict';
  readonly nodes: readonly number[];
  constructor(nodes: readonly number[]) {
    super(`state updates ${nodes.join(', ')} need copies`);
    this.nodes = nodes;
  }
}

/** A computation that reads or writes more buffers than one dispatch may bind. */
export class BindingLimitError extends UserError {
  override readonly name = 'BindingLimitError';
  constructor(scope: string, needs: number, binds: number) {
    super(`${scope || 'a value'} needs ${needs} buffers at once; this adapter binds ${binds}`, {
      remedy: 'compute it in parts, or put several of its operands into one with concat',
    });
  }
}

type ValueTask = Task & ValueWork;

/** Operations that the code of one loop may have. */
const LONGEST = 4096;

/** Throws {@link UpdateConflict}, {@link BindingLimitError}. */
export function schedule(tasks: readonly Task[], maxBuffers: number): Step[] {
  const clashing = tasks.filter((task) => isInPlace(task) && !task.readsAtIndex(task.writes));
  if (clashing.length > 0) throw new UpdateConflict(clashing.flatMap(updateOf));
  const followers = followersOf(tasks);
  const heights = heightsOf(tasks, followers);
  const stuck = tasks.filter((task) => !heights.has(task));
  if (stuck.length > 0)
    throw new UpdateConflict(circlesOf(stuck, followers).flatMap((circle) => circle.flatMap(updateOf).slice(0, 1)));

  /** Tasks that each still waits for. */
  const waiting = new Map(tasks.map((task) => [task, predecessors(task).size]));
  const ready: Task[][] = [];
  const release = (task: Task) => {
    const height = heights.get(task)!;
    ready[height] ??= [];
    ready[height].push(task);
  };
  for (const task of tasks) if (waiting.get(task) === 0) release(task);
  const steps: Step[] = [];
  for (let height = ready.length - 1; height >= 0; ) {
    const due = ready[height] ?? [];
    ready[height] = [];
    if (due.length === 0) {
      height--;
      continue;
    }
    const groups = gather(due, maxBuffers);
    for (const group of groups) group.extend(followers, waiting);
    const done = new Set<Task>([...due, ...groups.flatMap(({ tasks }) => tasks)]);
    for (const task of done)
      for (const follower of followers.get(task)!) {
        const left = waiting.get(follower)! - 1;
        waiting.set(follower, left);
        if (left === 0 && !done.has(follower)) release(follower);
      }
    const calls = due.flatMap((task) => (task.kind === 'call' ? [task.call] : []));
    const segments = groups.map(({ kind, tasks }) => ({ kind, targets: tasks.map(({ target }) => target) }));
    if (calls.length + segments.length > 0) steps.push({ calls, segments });
  }
  return steps;
}

const isInPlace = (task: Task): task is ValueTask => 'target' in task && task.inPlace;
const updateOf = (task: Task) => (isInPlace(task) ? [task.target.node] : []);
const predecessors = ({ deps, before }: Task) => new Set([...deps, ...before]);

function followersOf(tasks: readonly Task[]): Map<Task, Task[]> {
  const followers = new Map<Task, Task[]>(tasks.map((task) => [task, []]));
  for (const task of tasks) for (const other of predecessors(task)) followers.get(other)!.push(task);
  return followers;
}

/** Whether `task` can share a loop with `other`, for which it waits. A join takes no time after its parts. */
function canFollow(task: Task, other: Task): boolean {
  if (task.kind === 'join') return true;
  if (task.kind !== 'map' || !('target' in other) || task.size !== other.size) return false;
  const reads = !task.deps.has(other) || task.loads.get(other.target.node) !== false;
  return reads && (!task.before.has(other) || other.readsAtIndex(task.writes));
}

/**
 * Steps that have to follow each task. Tasks in a circle, which updates in place can close, and all that come before
 * them have none.
 */
function heightsOf(tasks: readonly Task[], followers: ReadonlyMap<Task, readonly Task[]>): Map<Task, number> {
  const heights = new Map<Task, number>();
  const open = new Map(tasks.map((task) => [task, followers.get(task)!.length]));
  const ends = tasks.filter((task) => open.get(task) === 0);
  for (let task = ends.pop(); task; task = ends.pop()) {
    let height = 0;
    for (const after of followers.get(task)!)
      height = Math.max(height, heights.get(after)! + (canFollow(after, task) ? 0 : 1));
    heights.set(task, height);
    for (const other of predecessors(task)) {
      open.set(other, open.get(other)! - 1);
      if (open.get(other) === 0) ends.push(other);
    }
  }
  return heights;
}

/** Of tasks that lie in circles or before them those in circles or between them, and which of these hang together. */
function circlesOf(stuck: readonly Task[], followers: ReadonlyMap<Task, readonly Task[]>): Task[][] {
  const left = new Set(stuck);
  const waiting = new Map(
    stuck.map((task) => [task, [...predecessors(task)].filter((other) => left.has(other)).length]),
  );
  const first = stuck.filter((task) => waiting.get(task) === 0);
  for (let task = first.pop(); task; task = first.pop()) {
    left.delete(task);
    for (const after of followers.get(task)!) {
      const count = waiting.get(after);
      if (count === undefined) continue;
      waiting.set(after, count - 1);
      if (count === 1) first.push(after);
    }
  }
  const circles: Task[][] = [];
  for (const start of left) {
    const circle = new Set([start]);
    left.delete(start);
    // A set hands out what is added while it is walked through.
    for (const task of circle)
      for (const other of [...predecessors(task), ...followers.get(task)!]) if (left.delete(other)) circle.add(other);
    circles.push([...circle]);
  }
  return circles;
}

/** Tasks that share a loop, within what a dispatch may bind and a shader may hold. */
class Group {
  readonly tasks: ValueTask[] = [];
  readonly #roots = new Set<number>();
  readonly #maxBuffers: number;
  #length = 0;

  constructor(first: ValueTask, maxBuffers: number) {
    this.#maxBuffers = maxBuffers;
    if (first.roots.size > maxBuffers) throw new BindingLimitError(first.scope, first.roots.size, maxBuffers);
    this.#add(first);
  }

  get kind(): 'map' | 'reduce' {
    return this.tasks[0]!.kind;
  }

  /** Takes a task in, if there is room for it. */
  take(task: ValueTask): boolean {
    let bound = this.#roots.size;
    for (const root of task.roots) if (!this.#roots.has(root)) bound++;
    const fits = bound <= this.#maxBuffers && this.#length + task.length <= LONGEST;
    if (fits) this.#add(task);
    return fits;
  }

  /** Takes in tasks that need nothing but what is done and what the loop has in registers at the same index. */
  extend(followers: ReadonlyMap<Task, readonly Task[]>, waiting: ReadonlyMap<Task, number>): void {
    const met = new Map<Task, number>();
    const members = new Set<Task>(this.tasks);
    for (const member of this.tasks)
      for (const task of followers.get(member)!) {
        const count = (met.get(task) ?? 0) + 1;
        met.set(task, count);
        if (count < waiting.get(task)! || task.kind !== 'map') continue;
        const near = [...predecessors(task)].every((other) => !members.has(other) || canFollow(task, other));
        if (near && this.take(task)) members.add(task);
      }
  }

  #add(task: ValueTask): void {
    this.tasks.push(task);
    this.#length += task.length;
    for (const root of task.roots) this.#roots.add(root);
  }
}

/** Groups of tasks that can share a loop: maps of one size, reductions over the same axes of equal shapes. */
function gather(due: readonly Task[], maxBuffers: number): Group[] {
  const groups: Group[] = [];
  const open = new Map<string, Group>();
  for (const task of due) {
    if (!('target' in task) || open.get(task.key)?.take(task)) continue;
    const group = new Group(task, maxBuffers);
    open.set(task.key, group);
    groups.push(group);
  }
  return groups;
}
