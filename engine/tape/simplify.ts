/** Passes from graph to graph that keep its meaning. Each is named, so that `explain` can show what it did. */
import * as build from './build.ts';
import { isView, newTape, rowOf } from './ops.ts';
import { type Shape, sameShape, sizeOf } from './shape.ts';
import { type Graph, graphOf, type Node, reachable, type Tape, type Var, type View } from './tape.ts';

export const passes: Readonly<Record<string, (graph: Graph) => Graph>> = { fold, merge, drop };

/** All passes, until folding finds nothing more. */
export function simplify(graph: Graph): Graph {
  let now = drop(merge(graph));
  for (;;) {
    const count = { folds: 0 };
    now = drop(merge(fold(now, count)));
    if (count.folds === 0) return now;
  }
}

/** Rebuilds a graph node by node on a new tape; `rewrite` may answer with another value than the node itself. */
function rebuild(graph: Graph, rewrite: (node: Node, inputs: Var[], tape: Tape) => Var | undefined): Graph {
  const tape = newTape();
  const needed = reachable(graph);
  for (const id of graph.inputs) needed[id] = true;
  const placed = new Array<Var | undefined>(graph.nodes.length);
  graph.nodes.forEach((node, id) => {
    if (!needed[id]) return;
    const inputs = node.inputs.map((k) => placed[k]!);
    placed[id] = tape.provenance(node.scope, () => rewrite(node, inputs, tape) ?? tape.apply(node, inputs));
  });
  return graphOf(
    graph.inputs.map((id) => placed[id]!),
    graph.outputs.map((id) => placed[id]!),
  );
}

/**
 * Constant folding: arithmetic on constants, neutral elements, and layout changes that undo each other. No fold turns an
 * infinity or NaN into a number: 0*x stays, since it is NaN where x is not finite.
 */
export function fold(graph: Graph, count = { folds: 0 }): Graph {
  return rebuild(graph, (node, x) => {
    const folded = foldNode(node, x);
    if (folded) count.folds++;
    return folded;
  });
}

function foldNode(node: Node, x: readonly Var[]): Var | undefined {
  const row = rowOf(node.op);
  if (row.kind === 'pointwise') return foldPointwise(node, x, row.f64);
  if (isView(node) || node.op === 'reshape') return foldLayout(node, x[0]!);
  if (node.op === 'concat') return foldConcat(node, x);
  if (node.op === 'sum') return foldSum(node, x[0]!);
  return undefined;
}

/** What {@link uniform} found for views and reshapes; null where elements may differ. */
const found = new WeakMap<Node, number | null>();

/** The value all elements share, when they are known to. */
function uniform({ node, tape }: Var): number | undefined {
  const passed: Node[] = [];
  let at = node;
  let value = found.get(at);
  while (value === undefined && (isView(at) || at.op === 'reshape')) {
    passed.push(at);
    at = tape.nodes[at.inputs[0]!]!;
    value = found.get(at);
  }
  if (value === undefined) value = at.op === 'constant' ? at.params.value : null;
  for (const layout of passed) found.set(layout, value);
  return value ?? undefined;
}

const constantOf = (like: Var, shape: Shape, value: number) => build.broadcast(build.constant(like.tape, value), shape);

function foldPointwise(node: Node, x: readonly Var[], f64: (...x: number[]) => number): Var | undefined {
  const values = x.map(uniform);
  const value = (result: number) => constantOf(x[0]!, node.shape, result);
  if (values.every((v) => v !== undefined)) return value(f64(...(values as number[])));
  const [a, b] = x as [Var, Var];
  const [va, vb] = values;
  switch (node.op) {
    case 'neg':
      return a.node.op === 'neg' ? a.tape.at(a.node.inputs[0]!) : undefined;
    case 'add':
      return va === 0 ? b : vb === 0 ? a : addConcats(a, b);
    case 'sub':
      return vb === 0 ? a : va === 0 ? build.neg(b) : undefined;
    case 'mul':
      if (va === 1 || vb === 1) return va === 1 ? b : a;
      return va === -1 ? build.neg(b) : vb === -1 ? build.neg(a) : undefined;
    case 'div':
      return vb === 1 ? a : undefined;
    case 'where':
      if (va !== undefined) return va !== 0 ? b : x[2];
      return b.id === x[2]!.id ? b : undefined;
    default:
      return undefined;
  }
}

function foldLayout(node: Node<View | 'reshape'>, x: Var): Var | undefined {
  const under = x.node;
  if (sameShape(node.shape, x.shape) && node.op !== 'transpose') return x;
  const value = uniform(x);
  if (value !== undefined)
    return under.op === 'constant' && node.op === 'broadcast' ? undefined : constantOf(x, node.shape, value);
  const below = under.inputs[0] === undefined ? undefined : x.tape.at(under.inputs[0]);
  if (!below) return undefined;
  if (node.op === 'reshape' && under.op === 'reshape') return build.reshape(below, node.shape);
  if (node.op === 'broadcast' && under.op === 'broadcast') return build.broadcast(below, node.shape);
  if (node.op === 'transpose' && under.op === 'transpose') {
    const inner = under.params.perm;
    return build.transpose(
      below,
      node.params.perm.map((axis) => inner[axis]!),
    );
  }
  if (node.op === 'slice' && (under.op === 'slice' || under.op === 'concat')) {
    const { axis, start, stop } = node.params;
    if (axis !== under.params.axis) return undefined;
    if (under.op === 'concat') return sliceOfConcat(under, x.tape, start, stop);
    return build.slice(below, axis, start + under.params.start, stop + under.params.start);
  }
  return undefined;
}

