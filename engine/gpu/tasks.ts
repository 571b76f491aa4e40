/** The work of a graph as tasks: kernel calls and values to compute, with what each reads, writes and has to wait for. */
import { isReduction, rowOf } from '../tape/ops.ts';
import { sizeOf } from '../tape/shape.ts';
import type { Graph } from '../tape/tape.ts';
import { isContiguous } from './layout.ts';
import type { KernelCall, Placement, Target } from './place.ts';
import { operations } from './store.ts';

interface Work {
  /** Stored nodes it loads; true where it loads each element at its own row-major index only. */
  readonly loads: ReadonlyMap<number, boolean>;
  readonly roots: ReadonlySet<number>;
  readonly writes: ReadonlySet<number>;
  readonly scope: string;
}

/** A call of a kernel. */
interface CallWork extends Work {
  readonly kind: 'call';
  readonly call: KernelCall;
}

/** A value that generated code computes: element by element, or by folding elements of another. */
export interface ValueWork extends Work {
  readonly kind: 'map' | 'reduce';
  readonly target: Target;
  /** Elements of the result. */
  readonly size: number;
  /** What may share a loop with it has the same key. */
  readonly key: string;
  /** Operations of its code. */
  readonly length: number;
  /** Whether it overwrites a state in place. */
  readonly inPlace: boolean;
  /** Whether it reads the buffers in `roots` at its own index only. */
  readsAtIndex(roots: ReadonlySet<number>): boolean;
}

/** No work of its own: a stored concat is there once all its parts are. */
interface JoinWork extends Work {
  readonly kind: 'join';
}

export type Task = (CallWork | ValueWork | JoinWork) & {
  /** Tasks that make what it loads, and of a join its parts. */
  readonly deps: Set<Task>;
  /** Others that go first: those that read what it overwrites, and the sweep before its own. */
  readonly before: Set<Task>;
};

const alone = () => ({ deps: new Set<Task>(), before: new Set<Task>() });
const NOWHERE = { loads: new Map<number, boolean>(), roots: new Set<number>(), writes: new Set<number>() };

export function tasksOf(graph: Graph, placement: Placement, inPlace: ReadonlySet<number>): Task[] {
  const { places, targets, calls } = placement;
  const values = new Map<Target, Task>();
  for (const target of targets) values.set(target, { ...valueWork(graph, placement, target, inPlace), ...alone() });
  const callTasks = new Map<number, Task>();
  for (const call of calls)
    callTasks.set(call.node, {
      kind: 'call',
      call,
      loads: new Map(call.reads.map((id) => [id, false])),
      roots: new Set([...call.inputs, ...call.outputs].map((p) => p.root)),
      writes: new Set(call.outputs.map((p) => p.root)),
      scope: graph.nodes[call.node]!.scope,
      ...alone(),
    });
  const joins = joinsOf(graph, placement);
  const work = [...values.values(), ...callTasks.values()];
  const producerOf = producersOf(graph, placement, values, callTasks, joins);
  for (const [id, join] of joins)
    for (const part of placement.parts.get(id)!)
      join.deps.add('copy' in part ? values.get(part.copy)! : producerOf(part.node)!);
  const readers = new Map<number, Task[]>();
  for (const task of work)
    for (const id of task.loads.keys()) {
      const dep = producerOf(id);
      if (dep && dep !== task) task.deps.add(dep);
      const { root } = places.get(id)!;
      const known = readers.get(root);
      if (known) known.push(task);
      else readers.set(root, [task]);
    }
  for (const task of work) waitForReaders(task, readers);
  oneSweepAtATime(graph, callTasks);
  return [...work, ...joins.values()];

  /** What overwrites a state waits for those that read what it was; those that read what it becomes wait for it. */
  function waitForReaders(task: Task, readersOf: ReadonlyMap<number, readonly Task[]>): void {
    if (!('target' in task) || graph.nodes[task.target.to.root]?.op !== 'input') return;
    const { node, to } = task.target;
    for (const other of readersOf.get(to.root) ?? []) {
      const after = task.inPlace && other.loads.has(node) && !other.loads.has(to.root);
      if (other !== task && !after) task.before.add(other);
    }
  }
}

