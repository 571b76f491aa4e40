/**
 * The float64 interpreter: what every derivative, simplification, emitted shader and handwritten kernel is held against.
 * With `rounding: 'f32'` each primitive's result is rounded to float32, which shows what float32 alone may cost; with a
 * function it is rounded by that, say as badly as a device may.
 */
import { type AxisMap, axesOf, isView, type Row, rowOf } from './ops.ts';
import { type Shape, sizeOf, stridesOf } from './shape.ts';
import { type Graph, type Node, reachable } from './tape.ts';

export type Values = Float64Array;
export type Rounding = 'f64' | 'f32' | ((x: number) => number);

/** Evaluates a graph; `inputs` in the order of `graph.inputs`, row-major. Returns the outputs, row-major. */
export function evaluate(graph: Graph, inputs: readonly ArrayLike<number>[], rounding: Rounding = 'f64'): Values[] {
  const round = rounding === 'f64' ? undefined : rounding === 'f32' ? Math.fround : rounding;
  if (inputs.length !== graph.inputs.length)
    throw new RangeError(`the graph takes ${graph.inputs.length} inputs, not ${inputs.length}`);
  const needed = reachable(graph);
  const values = new Array<Values | undefined>(graph.nodes.length);
  const tuples = new Map<number, Values[]>();
  graph.inputs.forEach((id, k) => {
    values[id] = round ? Float64Array.from(inputs[k]!, round) : Float64Array.from(inputs[k]!);
    const node = graph.nodes[id]!;
    const expected = sizeOf(node.shape);
    const name = node.op === 'input' ? node.params.name : `%${id}`;
    if (values[id].length !== expected)
      throw new RangeError(`input ${name} takes ${expected} numbers, not ${values[id].length}`);
  });
  const lastUse = lastUses(graph, needed);
  graph.nodes.forEach((node, id) => {
    if (!needed[id] || values[id]) return;
    if (node.op === 'composite') {
      const { body } = node.params;
      tuples.set(
        id,
        evaluate(
          body,
          node.inputs.map((k) => values[k]!),
          rounding,
        ),
      );
    } else if (node.op === 'pick') {
      values[id] = tuples.get(node.inputs[0]!)![node.params.index];
    } else {
      const x = node.inputs.map((k) => values[k]!);
      values[id] = evaluateNode(
        node,
        x,
        node.inputs.map((k) => graph.nodes[k]!.shape),
        round,
      );
    }
    for (const k of node.inputs) if (lastUse[k] === id) values[k] = undefined;
  });
  return graph.outputs.map((id) => values[id]!);
}

function lastUses(graph: Graph, needed: readonly boolean[]): number[] {
  const last = new Array<number>(graph.nodes.length).fill(-1);
  graph.nodes.forEach((node, id) => {
    if (needed[id]) for (const k of node.inputs) last[k] = id;
  });
  for (const id of graph.outputs) last[id] = Number.POSITIVE_INFINITY;
  return last;
}

type Round = ((x: number) => number) | undefined;

function evaluateNode(node: Node, x: readonly Values[], shapes: readonly Shape[], round: Round): Values {
  const size = sizeOf(node.shape);
  if (isView(node)) return view(x[0]!, shapes[0]!, axesOf(node, shapes[0]!), node.shape);
  switch (node.op) {
    case 'input':
      throw new RangeError(`input ${node.params.name} is used but not given`);
    case 'constant':
      return new Float64Array(size).fill(round ? round(node.params.value) : node.params.value);
    case 'reshape':
      return x[0]!;
    case 'concat':
      return concat(x, shapes, node.params.axis, size);
    case 'matmul':
      return matmul(x[0]!, x[1]!, shapes[0]!, node, round);
  }
  const row = rowOf(node.op);
  switch (row.kind) {
    case 'pointwise':
      return pointwise(row.f64, x, size, round);
    case 'reduce':
      return reduce(row, x[0]!, shapes[0]!, node.shape, round);
    default:
      throw new RangeError(`${node.op} has no value of its own`);
  }
}

