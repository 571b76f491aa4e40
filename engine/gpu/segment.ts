/**
 * One piece of a generated shader: a `map` computes values of equal size element by element, a `reduce` folds one or
 * more values of equal shape over the same axes.
 */
import { type Helper, isReduction, type Row, rowOf } from '../tape/ops.ts';
import { sizeOf } from '../tape/shape.ts';
import type { Graph, Node } from '../tape/tape.ts';
import { type Numbers, wordsOf } from './arithmetic.ts';
import { Expressions } from './expression.ts';
import { index, type Position, unflatten } from './indices.ts';
import { type Capabilities, simdLanes } from './kernel.ts';
import type { Place } from './layout.ts';
import type { Target } from './place.ts';
import type { Segment } from './schedule.ts';
import type { Piece } from './shader.ts';
import type { Code } from './wgsl.ts';

/** Threads of a workgroup of generated code. */
const THREADS = 64;
/** Reductions of at most this many elements are done by one thread each. */
const SERIAL = 32;
/** With at least so many of them there is work for every thread; longer ones are still shared. */
const MANY = 256;
const LONG = 1024;

export function reduceAxes(node: Node): readonly number[] {
  if (!isReduction(node)) throw new TypeError(`${node.op} reduces no axes`);
  return node.params.axes;
}

function isSerial(graph: Graph, segment: Segment): boolean {
  const node = graph.nodes[segment.targets[0]!.node]!;
  const outer = sizeOf(node.shape);
  const inner = sizeOf(graph.nodes[node.inputs[0]!]!.shape) / outer;
  return inner <= SERIAL || (outer >= MANY && inner <= LONG);
}

/** The code of a segment's invocations; `bind` names the buffer of a root. */
function segmentCode(
  graph: Graph,
  places: ReadonlyMap<number, Place>,
  segment: Segment,
  lanes: number,
  bind: (root: number) => string,
  partial: string,
  numbers: Numbers,
): { code: Code; helpers: readonly Helper[] } {
  const own = segment.targets.filter(({ node, to }) => places.get(node) === to).map(({ node }) => node);
  const writer = new Expressions(graph, places, new Set(own), bind, numbers);
  const size = sizeOf(graph.nodes[segment.targets[0]!.node]!.shape);
  const all = reductions(graph, places, segment);
  if (segment.kind === 'map') {
    writer.line(`let i = group.x * ${THREADS}u + thread;`);
    writer.line(`if (i >= ${size}u) { return; }`);
    finish(writer, segment.targets);
  } else if (isSerial(graph, segment)) {
    writer.line(`let i = group.x * ${THREADS}u + thread;`);
    writer.line(`if (i >= ${size}u) { return; }`);
    accumulate(writer, graph, all, '0u', 1);
    finish(writer, segment.targets);
  } else {
    writer.line('let i = group.x;');
    accumulate(writer, graph, all, 'thread', lanes || THREADS);
    if (lanes > 0) butterfly(writer, graph, all, lanes);
    else tree(writer, graph, all, partial);
    writer.block('if (thread == 0u)', () => finish(writer, segment.targets));
  }
  const opening = numbers.arithmetic.opening ?? [];
  return { code: [opening, writer.head, writer.lines], helpers: [...writer.helpers] };
}

/** Computes what is not in registers yet at index `i`, then stores all: a value may replace one that others read. */
function finish(writer: Expressions, targets: readonly Target[]): void {
  const position: Position = { flat: index('i') };
  const values = targets.map(({ node }) => {
    const ready = writer.inRegisters.get(node);
    if (ready || !writer.computing.has(node)) return writer.value(node, position);
    const value = writer.expression(node, position);
    writer.inRegisters.set(node, value);
    return value;
  });
  targets.forEach((target, k) => {
    writer.store(target, values[k]!, position);
  });
}

/** The reductions of a segment. What only copies one to another place is none. */
function reductions(graph: Graph, places: ReadonlyMap<number, Place>, segment: Segment): readonly Target[] {
  return segment.targets.filter(
    ({ node, to }) => rowOf(graph.nodes[node]!.op).kind === 'reduce' && places.get(node) === to,
  );
}

