/**
 * Orders the work into steps. A unit of work is a kernel call or the value of one expression. Its height is the number
 * of further steps that have to follow it; a step takes all units of the greatest height that is left. So what lies on
 * the longest way goes first, and everything else as late as it can, together with what else is due then. Expressions
 * of one size that read each other's elements at the same index only cost no step: they share a loop.
 */
import { UserError } from '../tape/error.ts';
import { rowOf } from '../tape/ops.ts';
import { sizeOf } from '../tape/shape.ts';
import type { Graph, Node } from '../tape/tape.ts';
import { isContiguous } from './layout.ts';
import type { KernelCall, Placement, Target } from './place.ts';
import { reduceAxes, type Segment } from './segment.ts';

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
}

interface Unit {
  readonly call?: KernelCall;
  readonly target?: Target;
  /** Stored nodes it loads. */
  readonly leaves: ReadonlySet<number>;
  readonly roots: ReadonlySet<number>;
  readonly writes: ReadonlySet<number>;
  deps: readonly Unit[];
  /** Those of `deps` that write a part of a concat which this unit loads as a whole: at other indices than its own. */
  piecewise: ReadonlySet<Unit>;
  /** Others that go first: those that read the buffer which this unit overwrites, and the sweep before this one's. */
  before: readonly Unit[];
}