function pointwise(f: (...x: number[]) => number, x: readonly Values[], size: number, round: Round): Values {
  const y = new Float64Array(size);
  const [a, b, c] = x as [Values, Values?, Values?];
  if (c && b) for (let i = 0; i < size; i++) y[i] = f(a[i]!, b[i]!, c[i]!);
  else if (b) for (let i = 0; i < size; i++) y[i] = f(a[i]!, b[i]!);
  else for (let i = 0; i < size; i++) y[i] = f(a[i]!);
  if (round) for (let i = 0; i < size; i++) y[i] = round(y[i]!);
  return y;
}

/** Calls `visit(from, count)` for the start of each innermost run of a strided walk over `shape`. */
function walk(
  shape: Shape,
  strides: readonly number[],
  start: number,
  visit: (from: number, to: number) => void,
): void {
  const inner = shape.at(-1) ?? 1;
  const outer = shape.slice(0, -1);
  const counter = outer.map(() => 0);
  let from = start;
  for (let to = 0, total = sizeOf(shape); to < total; to += inner) {
    visit(from, to);
    for (let axis = outer.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++counter[axis]! < outer[axis]!) break;
      from -= strides[axis]! * outer[axis]!;
      counter[axis] = 0;
    }
  }
}

function view(x: Values, from: Shape, axes: AxisMap, to: Shape): Values {
  const source = stridesOf(from);
  const strides = to.map(() => 0);
  let start = 0;
  axes.forEach((map, a) => {
    start += map.start * source[a]!;
    if (map.axis !== null) strides[map.axis] = strides[map.axis]! + source[a]!;
  });
  const y = new Float64Array(sizeOf(to));
  const inner = to.at(-1) ?? 1;
  const step = strides.at(-1) ?? 0;
  walk(to, strides, start, (s, t) => {
    for (let i = 0; i < inner; i++) y[t + i] = x[s + i * step]!;
  });
  return y;
}

function concat(x: readonly Values[], shapes: readonly Shape[], axis: number, size: number): Values {
  const y = new Float64Array(size);
  const runs = shapes.map((shape) => sizeOf(shape.slice(axis)));
  const total = runs.reduce((a, b) => a + b, 0);
  let start = 0;
  x.forEach((part, k) => {
    const run = runs[k]!;
    for (let from = 0, to = start; from < part.length; from += run, to += total)
      y.set(part.subarray(from, from + run), to);
    start += run;
  });
  return y;
}

function reduce(row: Row & { kind: 'reduce' }, x: Values, from: Shape, to: Shape, round: Round): Values {
  const strides = stridesOf(to).map((stride, axis) => (to[axis] === from[axis] ? stride : 0));
  const y = new Float64Array(sizeOf(to)).fill(row.initial);
  const inner = from.at(-1) ?? 1;
  const step = strides.at(-1) ?? 0;
  walk(from, strides, 0, (t, s) => {
    for (let i = 0; i < inner; i++) {
      const value = row.f64(y[t + i * step]!, x[s + i]!);
      y[t + i * step] = round ? round(value) : value;
    }
  });
  return y;
}

function matmul(a: Values, b: Values, aShape: Shape, node: Node<'matmul'>, round: Round): Values {
  const [m, n] = node.shape.slice(-2) as [number, number];
  const { ta, tb } = node.params;
  const k = aShape.at(ta ? -2 : -1)!;
  const [ai, ak] = ta ? [1, m] : [k, 1];
  const [bk, bj] = tb ? [1, k] : [n, 1];
  const batches = sizeOf(node.shape.slice(0, -2));
  const y = new Float64Array(batches * m * n);
  for (let batch = 0; batch < batches; batch++)
    for (let i = 0; i < m; i++) {
      const row = (batch * m + i) * n;
      for (let p = 0; p < k; p++) {
        const left = a[batch * m * k + i * ai + p * ak]!;
        const start = batch * k * n + p * bk;
        if (round) for (let j = 0; j < n; j++) y[row + j] = round(y[row + j]! + round(left * b[start + j * bj]!));
        else for (let j = 0; j < n; j++) y[row + j] = y[row + j]! + left * b[start + j * bj]!;
      }
    }
  return y;
}