/** Where each part of a concat ends along its axis. */
const ends = new WeakMap<Node, readonly number[]>();

function endsOf(node: Node<'concat'>, tape: Tape): readonly number[] {
  const known = ends.get(node);
  if (known) return known;
  let at = 0;
  const all = node.inputs.map((id) => (at += tape.nodes[id]!.shape[node.params.axis]!));
  ends.set(node, all);
  return all;
}

/** A slice that lies within one part of a concat is a slice of that part. */
function sliceOfConcat(node: Node<'concat'>, tape: Tape, start: number, stop: number): Var | undefined {
  const stops = endsOf(node, tape);
  let [low, high] = [0, stops.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (stops[middle]! > start) high = middle;
    else low = middle + 1;
  }
  const from = stops[low - 1] ?? 0;
  return stop <= stops[low]!
    ? build.slice(tape.at(node.inputs[low]!), node.params.axis, start - from, stop - from)
    : undefined;
}

/** Parts that a concat of sums may have beyond those of its operands: the sum of n concats must not take n^2 parts to find. */
const MOST_PARTS = 64;

/** A sum of two concats along one axis, as the adjoints of slices leave them, is a concat of sums. */
function addConcats(a: Var, b: Var): Var | undefined {
  const { tape } = a;
  const [left, right] = [a.node, b.node];
  if (left.op === 'reshape' && right.op === 'reshape') {
    const [x, y] = [tape.at(left.inputs[0]!), tape.at(right.inputs[0]!)];
    const sum = sameShape(x.shape, y.shape) ? addConcats(x, y) : undefined;
    return sum && build.reshape(sum, a.shape);
  }
  if (left.op !== 'concat' || right.op !== 'concat' || left.params.axis !== right.params.axis) return undefined;
  const cuts = [...new Set([...endsOf(left, tape), ...endsOf(right, tape)])].sort((x, y) => x - y);
  if (cuts.length > Math.max(MOST_PARTS, Math.min(left.inputs.length, right.inputs.length))) return undefined;
  const [x, y] = [cut(left, tape, cuts), cut(right, tape, cuts)];
  const parts = x.map((part, k) => {
    const other = y[k]!;
    return uniform(part) === 0 ? other : uniform(other) === 0 ? part : build.add(part, other);
  });
  return build.concat(parts, left.params.axis);
}

/** The parts of a concat, cut further: `cuts` holds where each of them ends, and more. */
function cut(node: Node<'concat'>, tape: Tape, cuts: readonly number[]): Var[] {
  const stops = endsOf(node, tape);
  let k = 0;
  return cuts.map((stop, at) => {
    const start = cuts[at - 1] ?? 0;
    while (stops[k]! <= start) k++;
    const from = stops[k - 1] ?? 0;
    return build.slice(tape.at(node.inputs[k]!), node.params.axis, start - from, stop - from);
  });
}

function foldConcat(node: Node, x: readonly Var[]): Var | undefined {
  const values = x.map(uniform);
  return values[0] !== undefined && values.every((v) => v === values[0])
    ? constantOf(x[0]!, node.shape, values[0])
    : undefined;
}

function foldSum(node: Node, x: Var): Var | undefined {
  const value = uniform(x);
  return value === undefined ? undefined : constantOf(x, node.shape, (value * sizeOf(x.shape)) / sizeOf(node.shape));
}

/** Common subexpressions: nodes with equal operation, operands and parameters become one. */
export function merge(graph: Graph): Graph {
  const keyOf = keys();
  const seen = new Map<string, Var>();
  return rebuild(graph, (node, x, tape) => {
    if (node.op === 'input') return undefined;
    const key = keyOf(node, x);
    const first = seen.get(key);
    if (first) return first;
    const kept = tape.apply(node, x);
    seen.set(key, kept);
    return kept;
  });
}

/** What names nodes of one tape so that those which compute the same share a name; inputs are to be left out. */
export function keys(): (node: Node, inputs: readonly Var[]) => string {
  const bodies = new Map<object, number>();
  return (node, inputs) => {
    if (node.op === 'composite' && !bodies.has(node.params)) bodies.set(node.params, bodies.size);
    const params = node.op === 'composite' ? bodies.get(node.params) : settingsOf(node);
    return `${node.op} ${inputs.map((v) => v.id)} ${params}`;
  };
}

/** Parameters as text; pointwise operations have none. */
function settingsOf(node: Node): string {
  return rowOf(node.op).kind === 'pointwise' ? '' : JSON.stringify(node.params, exactly);
}

/** Dead nodes: keeps what the outputs need, and the inputs. */
export function drop(graph: Graph): Graph {
  return rebuild(graph, () => undefined);
}

/** Numbers that JSON would make equal stay apart. */
const exactly = (_: string, value: unknown) =>
  typeof value === 'number' && !Number.isFinite(value) ? `number ${value}` : value;