export function schedule(graph: Graph, placement: Placement, inPlace: ReadonlySet<number>, maxBuffers: number): Step[] {
  const { places } = placement;
  const units = makeUnits(graph, placement, inPlace);
  const clashing = units.flatMap(({ target, writes }) =>
    target && inPlace.has(target.node) && !readsAtIndex(target, writes) ? [target.node] : [],
  );
  if (clashing.length > 0) throw new UpdateConflict(clashing);
  const heights = heightsOf(units, fuses);
  const stuck = units.filter((unit) => !heights.has(unit));
  if (stuck.length > 0)
    throw new UpdateConflict(stuck.flatMap(({ target }) => (target && inPlace.has(target.node) ? [target.node] : [])));

  const done = new Set<Unit>();
  const steps: Step[] = [];
  while (done.size < units.length) {
    const left = units.filter((unit) => !done.has(unit));
    const height = Math.max(...left.map((unit) => heights.get(unit)!));
    const ready = left.filter(
      (unit) => heights.get(unit) === height && [...unit.deps, ...unit.before].every((other) => done.has(other)),
    );
    const calls = ready.flatMap(({ call }) => call ?? []);
    const groups: Unit[][] = [];
    for (const group of gather(ready.filter(({ target }) => target))) {
      extend(group, units, done, groups.flat());
      while (group.length > 1 && rootsOf(group).size > maxBuffers) group.pop();
      const bound = rootsOf(group).size;
      if (bound > maxBuffers)
        throw new BindingLimitError(
          `${graph.nodes[group[0]!.target!.node]!.scope || 'a value'} needs ${bound} buffers at once; this adapter binds ${maxBuffers}`,
        );
      groups.push(group);
    }
    for (const unit of [...ready.filter(({ call }) => call), ...groups.flat()]) done.add(unit);
    steps.push({ calls, segments: groups.map((group) => toSegment(group)) });
  }
  return steps;

  /** Whether `unit` can follow `other`, on which it depends, in one loop. */
  function fuses(other: Unit, unit: Unit): boolean {
    if (!other.target || !unit.target || kindOf(unit) === 'reduce' || sizeOfUnit(other) !== sizeOfUnit(unit))
      return false;
    if (!unit.deps.includes(other)) return readsAtIndex(other.target, unit.writes);
    return !unit.piecewise.has(other) && sameIndex(unit.target, new Set([other.target.node]));
  }

  function sizeOfUnit({ target }: Unit): number {
    return sizeOf(graph.nodes[target!.node]!.shape);
  }

  function kindOf(unit: Unit): 'map' | 'reduce' {
    const { node, to } = unit.target!;
    return places.get(node) === to && rowOf(graph.nodes[node]!.op).kind === 'reduce' ? 'reduce' : 'map';
  }

  function toSegment(group: readonly Unit[]): Segment {
    return { kind: kindOf(group[0]!), targets: group.map((unit) => unit.target!) };
  }

  /** Ready units that can share a loop: maps of one size, reductions over the same axes of equal shapes. */
  function gather(ready: readonly Unit[]): Unit[][] {
    const groups = new Map<string, Unit[]>();
    for (const unit of ready) {
      const node = graph.nodes[unit.target!.node]!;
      const inner = node.inputs[0] === undefined ? [] : graph.nodes[node.inputs[0]]!.shape;
      const key = kindOf(unit) === 'map' ? `map ${sizeOf(node.shape)}` : `reduce ${inner} over ${reduceAxes(node)}`;
      groups.set(key, [...(groups.get(key) ?? []), unit]);
    }
    return [...groups.values()];
  }

  /** Adds units that need nothing but what is done and what the group has in registers at the same index. */
  function extend(group: Unit[], all: readonly Unit[], finished: ReadonlySet<Unit>, taken: readonly Unit[]): void {
    const size = sizeOf(graph.nodes[group[0]!.target!.node]!.shape);
    for (let grown = true; grown; ) {
      grown = false;
      for (const unit of all) {
        if (
          !unit.target ||
          finished.has(unit) ||
          group.includes(unit) ||
          taken.includes(unit) ||
          kindOf(unit) === 'reduce'
        )
          continue;
        if (sizeOf(graph.nodes[unit.target.node]!.shape) !== size) continue;
        const waiting = unit.deps.filter((dep) => !finished.has(dep));
        const readers = unit.before.filter((other) => !finished.has(other));
        const near = [...waiting, ...readers].every((other) => group.includes(other));
        if (!near || (waiting.length === 0 && readers.length === 0)) continue;
        if (waiting.some((dep) => unit.piecewise.has(dep))) continue;
        const registers = new Set(waiting.flatMap((dep) => (dep.target ? [dep.target.node] : [])));
        if (!sameIndex(unit.target, registers) || !readers.every((other) => readsAtIndex(other.target!, unit.writes)))
          continue;
        group.push(unit);
        grown = true;
      }
    }
  }

  /** True where the expression uses each of `nodes` at its own row-major index only. */
  function sameIndex(target: Target, nodes: ReadonlySet<number>): boolean {
    return walk(target, (id, own) => !nodes.has(id) || own);
  }

  function readsAtIndex(target: Target, roots: ReadonlySet<number>): boolean {
    return walk(target, (id, own) => {
      const place = places.get(id)!;
      return !roots.has(place.root) || (own && place.at === 0 && isContiguous(place));
    });
  }

  /** Visits the stored values an expression loads, telling whether at the target's own index. */
  function walk(target: Target, visit: (id: number, own: boolean) => boolean): boolean {
    const seen = new Set<string>();
    const go = (id: number, own: boolean, start: boolean): boolean => {
      const key = `${id} ${own}`;
      if (seen.has(key)) return true;
      seen.add(key);
      if (!start && places.has(id)) return visit(id, own);
      const node = graph.nodes[id]!;
      const keeps = ['pointwise', 'reshape'].includes(rowOf(node.op).kind);
      return node.inputs.every((k) => go(k, own && keeps, false));
    };
    return go(target.node, true, places.get(target.node) === target.to);
  }
}

/**
 * Steps that have to follow each unit. Units in a circle, which updates in place can close, and all that come before
 * them have none.
 */
function heightsOf(units: readonly Unit[], fuses: (other: Unit, unit: Unit) => boolean): Map<Unit, number> {
  const heights = new Map<Unit, number>();
  const followers = new Map<Unit, Unit[]>(units.map((unit) => [unit, []]));
  for (const unit of units)
    for (const other of new Set([...unit.deps, ...unit.before])) followers.get(other)!.push(unit);
  const open = new Map(units.map((unit) => [unit, followers.get(unit)!.length]));
  const ends = units.filter((unit) => open.get(unit) === 0);
  for (let unit = ends.pop(); unit; unit = ends.pop()) {
    const own = unit;
    heights.set(
      own,
      Math.max(0, ...followers.get(own)!.map((after) => heights.get(after)! + (fuses(own, after) ? 0 : 1))),
    );
    for (const other of new Set([...own.deps, ...own.before])) {
      open.set(other, open.get(other)! - 1);
      if (open.get(other) === 0) ends.push(other);
    }
  }
  return heights;
}

