/**
 * Decides which values of a graph lie in memory and where. Everything else is computed inside the code of its
 * consumers. Slices, transposes, broadcasts and reshapes of a stored value are windows onto it, and the parts of a
 * stored concat are written in place, so that neither costs a dispatch.
 */
import { isView, rowOf } from '../tape/ops.ts';
import { sizeOf } from '../tape/shape.ts';
import type { Graph, Node } from '../tape/tape.ts';
import { contiguous, isContiguous, type Place, partOf, reshapeOf, viewOf } from './layout.ts';

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

export interface Placement {
  readonly places: ReadonlyMap<number, Place>;
  readonly targets: readonly Target[];
  readonly calls: readonly KernelCall[];
  /** For a stored concat: the nodes stored in its parts. */
  readonly parts: ReadonlyMap<number, readonly number[]>;
  /** Elements of each root buffer. */
  readonly sizes: ReadonlyMap<number, number>;
}

/** Expressions up to this many operations may be repeated inside a concat that is not stored. */
const LIGHT = 4;
/** A concat of more parts than this that are in memory anyway is put together there, instead of read part by part. */
const FEW = 3;

/**
 * `updates`: for each state, the node whose value replaces an input's after the step. Those in `inPlace` are computed
 * straight into the input's buffer; the others are copied there.
 */
export function place(
  graph: Graph,
  needed: readonly boolean[],
  updates: readonly { node: number; input: number }[],
  inPlace: ReadonlySet<number>,
): Placement {
  const { nodes } = graph;
  const stored = new Set<number>();
  const demands = new Map<number, number[]>();
  const dense = new Set<number>();
  const places = new Map<number, Place>();
  const targets: Target[] = [];
  const parts = new Map<number, number[]>();
  const sizes = new Map<number, number>();

  /** The window of `id` onto `base`, which lies at `from`; null where no strides can say so. */
  function resolve(id: number, base: number, from: Place): Place | null {
    if (id === base) return from;
    const node = nodes[id]!;
    const inner = resolve(node.inputs[0]!, base, from);
    if (!inner) return null;
    return isView(node) ? viewOf(node, inner) : reshapeOf(inner, node.shape);
  }
  function baseOf(id: number): number {
    let base = id;
    while (isWindow(base)) base = nodes[base]!.inputs[0]!;
    return resolve(id, base, contiguous(base, nodes[base]!.shape)) ? base : id;
  }
  const isWindow = (id: number) => ['view', 'reshape'].includes(rowOf(nodes[id]!.op).kind);
  function demand(id: number): void {
    const base = baseOf(id);
    stored.add(base);
    demands.set(base, [...(demands.get(base) ?? []), id]);
  }

  const weights = new Map<number, number>();
  /** Operations needed to compute one element of a value from stored ones. */
  function weight(id: number): number {
    const known = weights.get(id);
    if (known !== undefined) return known;
    const node = nodes[id]!;
    const { kind } = rowOf(node.op);
    const own = kind === 'pointwise' ? 1 : 0;
    const total = ['leaf', 'reduce', 'matmul', 'pick'].includes(kind)
      ? 0
      : node.inputs.reduce((sum, k) => sum + weight(k), own);
    weights.set(id, total);
    return total;
  }

  const liesInMemory = (id: number): boolean => {
    const { op, inputs } = nodes[id]!;
    const { kind } = rowOf(op);
    return kind === 'reshape' ? liesInMemory(inputs[0]!) : ['pick', 'matmul', 'reduce'].includes(kind);
  };
  nodes.forEach((node, id) => {
    if (!needed[id]) return;
    const { kind } = rowOf(node.op);
    if (node.op === 'input' || kind === 'pick' || kind === 'reduce') stored.add(id);
    if (kind === 'matmul') stored.add(id);
    if (kind === 'matmul' || kind === 'composite') node.inputs.forEach(demand);
    if (kind === 'concat' && (weight(id) > LIGHT || node.inputs.filter(liesInMemory).length > FEW)) stored.add(id);
  });
  for (const id of graph.outputs) {
    const base = baseOf(id);
    const window = resolve(id, base, contiguous(base, nodes[base]!.shape))!;
    const kept = isContiguous(window) ? base : id;
    stored.add(kept);
    dense.add(kept);
    dense.add(id);
  }

  for (const { node } of updates) {
    if (nodes[node]!.op !== 'input') stored.add(node);
    dense.add(node);
  }

  function settle(id: number, at: Place): void {
    places.set(id, at);
    const node = nodes[id]!;
    if (node.op === 'concat') settleParts(node, id, at);
    else if (node.op !== 'input' && node.op !== 'pick' && node.op !== 'matmul') targets.push({ node: id, to: at });
  }
  function settleParts({ params, inputs }: Node<'concat'>, id: number, at: Place): void {
    const { axis } = params;
    let start = 0;
    for (const part of inputs) {
      const extent = nodes[part]!.shape[axis]!;
      parts.set(id, [...(parts.get(id) ?? []), settlePart(part, partOf(at, axis, start, extent))]);
      start += extent;
    }
  }
  /** Returns the node that was settled, or -1 - k for a copy made by target number k. */
  function settlePart(id: number, at: Place): number {
    const node = nodes[id]!;
    if (node.op === 'reshape' && !places.has(id)) {
      const inner = reshapeOf(at, nodes[node.inputs[0]!]!.shape);
      if (inner && !places.has(node.inputs[0]!) && nodes[node.inputs[0]!]!.op !== 'input')
        return settlePart(node.inputs[0]!, inner);
    }
    const fits = (demands.get(id) ?? []).every((view) => resolve(view, id, at)) && (!dense.has(id) || isContiguous(at));
    if (places.has(id) || home.has(id) || node.op === 'input' || !fits) {
      targets.push({ node: id, to: at });
      return -targets.length;
    }
    settle(id, at);
    return id;
  }

  const home = new Map(updates.flatMap(({ node, input }) => (inPlace.has(node) ? [[node, input] as const] : [])));
  for (const id of [...stored].sort((a, b) => b - a)) {
    if (places.has(id)) continue;
    const input = home.get(id);
    if (input !== undefined) {
      settle(id, contiguous(input, nodes[id]!.shape));
      continue;
    }
    sizes.set(id, sizeOf(nodes[id]!.shape));
    settle(id, contiguous(id, nodes[id]!.shape));
  }

  let spare = 0;
  const window = (id: number): Place => {
    const base = baseOf(id);
    return resolve(id, base, places.get(base)!)!;
  };
  const calls = nodes.flatMap((node, id): KernelCall[] => {
    if (!needed[id] || (node.op !== 'composite' && node.op !== 'matmul')) return [];
    const inputs = node.inputs.map(window);
    const reads = node.inputs.map(baseOf);
    if (node.op === 'matmul') return [{ node: id, inputs, outputs: [places.get(id)!], reads }];
    const { body } = node.params;
    const outputs = body.outputs.map((inner, index) => {
      const pick = nodes.findIndex(
        (other, k) => needed[k] && other.op === 'pick' && other.inputs[0] === id && other.params.index === index,
      );
      if (pick >= 0) return places.get(pick)!;
      const root = -++spare;
      sizes.set(root, sizeOf(body.nodes[inner]!.shape));
      return contiguous(root, body.nodes[inner]!.shape);
    });
    return [{ node: id, inputs, outputs, reads }];
  });
  for (const id of graph.outputs) if (!places.has(id)) places.set(id, window(id));
  for (const { node, input } of updates)
    if (!inPlace.has(node)) targets.push({ node, to: contiguous(input, nodes[input]!.shape) });
  return { places, targets, calls, parts, sizes };
}