/** Loops `r` over the reduced elements from `start` in steps, into one variable for each reduction. */
function accumulate(writer: Expressions, graph: Graph, all: readonly Target[], start: string, step: number): void {
  const node = graph.nodes[all[0]!.node]!;
  const from = graph.nodes[node.inputs[0]!]!.shape;
  const axes = reduceAxes(node);
  const outer = unflatten(index('i'), node.shape, writer.name);
  const folded = from.map((extent, axis) => (axes.includes(axis) ? extent : 1));
  for (const { node: id } of all) {
    const { op } = graph.nodes[id]!;
    const row = rowOf(op) as Row & { kind: 'reduce' };
    writer.calls(op);
    writer.line(`var a${id} = ${writer.constant(row.initial)};`);
    writer.inRegisters.set(id, `a${id}`);
  }
  writer.block(`for (var r = ${start}; r < ${sizeOf(folded)}u; r += ${step}u)`, () => {
    const inner = unflatten(index('r'), folded, writer.name);
    const at = from.map((_, axis) => (axes.includes(axis) ? inner[axis]! : outer[axis]!));
    const position: Position = sizeOf(node.shape) === 1 ? { flat: index('r') } : { at };
    for (const { node: id } of all) {
      const { op, inputs } = graph.nodes[id]!;
      writer.line(`a${id} = ${writer.arithmetic.fold(op, `a${id}`, writer.value(inputs[0]!, position))};`);
    }
  });
}

/**
 * Folds the partial results of a subgroup's lanes pairwise in fixed order. Where a subgroup is all that runs at once,
 * more threads are no faster, and barriers between them are slow to compile (llvmpipe).
 */
function butterfly(writer: Expressions, graph: Graph, all: readonly Target[], lanes: number): void {
  for (let mask = lanes / 2; mask >= 1; mask /= 2)
    for (const { node: id } of all) {
      const { op } = graph.nodes[id]!;
      writer.line(`a${id} = ${writer.arithmetic.fold(op, `a${id}`, `subgroupShuffleXor(a${id}, ${mask}u)`)};`);
    }
}

/** Folds the threads' partial results pairwise in fixed order; thread 0 holds the result. */
function tree(writer: Expressions, graph: Graph, all: readonly Target[], partial: string): void {
  all.forEach(({ node: id }, k) => {
    writer.line(`${partial}[${k * THREADS}u + thread] = a${id};`);
  });
  writer.line('workgroupBarrier();');
  writer.block(`for (var half = ${THREADS / 2}u; half > 0u; half /= 2u)`, () => {
    writer.block('if (thread < half)', () => {
      all.forEach(({ node: id }, k) => {
        const { op } = graph.nodes[id]!;
        const at = (offset: string) => `${partial}[${k * THREADS}u + thread${offset}]`;
        writer.line(`${at('')} = ${writer.arithmetic.fold(op, at(''), at(' + half'))};`);
      });
    });
    writer.line('workgroupBarrier();');
  });
  all.forEach(({ node: id }, k) => {
    writer.line(`a${id} = ${partial}[${k * THREADS}u + thread];`);
  });
}

/** A segment as a piece of a dispatch. */
export function segmentPiece(
  graph: Graph,
  places: ReadonlyMap<number, Place>,
  segment: Segment,
  device: Capabilities,
  numbers: Numbers,
): Piece {
  const { element, prelude, uniforms } = numbers.arithmetic;
  const shares = segment.kind === 'reduce' && !isSerial(graph, segment);
  const lanes = shares ? simdLanes(device) : 0;
  const written = new Set(segment.targets.map(({ to }) => to.root));
  const roots: number[] = [];
  const label = (root: number) => {
    if (!roots.includes(root)) roots.push(root);
    return `b${roots.indexOf(root)}`;
  };
  const write = (nameOf: (root: number) => string, partial: string) =>
    segmentCode(graph, places, segment, lanes, nameOf, partial, numbers);
  const own = write(label, 'partial');
  const nodes = segment.targets.map(({ node }) => graph.nodes[node]!);
  const outer = sizeOf(nodes[0]!.shape);
  const length = reductions(graph, places, segment).length * THREADS;
  return {
    helpers: own.helpers,
    code: (names) =>
      Object.entries(names).every(([name, given]) => name === given)
        ? own.code
        : write((root) => names[label(root)]!, names['partial'] ?? '').code,
    bound: roots.map((root, k) => ({
      label: `b${k}`,
      root,
      access: written.has(root) ? 'read_write' : 'read',
      at: null,
      of: numbers.elementOf(root),
    })),
    ...(prelude === undefined ? {} : { prelude }),
    ...(uniforms === undefined ? {} : { uniforms }),
    threads: lanes || THREADS,
    groups: [shares ? outer : Math.ceil(outer / THREADS), 1, 1],
    ...(lanes > 0 ? { subgroups: true } : {}),
    ...(shares && lanes === 0 ? { barriers: true, shared: { partial: { of: element, length } } } : {}),
    scopes: nodes.map(({ scope }) => scope),
    kernel: 'generated',
    flops: 0,
    bytes: 4 * wordsOf(element) * nodes.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
  };
}
