/** From a tape and a library of kernels to a plan. */
import { rowOf } from '../tape/ops.ts';
import { sizeOf } from '../tape/shape.ts';
import { simplify } from '../tape/simplify.ts';
import { type Graph, graphOf, type Node, reachable } from '../tape/tape.ts';
import { type Element, type Numbers, single, wordsOf } from './arithmetic.ts';
import { kernelPieces } from './calls.ts';
import { expand } from './expand.ts';
import type { Capabilities } from './kernel.ts';
import { assignSlots, type Lifetime } from './memory.ts';
import { pack } from './pack.ts';
import { type Placement, place, type Update } from './place.ts';
import type { CompileOptions, Plan, PlannedCall, PlannedValue, Slot, Source } from './plan.ts';
import { type Step, schedule, UpdateConflict } from './schedule.ts';
import { segmentPieces } from './segment.ts';
import { type Draft, ownCode, type Piece } from './shader.ts';
import { strategyFor } from './software.ts';
import { checkInputs, checkSource } from './source.ts';
import { tasksOf } from './tasks.ts';

/**
 * Throws {@link SourceError} where the source is not what it seems, {@link BindingLimitError} where one operation needs
 * more buffers than the adapter binds, {@link UnknownVersionError}.
 */
export function compile(source: Source, options: CompileOptions): Plan {
  checkSource(source);
  const names = Object.keys(source.inputs);
  const outputNames = Object.keys(source.outputs);
  const raw = graphOf(Object.values(source.inputs), Object.values(source.outputs));
  const graph = separate(simplify(expand(simplify(raw), options.library)), names, source.state ?? {});
  checkInputs(graph, outputNames);
  const needed = reachable(graph);
  const inputOf = new Map(names.map((name, k) => [name, graph.inputs[k]!]));
  const outputOf = new Map(outputNames.map((name, k) => [name, graph.outputs[k]!]));
  const updates = Object.entries(source.state ?? {}).map(([input, output]) => ({
    node: outputOf.get(output)!,
    input: inputOf.get(input)!,
  }));
  const { placement, steps } = arrange(graph, needed, updates, options.device.maxStorageBuffers);
  return assemble(graph, placement, steps, source, names, outputNames, options);
}

/**
 * Outputs that are state inputs, or windows of one, become values of their own: they tell what the state was before the
 * step, and must not follow the update in place.
 */
function separate(graph: Graph, names: readonly string[], state: Readonly<Record<string, string>>): Graph {
  const changing = new Set(graph.inputs.filter((_, k) => names[k]! in state));
  const nodes: Node[] = [...graph.nodes];
  const append = (node: Node) => nodes.push(node) - 1;
  const baseOf = (id: number): number => {
    let base = id;
    while (['view', 'reshape'].includes(rowOf(nodes[base]!.op).kind)) base = nodes[base]!.inputs[0]!;
    return base;
  };
  const outputs = graph.outputs.map((id) => {
    if (!changing.has(baseOf(id))) return id;
    const { shape, scope } = nodes[id]!;
    const zero = append({ op: 'constant', inputs: [], params: { value: 0, shape: [] }, shape: [], scope });
    const zeros = append({ op: 'broadcast', inputs: [zero], params: { shape }, shape, scope });
    return append({ op: 'add', inputs: [id, zeros], params: {}, shape, scope });
  });
  return { ...graph, nodes, outputs };
}

/** Tries every state update in place and falls back to a copy for those that cannot be. */
function arrange(graph: Graph, needed: readonly boolean[], updates: readonly Update[], maxBuffers: number) {
  const inPlace = replacing(graph, updates);
  for (;;) {
    const placement = place(graph, needed, updates, inPlace, maxBuffers);
    try {
      return { placement, steps: schedule(tasksOf(graph, placement, inPlace), maxBuffers) };
    } catch (error) {
      if (!(error instanceof UpdateConflict) || error.nodes.length === 0) throw error;
      for (const node of error.nodes) inPlace.delete(node);
    }
  }
}

/** Values that can be written over the state that they update: code of their own computes them, for one state each. */
function replacing(graph: Graph, updates: readonly Update[]): Set<number> {
  const computed = updates.flatMap(({ node }) => (rowOf(graph.nodes[node]!.op).kind === 'pointwise' ? [node] : []));
  const once = new Set<number>();
  const several = new Set<number>();
  for (const node of computed) (once.has(node) ? several : once).add(node);
  return new Set([...once].filter((node) => !several.has(node)));
}

/** Roots of temporaries that no node owns: far from those of outputs that nobody reads. */
const FIRST_SCRATCH = -1e9;

