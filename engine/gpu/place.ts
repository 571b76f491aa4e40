/**
 * Where the values of a graph lie that `store.ts` decided to keep, and the work that puts them there. Windows onto a
 * stored value lie where it does, and the parts of a stored concat are written in place, so that neither costs a
 * dispatch.
 */
import { rowOf } from '../tape/ops.ts';
import { sizeOf } from '../tape/shape.ts';
import type { Graph } from '../tape/tape.ts';
import { contiguous, isContiguous, type Place, partOf, reshapeOf } from './layout.ts';
import { storedNodes } from './store.ts';
import { type Windows, windowsOf } from './windows.ts';

/** A value to compute by generated code: the expression of `node`, written to `to`. */
export interface Target {
  readonly node: number;
  readonly to: Place;
}

/** A node that a kernel computes. */
export interface KernelCall {
  readonly node: number;
  readonly inputs: readonly Place[];
  readonly outputs: readonly Place[];
  /** The stored nodes that the inputs are windows of. */
  readonly reads: readonly number[];
}

/** The next value of a state: `node` replaces `input` after the step. */
export interface Update {
  readonly node: number;
  readonly input: number;
}

/** A part of a stored concat: a stored value that lies there, or a copy of another. */
export type Part = { readonly node: number } | { readonly copy: Target };

export interface Placement {
  readonly places: ReadonlyMap<number, Place>;
  /** Where outputs lie: stored values, and windows of them, through which nothing else reads. */
  readonly outputs: ReadonlyMap<number, Place>;
  readonly targets: readonly Target[];
  readonly calls: readonly KernelCall[];
  /** The parts of stored concats. */
  readonly parts: ReadonlyMap<number, readonly Part[]>;
  /** Elements of each root buffer. */
  readonly sizes: ReadonlyMap<number, number>;
}

/** What has to lie in memory, and how. */
interface Demands {
  readonly stored: Set<number>;
  /** Windows that kernels read, by their base. */
  readonly windows: Map<number, number[]>;
  /** Values that have to lie in one gapless run: outputs and next states. */
  readonly dense: Set<number>;
}

/**
 * Updates in `inPlace` are computed straight into the state's buffer; the others are copied there. A dispatch binds up
 * to `buffers`.
 */
export function place(
  graph: Graph,
  needed: readonly boolean[],
  updates: readonly Update[],
  inPlace: ReadonlySet<number>,
  buffers: number,
): Placement {
  const windows = windowsOf(graph);
  const demands = demandsOf(graph, needed, updates, windows);
  const stored = storedNodes(graph, needed, demands.stored, buffers);
  const homes = new Map(updates.flatMap(({ node, input }) => (inPlace.has(node) ? [[node, input] as const] : [])));
  const { places, targets, parts, sizes } = settle(graph, stored, homes, demands, windows);

  const window = (id: number): Place => windows.onto(id, places.get(windows.baseOf(id))!)!;
  const calls = callsOf(graph, needed, places, sizes, windows, window);
  const outputs = new Map(graph.outputs.map((id) => [id, places.get(id) ?? window(id)]));
  for (const { node, input } of updates)
    if (!inPlace.has(node)) targets.push({ node, to: contiguous(input, graph.nodes[input]!.shape) });
  return { places, outputs, targets, calls, parts, sizes };
}

function demandsOf(graph: Graph, needed: readonly boolean[], updates: readonly Update[], windows: Windows): Demands {
  const { nodes } = graph;
  const stored = new Set<number>();
  const read = new Map<number, number[]>();
  const dense = new Set<number>();
  const demand = (id: number) => {
    const base = windows.baseOf(id);
    stored.add(base);
    const known = read.get(base);
    if (known) known.push(id);
    else read.set(base, [id]);
  };
  nodes.forEach(({ op, inputs }, id) => {
    if (!needed[id]) return;
    const { kind } = rowOf(op);
    if (op === 'input' || kind === 'pick' || kind === 'reduce' || kind === 'matmul') stored.add(id);
    if (kind === 'matmul' || kind === 'composite') inputs.forEach(demand);
  });
  for (const id of graph.outputs) {
    const kept = isContiguous(windows.within(id)) ? windows.baseOf(id) : id;
    stored.add(kept);
    dense.add(kept);
    dense.add(id);
  }
  for (const { node } of updates) {
    if (nodes[node]!.op !== 'input') stored.add(node);
    dense.add(node);
  }
  return { stored, windows: read, dense };
}

