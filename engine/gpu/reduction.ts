/**
 * How reductions are divided and folded. Sums are taken in a fixed order whose depth grows slowly with their length: an
 * invocation sums blocks and then their sums, invocations of a workgroup are folded pairwise, and the results of long
 * reductions' workgroups are folded once more. So errors stay small, and equal inputs give equal bits.
 */
import { isReduction, type Row, rowOf } from '../tape/ops.ts';
import { sizeOf } from '../tape/shape.ts';
import type { Graph, Node } from '../tape/tape.ts';
import type { Expressions } from './expression.ts';
import { type Index, index, type Position, unflatten } from './indices.ts';
import type { Target } from './place.ts';

/** Threads of a workgroup of generated code. */
export const THREADS = 64;
/** Reductions of at most this many elements are done by one thread each. */
const SERIAL = 32;
/** With at least so many of them there is work for every thread; longer ones are still shared. */
const MANY = 256;
const LONG = 1024;
/** Elements that an invocation folds one after the other; more go in blocks, many more in blocks of blocks. */
const STRAIGHT = 64;
/** Elements that one workgroup folds; more are divided between workgroups, of about this many elements each. */
const WHOLE = 2 ** 15;
const PART = 2 ** 12;
const MOST_PARTS = 2 ** 12;

/** Who folds the elements of a result. */
export interface Division {
  /** Elements of a result. */
  readonly length: number;
  /** Invocations of a workgroup that share a result: 1, a subgroup's lanes or all threads. */
  readonly share: number;
  /** Workgroups that share a result, whose parts are folded afterwards. */
  readonly parts: number;
}

/** `lanes`: those of a subgroup that crosses them without barriers, or 0. */
export function divisionOf(graph: Graph, reduction: number, lanes: number): Division {
  const node = graph.nodes[reduction]!;
  const outer = sizeOf(node.shape);
  const length = sizeOf(graph.nodes[node.inputs[0]!]!.shape) / outer;
  const alone = length <= SERIAL || (outer >= MANY && length <= LONG);
  const parts = length > WHOLE ? Math.min(MOST_PARTS, Math.ceil(length / PART)) : 1;
  return { length, share: alone ? 1 : lanes || THREADS, parts };
}

/** The second stage of a divided reduction. */
export function combining({ parts }: Division, lanes: number): Division {
  return { length: parts, share: parts <= SERIAL ? 1 : lanes || THREADS, parts: 1 };
}

/** Variables of reductions, folded from what `elementAt` gives for element `r` of each. */
export function accumulate(
  writer: Expressions,
  graph: Graph,
  all: readonly Target[],
  { length, share, parts }: Division,
  elementAt: (reduction: number, r: Index) => string,
): void {
  const initial = ({ node: id }: Target) => {
    const row = rowOf(graph.nodes[id]!.op) as Row & { kind: 'reduce' };
    return writer.constant(row.initial);
  };
  const fold = (id: number, into: string, x: string) =>
    writer.line(`${into} = ${writer.arithmetic.fold(graph.nodes[id]!.op, into, x)};`);
  for (const target of all) {
    writer.calls(graph.nodes[target.node]!.op);
    writer.line(`var a${target.node} = ${initial(target)};`);
    writer.inRegisters.set(target.node, `a${target.node}`);
  }
  const part = Math.ceil(length / parts);
  let [start, end] = [share === 1 ? '0u' : 'thread', `${length}u`];
  if (parts > 1) {
    writer.line(`let first = group.x % ${parts}u * ${part}u;`);
    writer.line(`let end = min(first + ${part}u, ${length}u);`);
    [start, end] = [share === 1 ? 'first' : 'first + thread', 'end'];
  }
  const each = Math.ceil(part / share);
  const levels = each <= STRAIGHT ? 1 : each <= STRAIGHT ** 1.5 ? 2 : 3;
  nest(1, start, end, 'a');

  /** Folds the elements from `from` up to `below` into the variables `into`, in blocks of blocks. */
  function nest(level: number, from: string, below: string, into: string): void {
    const variable = level === levels ? 'r' : `block${level}`;
    const step = Math.ceil(each ** (1 / levels)) ** (levels - level) * share;
    writer.block(`for (var ${variable} = ${from}; ${variable} < ${below}; ${variable} += ${step}u)`, () => {
      if (level === levels) for (const { node: id } of all) fold(id, `${into}${id}`, elementAt(id, index('r')));
      else {
        const inner = 'bcd'[level - 1]!;
        for (const target of all) writer.line(`var ${inner}${target.node} = ${initial(target)};`);
        writer.line(`let stop${level} = min(${variable} + ${step}u, ${below});`);
        nest(level + 1, variable, `stop${level}`, inner);
        for (const { node: id } of all) fold(id, `${into}${id}`, `${inner}${id}`);
      }
    });
  }
}

/** Element `r` of what a reduction folds into its result `i`. */
export function elementOf(writer: Expressions, graph: Graph, reduction: number, i: Index, r: Index): string {
  const node = graph.nodes[reduction]!;
  const operand = node.inputs[0]!;
  return writer.value(operand, foldedPosition(writer, graph, node, i, r));
}

function foldedPosition(writer: Expressions, graph: Graph, node: Node, i: Index, r: Index): Position {
  if (!isReduction(node)) throw new TypeError(`${node.op} folds nothing`);
  if (sizeOf(node.shape) === 1) return { flat: r };
  const { axes } = node.params;
  const from = graph.nodes[node.inputs[0]!]!.shape;
  const outer = unflatten(i, node.shape, writer.name);
  const folded = from.map((extent, axis) => (axes.includes(axis) ? extent : 1));
  const inner = unflatten(r, folded, writer.name);
  return { at: from.map((_, axis) => (axes.includes(axis) ? inner[axis]! : outer[axis]!)) };
}

/**
 * Folds the partial results of a subgroup's lanes pairwise in fixed order. Where a subgroup is all that runs at once,
 * more threads are no faster, and barriers between them are slow to compile (llvmpipe).
 */
export function butterfly(writer: Expressions, graph: Graph, all: readonly Target[], lanes: number): void {
  for (let mask = lanes / 2; mask >= 1; mask /= 2)
    for (const { node: id } of all) {
      const { op } = graph.nodes[id]!;
      writer.line(`a${id} = ${writer.arithmetic.fold(op, `a${id}`, `subgroupShuffleXor(a${id}, ${mask}u)`)};`);
    }
}

/** Folds the threads' partial results pairwise in fixed order; thread 0 holds the result. */
export function tree(writer: Expressions, graph: Graph, all: readonly Target[], partial: string): void {
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