/** One sweep back ends before the next begins, so that what a sweep keeps for each layer does not live for all of them. */
function oneSweepAtATime(graph: Graph, calls: ReadonlyMap<number, Task>): void {
  let last: Task | undefined;
  for (const [id, task] of calls) {
    const node = graph.nodes[id]!;
    if (node.op !== 'composite' || node.params.derivative?.mode !== 'vjp') continue;
    if (last) task.before.add(last);
    last = task;
  }
}

function joinsOf({ nodes }: Graph, { parts }: Placement): Map<number, Task> {
  return new Map(
    [...parts.keys()].map((id) => [id, { kind: 'join', ...NOWHERE, scope: nodes[id]!.scope, ...alone() }]),
  );
}

/** The task that makes a stored value; none makes an input. */
function producersOf(
  { nodes }: Graph,
  { places }: Placement,
  values: ReadonlyMap<Target, Task>,
  calls: ReadonlyMap<number, Task>,
  joins: ReadonlyMap<number, Task>,
): (id: number) => Task | undefined {
  const own = new Map([...values].flatMap(([{ node, to }, task]) => (places.get(node) === to ? [[node, task]] : [])));
  return (id) => {
    const { op, inputs } = nodes[id]!;
    return own.get(id) ?? joins.get(id) ?? calls.get(op === 'pick' ? inputs[0]! : id);
  };
}

function valueWork(graph: Graph, { places }: Placement, target: Target, inPlace: ReadonlySet<number>): ValueWork {
  const { node: id, to } = target;
  const node = graph.nodes[id]!;
  const isCopy = places.get(id) !== to;
  const kind = isReduction(node) && !isCopy ? 'reduce' : 'map';
  const { loads, length } = readsOf(graph, places, id, isCopy);
  const size = sizeOf(node.shape);
  const inner = node.inputs[0] === undefined ? [] : graph.nodes[node.inputs[0]]!.shape;
  return {
    kind,
    target,
    size,
    key: isReduction(node) && !isCopy ? `reduce ${inner} over ${node.params.axes}` : `map ${size}`,
    length,
    inPlace: !isCopy && inPlace.has(id),
    loads,
    roots: new Set([...[...loads.keys()].map((k) => places.get(k)!.root), to.root]),
    writes: new Set([to.root]),
    scope: node.scope,
    readsAtIndex: (roots) =>
      [...loads].every(([k, own]) => {
        const place = places.get(k)!;
        return !roots.has(place.root) || (own && place.at === 0 && isContiguous(place));
      }),
  };
}

/** What the code of a value loads, and how long it is. `isCopy`: the value lies in memory already. */
function readsOf(
  { nodes }: Graph,
  places: Placement['places'],
  start: number,
  isCopy: boolean,
): { loads: Map<number, boolean>; length: number } {
  const loads = new Map<number, boolean>();
  let length = 0;
  /** Nodes seen at the value's own index, and at others. */
  const seen = { own: new Set<number>(), other: new Set<number>() };
  const open = [{ id: start, own: true }];
  for (let at = open.pop(); at; at = open.pop()) {
    const { id, own } = at;
    const known = own ? seen.own : seen.other;
    if (known.has(id)) continue;
    known.add(id);
    const node = nodes[id]!;
    if (node.op === 'constant') continue;
    if (places.has(id) && (id !== start || isCopy)) {
      loads.set(id, own && loads.get(id) !== false);
      continue;
    }
    length += operations(node);
    const keeps = own && ['pointwise', 'reshape'].includes(rowOf(node.op).kind);
    for (const k of node.inputs) open.push({ id: k, own: keeps });
  }
  return { loads, length };
}