function rootsOf(group: readonly Unit[]): Set<number> {
  return new Set(group.flatMap((unit) => [...unit.roots]));
}

function makeUnits(graph: Graph, placement: Placement, inPlace: ReadonlySet<number>): Unit[] {
  const { places, targets, calls, parts } = placement;
  const units: Unit[] = [];
  const byTarget = targets.map((target) => {
    const leaves = loads(graph, placement, target);
    const roots = new Set([...leaves].map((id) => places.get(id)!.root));
    const unit: Unit = {
      target,
      leaves,
      roots: new Set([...roots, target.to.root]),
      writes: new Set([target.to.root]),
      deps: [],
      piecewise: new Set(),
      before: [],
    };
    units.push(unit);
    return unit;
  });
  const byCall = new Map<number, Unit>();
  let sweep: Unit[] = [];
  for (const call of calls) {
    const unit: Unit = {
      call,
      leaves: new Set(call.reads),
      roots: new Set([...call.inputs, ...call.outputs].map((p) => p.root)),
      writes: new Set(call.outputs.map((p) => p.root)),
      deps: [],
      piecewise: new Set(),
      before: isAdjoint(graph.nodes[call.node]!) ? sweep : [],
    };
    units.push(unit);
    byCall.set(call.node, unit);
    // One sweep back ends before the next begins, so that what a sweep keeps for each layer does not live for all of them.
    if (isAdjoint(graph.nodes[call.node]!)) sweep = [unit];
  }
  const own = new Map(
    byTarget.flatMap((unit) =>
      places.get(unit.target!.node) === unit.target!.to ? [[unit.target!.node, unit] as const] : [],
    ),
  );

  function producers(id: number): Unit[] {
    const node = graph.nodes[id]!;
    const made = own.get(id);
    if (made) return [made];
    if (node.op === 'matmul') return [byCall.get(id)!];
    if (node.op === 'pick') return [byCall.get(node.inputs[0]!)!];
    // A window that is an output has a place of its own, but is made by what it shows.
    if (['view', 'reshape'].includes(rowOf(node.op).kind)) return producers(node.inputs[0]!);
    return (parts.get(id) ?? []).flatMap((part) => (part < 0 ? [byTarget[-part - 1]!] : producers(part)));
  }
  const readers = new Map<number, Unit[]>();
  for (const unit of units)
    for (const id of unit.leaves) {
      const { root } = places.get(id)!;
      readers.set(root, [...(readers.get(root) ?? []), unit]);
    }
  for (const unit of units) {
    const deps = new Set([...unit.leaves].flatMap(producers));
    deps.delete(unit);
    unit.deps = [...deps];
    const pieces = (id: number) => producers(id).filter((dep) => dep.target && dep.target.node !== id);
    unit.piecewise = new Set([...unit.leaves].flatMap(pieces));
    const target = unit.target;
    if (!target || graph.nodes[target.to.root]?.op !== 'input') continue;
    // Readers of the new value come after it; readers of the old one before.
    const after = (other: Unit) =>
      inPlace.has(target.node) && other.leaves.has(target.node) && !other.leaves.has(target.to.root);
    unit.before = (readers.get(target.to.root) ?? []).filter((other) => other !== unit && !after(other));
  }
  return units;
}

const isAdjoint = (node: Node) => node.op === 'composite' && node.params.derivative?.mode === 'vjp';

/** The stored nodes that a target's expression loads. */
function loads(graph: Graph, { places }: Placement, target: Target): Set<number> {
  const leaves = new Set<number>();
  const seen = new Set<number>();
  const go = (id: number, start: boolean): void => {
    if (!start && places.has(id)) {
      leaves.add(id);
      return;
    }
    if (seen.has(id)) return;
    seen.add(id);
    for (const k of graph.nodes[id]!.inputs) go(k, false);
  };
  go(target.node, places.get(target.node) === target.to);
  return leaves;
}
