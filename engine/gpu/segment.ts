/**
 * Pieces of generated shaders: a `map` computes values of equal size element by element, a `reduce` folds one or more
 * values of equal shape over the same axes, in two stages where they are long.
 */
import { type Helper, isReduction } from '../tape/ops.ts';
import { sizeOf } from '../tape/shape.ts';
import type { Graph } from '../tape/tape.ts';
import { type Numbers, wordsOf } from './arithmetic.ts';
import { Expressions } from './expression.ts';
import { index, indexText, type Position, unflatten } from './indices.ts';
import type { Capabilities } from './kernel.ts';
import type { Place } from './layout.ts';
import type { Target } from './place.ts';
import { accumulate, butterfly, combining, type Division, divisionOf, elementOf, THREADS, tree } from './reduction.ts';
import type { Segment } from './schedule.ts';
import type { Piece } from './shader.ts';
import { strategyFor } from './software.ts';
import type { Code } from './wgsl.ts';

/** What the code of a stage is written with: names of buffers by root, and of the workgroup memory. */
interface Names {
  bufferOf(root: number): string;
  readonly partial: string;
}

/** One dispatch's worth of a segment. */
interface Stage {
  readonly division?: Division;
  /** Results, or invocations of a map. */
  readonly size: number;
  /** Reductions folded, each into a variable. */
  readonly reductions: readonly Target[];
  /** Roots that it writes. */
  readonly written: ReadonlySet<number>;
  /** Elements that it writes. */
  readonly elements: number;
  write(writer: Expressions, names: Names): void;
}

/** The pieces of a segment, stage by stage; `scratch` gives a buffer of so many elements to what lies between. */
export function segmentPieces(
  graph: Graph,
  places: ReadonlyMap<number, Place>,
  segment: Segment,
  device: Capabilities,
  numbers: Numbers,
  scratch: (elements: number) => number,
): Piece[][] {
  const { lanes } = strategyFor(device);
  const own = new Set(segment.targets.flatMap(({ node, to }) => (places.get(node) === to ? [node] : [])));
  return stagesOf(graph, places, segment, lanes, scratch).map((stage) => [
    pieceOf(graph, places, segment, own, stage, lanes, numbers),
  ]);
}

function stagesOf(
  graph: Graph,
  places: ReadonlyMap<number, Place>,
  { kind, targets }: Segment,
  lanes: number,
  scratch: (elements: number) => number,
): Stage[] {
  const nodes = targets.map(({ node }) => graph.nodes[node]!);
  const size = sizeOf(nodes[0]!.shape);
  const written = new Set(targets.map(({ to }) => to.root));
  const elements = nodes.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const last = { size, written, elements };
  if (kind === 'map') return [{ ...last, reductions: [], write: (writer) => finish(writer, targets) }];

  // What only copies a reduction to another place is none.
  const reductions = targets.filter(({ node, to }) => isReduction(graph.nodes[node]!) && places.get(node) === to);
  const division = divisionOf(graph, reductions[0]!.node, lanes);
  const fold = (writer: Expressions) => {
    // The coordinates of the result are known before the loop.
    if (size > 1) unflatten(index('i'), nodes[0]!.shape, writer.name);
    accumulate(writer, graph, reductions, division, (id, r) => elementOf(writer, graph, id, index('i'), r));
  };
  if (division.parts === 1)
    return [
      { ...last, division, reductions, write: (writer, names) => share(writer, names, division, fold, finishAll) },
    ];

  const { parts } = division;
  const between = scratch(reductions.length * size * parts);
  const partAt = (names: Names, k: number, part: string) =>
    `${names.bufferOf(between)}[(${k * size}u + i) * ${parts}u + ${part}]`;
  const second = combining(division, lanes);
  return [
    {
      size: size * parts,
      division,
      reductions,
      written: new Set([between]),
      elements: reductions.length * size * parts,
      write: (writer, names) =>
        share(writer, names, division, fold, () =>
          reductions.forEach(({ node }, k) => {
            writer.line(`${partAt(names, k, `group.x % ${parts}u`)} = a${node};`);
          }),
        ),
    },
    {
      ...last,
      division: second,
      reductions,
      write: (writer, names) => {
        const numbers = new Map(reductions.map(({ node }, k) => [node, k]));
        const combine = () =>
          accumulate(writer, graph, reductions, second, (id, r) => partAt(names, numbers.get(id)!, indexText(r)));
        share(writer, names, second, combine, finishAll);
      },
    },
  ];

  function finishAll(writer: Expressions): void {
    finish(writer, targets);
  }

  /** Folds what each invocation has, over those that share a result; the first of them goes on with it. */
  function share(
    writer: Expressions,
    { partial }: Names,
    { share: shared }: Division,
    each: (writer: Expressions) => void,
    then: (writer: Expressions) => void,
  ): void {
    each(writer);
    if (shared === 1) {
      then(writer);
      return;
    }
    if (shared === lanes) butterfly(writer, graph, reductions, lanes);
    else tree(writer, graph, reductions, partial);
    writer.block('if (thread == 0u)', () => then(writer));
  }
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

function pieceOf(
  graph: Graph,
  places: ReadonlyMap<number, Place>,
  segment: Segment,
  own: ReadonlySet<number>,
  { division, size, reductions, written, elements, write }: Stage,
  lanes: number,
  numbers: Numbers,
): Piece {
  const { element, prelude, uniforms, opening = [] } = numbers.arithmetic;
  const share = division?.share ?? 1;
  const codeWith = (names: Names): { code: Code; helpers: readonly Helper[] } => {
    const writer = new Expressions(graph, places, own, names.bufferOf, numbers);
    if (share === 1) {
      writer.line(`let i = group.x * ${THREADS}u + thread;`);
      writer.line(`if (i >= ${size}u) { return; }`);
    } else writer.line(division!.parts > 1 ? `let i = group.x / ${division!.parts}u;` : 'let i = group.x;');
    write(writer, names);
    return { code: [opening, writer.head, writer.lines], helpers: [...writer.helpers] };
  };
  const roots: number[] = [];
  const label = (root: number) => {
    if (!roots.includes(root)) roots.push(root);
    return `b${roots.indexOf(root)}`;
  };
  const first = codeWith({ bufferOf: label, partial: 'partial' });
  const barriers = share > 1 && share !== lanes;
  return {
    helpers: first.helpers,
    code: (names) =>
      Object.entries(names).every(([name, given]) => name === given)
        ? first.code
        : codeWith({ bufferOf: (root) => names[label(root)]!, partial: names['partial'] ?? '' }).code,
    bound: roots.map((root, k) => ({
      label: `b${k}`,
      root,
      access: written.has(root) ? 'read_write' : 'read',
      at: null,
      of: numbers.elementOf(root),
    })),
    ...(prelude === undefined ? {} : { prelude }),
    ...(uniforms === undefined ? {} : { uniforms }),
    threads: share > 1 ? share : THREADS,
    groups: [share > 1 ? size : Math.ceil(size / THREADS), 1, 1],
    ...(share > 1 && share === lanes ? { subgroups: true } : {}),
    ...(barriers ? { barriers, shared: { partial: { of: element, length: reductions.length * THREADS } } } : {}),
    scopes: segment.targets.map(({ node }) => graph.nodes[node]!.scope),
    kernel: 'generated',
    flops: 0,
    bytes: 4 * wordsOf(element) * elements,
  };
}