function assemble(
  graph: Graph,
  placement: Placement,
  steps: readonly Step[],
  source: Source,
  names: readonly string[],
  outputNames: readonly string[],
  options: CompileOptions,
): Plan {
  const sizes = new Map(placement.sizes);
  const calls: PlannedCall[] = [];
  const arithmetic = options.arithmetic ?? single;
  const single32 = new Set(options.singles);
  const singles = new Set(graph.inputs.filter((_, k) => single32.has(names[k]!)));
  const elementOf = (root: number): Element => (singles.has(root) ? 'f32' : arithmetic.element);
  const numbers: Numbers = { arithmetic, elementOf };
  const scratch = (elements: number) => {
    const root = FIRST_SCRATCH - sizes.size;
    sizes.set(root, elements);
    return root;
  };
  const work = steps.map((step) => {
    const called = step.calls.map((call) => kernelPieces(graph, call, options, scratch, numbers));
    calls.push(...called.map(({ planned }) => planned));
    const segments = step.segments.map((segment) =>
      segmentPieces(graph, placement.places, segment, options.device, numbers, scratch),
    );
    return stagesOf([...called.map(({ stages }) => stages), ...segments]);
  });
  const drafts = draftsOf(work.flat(), options.device);
  const owners = new Map<number, string[]>();
  const keep = (root: number, name: string) => {
    const others = owners.get(root);
    if (others) others.push(name);
    else owners.set(root, [name]);
  };
  graph.inputs.forEach((id, k) => {
    sizes.set(id, sizeOf(graph.nodes[id]!.shape));
    keep(id, names[k]!);
  });
  graph.outputs.forEach((id, k) => {
    keep(placement.outputs.get(id)!.root, outputNames[k]!);
  });
  const fixed = [...owners.keys()];
  const fixedAt = new Map(fixed.map((root, slot) => [root, slot]));
  const touched = new Map<number, { from: number; to: number }>();
  drafts.forEach(({ roots }, at) => {
    for (const { root } of roots) touched.set(root, { from: touched.get(root)?.from ?? at, to: at });
  });
  const lifetimes = [...touched].flatMap(([root, span]): Lifetime[] =>
    owners.has(root) ? [] : [{ root, size: sizes.get(root)!, ...span }],
  );
  const shared = assignSlots(lifetimes);
  const slotOf = (root: number) => fixedAt.get(root) ?? fixed.length + shared.slotOf.get(root)!;
  const slots: Slot[] = [
    ...fixed.map((root) => ({ elements: sizes.get(root)!, ...words(elementOf(root)), names: owners.get(root)! })),
    ...shared.sizes.map((elements) => ({ elements, ...words(arithmetic.element), names: [] })),
  ];
  const planned = (id: number): PlannedValue => {
    const at = placement.outputs.get(id) ?? placement.places.get(id) ?? { root: id, at: 0 };
    return { slot: slotOf(at.root), at: at.at, shape: graph.nodes[id]!.shape };
  };
  return {
    calls,
    dispatches: drafts.map(({ roots, ...draft }) => ({
      ...draft,
      bindings: roots.map(({ root, access }) => ({ slot: slotOf(root), access })),
    })),
    slots,
    inputs: Object.fromEntries(graph.inputs.map((id, k) => [names[k]!, planned(id)])),
    outputs: Object.fromEntries(graph.outputs.map((id, k) => [outputNames[k]!, planned(id)])),
    state: source.state ?? {},
    graph,
  };
}

const words = (element: Element) => (element === 'f32' ? {} : { words: wordsOf(element) });

/** Stages of several calls side by side; there is at least one. */
function stagesOf(calls: readonly (readonly (readonly Piece[])[])[]): (readonly Piece[])[][] {
  const count = Math.max(1, ...calls.map((stages) => stages.length));
  return Array.from({ length: count }, (_, k) => calls.flatMap((stages) => (stages[k] ? [stages[k]] : [])));
}

/** Dispatches of stages in order. Code that is long to compile and occurs several times stands apart, to share a pipeline. */
function draftsOf(stages: readonly (readonly (readonly Piece[])[])[], device: Capabilities): Draft[] {
  const { short } = strategyFor(device);
  const codeOf = (bundle: readonly Piece[]) => bundle.map((piece) => ownCode(piece).text).join('\n');
  const uses = new Map<string, number>();
  for (const bundle of stages.flat()) {
    const code = codeOf(bundle);
    uses.set(code, (uses.get(code) ?? 0) + 1);
  }
  const apart = (bundle: readonly Piece[]) => {
    const code = codeOf(bundle);
    return code.length > short && uses.get(code)! > 1;
  };
  return stages.flatMap((bundles) => pack(bundles, device, apart));
}