type Settled = Pick<Placement, 'parts'> & {
  readonly places: Map<number, Place>;
  readonly targets: Target[];
  readonly sizes: Map<number, number>;
};

/** Gives every stored value a place: in a state's buffer, as a part of a concat, or in a buffer of its own. */
function settle(
  { nodes }: Graph,
  stored: ReadonlySet<number>,
  homes: ReadonlyMap<number, number>,
  demands: Demands,
  windows: Windows,
): Settled {
  const places = new Map<number, Place>();
  const targets: Target[] = [];
  const parts = new Map<number, readonly Part[]>();
  const sizes = new Map<number, number>();

  /** Parts of concats that are still to be settled, the next one last. */
  const open: { readonly id: number; readonly at: Place; readonly among: Part[] }[] = [];
  for (const id of [...stored].sort((a, b) => b - a)) {
    if (places.has(id)) continue;
    const home = homes.get(id);
    if (home === undefined) sizes.set(id, sizeOf(nodes[id]!.shape));
    settleAt(id, contiguous(home ?? id, nodes[id]!.shape));
    for (let next = open.pop(); next; next = open.pop()) next.among.push(settlePart(next.id, next.at));
  }
  return { places, targets, parts, sizes };

  function settleAt(id: number, at: Place): void {
    places.set(id, at);
    const node = nodes[id]!;
    if (node.op === 'concat') {
      const { axis } = node.params;
      const among: Part[] = [];
      parts.set(id, among);
      let start = 0;
      const inside = node.inputs.map((part) => {
        const extent = nodes[part]!.shape[axis]!;
        start += extent;
        return { id: part, at: partOf(at, axis, start - extent, extent), among };
      });
      for (const part of inside.reverse()) open.push(part);
    } else if (!['input', 'pick', 'matmul'].includes(node.op)) targets.push({ node: id, to: at });
  }

  function settlePart(part: number, place: Place): Part {
    let [id, at] = [part, place];
    for (;;) {
      const below = nodes[id]!.inputs[0]!;
      if (nodes[id]!.op !== 'reshape' || places.has(id) || places.has(below) || !stored.has(below)) break;
      const inner = reshapeOf(at, nodes[below]!.shape);
      if (!inner) break;
      [id, at] = [below, inner];
    }
    const fits =
      (demands.windows.get(id) ?? []).every((window) => windows.onto(window, at)) &&
      (!demands.dense.has(id) || isContiguous(at));
    if (!stored.has(id) || places.has(id) || homes.has(id) || nodes[id]!.op === 'input' || !fits) {
      const copy = { node: id, to: at };
      targets.push(copy);
      return { copy };
    }
    settleAt(id, at);
    return { node: id };
  }
}

function callsOf(
  graph: Graph,
  needed: readonly boolean[],
  places: ReadonlyMap<number, Place>,
  sizes: Map<number, number>,
  windows: Windows,
  window: (id: number) => Place,
): KernelCall[] {
  const picks = new Map<string, number>();
  graph.nodes.forEach((node, id) => {
    if (needed[id] && node.op === 'pick') picks.set(`${node.inputs[0]} ${node.params.index}`, id);
  });
  let spare = 0;
  return graph.nodes.flatMap((node, id): KernelCall[] => {
    if (!needed[id] || (node.op !== 'composite' && node.op !== 'matmul')) return [];
    const call = { node: id, inputs: node.inputs.map(window), reads: node.inputs.map(windows.baseOf) };
    if (node.op === 'matmul') return [{ ...call, outputs: [places.get(id)!] }];
    const { body } = node.params;
    const outputs = body.outputs.map((inner, index) => {
      const pick = picks.get(`${id} ${index}`);
      if (pick !== undefined) return places.get(pick)!;
      const root = -++spare;
      sizes.set(root, sizeOf(body.nodes[inner]!.shape));
      return contiguous(root, body.nodes[inner]!.shape);
    });
    return [{ ...call, outputs }];
  });
}
