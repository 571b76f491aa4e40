/**
 * Store or compute again: decides which values of a graph lie in memory. What kernels and reductions take or make, and
 * what somebody asked for, always does. Any other value is computed inside the code of whoever reads it, unless that
 * costs more than a buffer: where it would be computed many times over, where one shader would grow too long or too
 * deep, or where it would need more buffers than a dispatch may bind.
 */
import { rowOf } from '../tape/ops.ts';
import { sizeOf } from '../tape/shape.ts';
import type { Graph, Node } from '../tape/tape.ts';
import { contiguous, partOf, reshapeOf } from './layout.ts';

/**
 * Operations that the code of one value may take; functions such as exp count as {@link FUNCTION} of them. They take longer
 * (some 24 instructions; on llvmpipe the time of 40 to 90 additions), but at 24 long chains need over twice the dispatches.
 */
const LONGEST = 2048;
const FUNCTION = 8;
/** Changes of index, one within the other, in the code of one value. */
const DEEPEST = 32;
/** Windows, one of the other, that code may look through. */
const FARTHEST = 16;
/** Operations that may be written down again because a value is used at several places. */
const REPEATED = 256;
/** Operations for each element that are worth a load and a store to save, and in all, worth a dispatch. */
const WORTH_A_LOAD = 32;
const WORTH_A_DISPATCH = 2 ** 22;
/** Sites of use that are told apart. */
const SITES = 8;
/** A concat whose parts take up to this many operations in all may be computed again. */
const LIGHT = 4;
/** A concat of more values than this is put together in memory, instead of read part by part. */
const FEW = 3;

const FUNCTIONS: ReadonlySet<string> = new Set(['exp', 'log', 'sin', 'cos', 'tanh', 'sqrt', 'div']);

/** What it takes to compute one element of a value from what is stored. */
interface Cost {
  /** Operations, an upper bound. */
  readonly work: number;
  readonly depth: number;
  /** Stored nodes to load. */
  readonly leaves: readonly number[];
}

const NOTHING: Cost = { work: 0, depth: 0, leaves: [] };

/** The stored nodes: `forced`, which are stored whatever it costs, and others. A dispatch binds up to `buffers`. */
export function storedNodes(
  graph: Graph,
  needed: readonly boolean[],
  forced: ReadonlySet<number>,
  buffers: number,
): Set<number> {
  const stored = new Set(forced);
  const uses = usesOf(graph, needed, forced);
  // What is stored late changes the costs of what came before; a round that stores nothing has seen all costs as they are.
  for (let before = -1; before !== stored.size; ) {
    before = stored.size;
    storeMore(graph, needed, stored, uses, buffers);
  }
  return stored;
}

function storeMore(
  { nodes }: Graph,
  needed: readonly boolean[],
  stored: Set<number>,
  uses: readonly Use[],
  buffers: number,
): void {
  const costs: Cost[] = [];
  /** The node below the windows that `id` looks through: stored, or computed where it is read. */
  const below: number[] = [];
  /** How many windows that is. */
  const windows: number[] = [];
  const kindOf = (id: number) => rowOf(nodes[id]!.op).kind;

  nodes.forEach((node, id) => {
    const { kind } = rowOf(node.op);
    const window = kind === 'view' || kind === 'reshape';
    const seen = window ? windows[node.inputs[0]!]! + 1 : 0;
    if (needed[id] && seen > FARTHEST) stored.add(id);
    const opaque = !window || stored.has(id);
    below.push(opaque ? id : below[node.inputs[0]!]!);
    windows.push(opaque ? 0 : seen);
    costs.push(NOTHING);
    if (!needed[id] || ['leaf', 'pick', 'matmul', 'composite'].includes(kind)) return;
    if (window && !stored.has(id)) return;
    keepWithin(node, id);
    if (kind === 'concat' && (costs[id]!.work > LIGHT || costs[id]!.leaves.length > FEW)) stored.add(id);
    if ((kind === 'concat' || kind === 'pointwise') && isRepeated(id)) stored.add(id);
    if (node.op === 'concat' && stored.has(id)) for (const part of writtenInPlace(nodes, node)) stored.add(part);
  });

  /** Gives a value its costs, once enough of its operands are stored to keep it within the limits. */
  function keepWithin(node: Node, id: number): void {
    for (;;) {
      costs[id] = costOf(node);
      if (costs[id].work > LONGEST) costs[id] = { ...costs[id], work: workOf(id) };
      const { work, depth, leaves } = costs[id];
      const excess: keyof Cost | null =
        leaves.length > buffers - 1 ? 'leaves' : work > LONGEST ? 'work' : depth > DEEPEST ? 'depth' : null;
      if (excess === null) return;
      const computed = node.inputs.map((k) => below[k]!).filter((k) => isComputed(k));
      if (computed.length === 0) {
        // A concat of many parts is put together in memory, part by part.
        if (kindOf(id) === 'concat') stored.add(id);
        return;
      }
      const amount = (k: number) => (excess === 'leaves' ? costs[k]!.leaves.length : costs[k]![excess]);
      stored.add(computed.reduce((a, b) => (amount(b) > amount(a) ? b : a)));
    }
  }

  function isComputed(id: number): boolean {
    return !stored.has(id) && kindOf(id) !== 'leaf';
  }

  function costOf(node: Node): Cost {
    let [work, depth] = [operations(node), 0];
    const leaves = new Set<number>();
    for (const k of new Set(node.inputs)) {
      const source = below[k]!;
      if (nodes[source]!.op === 'constant') continue;
      if (stored.has(source)) leaves.add(source);
      else {
        work += costs[source]!.work;
        depth = Math.max(depth, costs[source]!.depth + (source === k ? 0 : 1));
        for (const leaf of costs[source]!.leaves) leaves.add(leaf);
      }
    }
    return { work, depth, leaves: [...leaves] };
  }

  /** Operations of a value, those of shared operands counted once. */
  function workOf(id: number): number {
    const seen = new Set([id]);
    const open = [id];
    let work = 0;
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      work += operations(nodes[at]!);
      for (const k of nodes[at]!.inputs) {
        const source = below[k]!;
        if (seen.has(k) || !isComputed(source)) continue;
        seen.add(k);
        if (source === k) open.push(k);
        else work += costs[source]!.work;
      }
    }
    return work;
  }

  /** Whether a value is computed so often, or at so many sites, that a buffer costs less. */
  function isRepeated(id: number): boolean {
    const { sites, evaluations, shared } = uses[id]!;
    if (shared || stored.has(id)) return false;
    const size = sizeOf(nodes[id]!.shape);
    const tooMuch = (work: number) =>
      (sites.length - 1) * work > REPEATED ||
      ((evaluations / size - 1) * work >= WORTH_A_LOAD && (evaluations - size) * work >= WORTH_A_DISPATCH);
    return tooMuch(costs[id]!.work) && tooMuch(workOf(id));
  }
}

/** The parts of a stored concat that are computed straight into it, also where they are reshaped first. */
function writtenInPlace(nodes: Graph['nodes'], concat: Node<'concat'>): number[] {
  const { axis } = concat.params;
  return concat.inputs.flatMap((id) => {
    const { op, inputs, shape } = nodes[id]!;
    const part = op === 'reshape' ? inputs[0]! : id;
    const { kind } = rowOf(nodes[part]!.op);
    const place = partOf(contiguous(part, concat.shape), axis, 0, shape[axis]!);
    const fits = part === id || reshapeOf(place, nodes[part]!.shape);
    return fits && (kind === 'pointwise' || kind === 'concat') ? [part] : [];
  });
}

/** Operations of a node itself, by how long they take. */
export function operations({ op }: Node): number {
  return FUNCTIONS.has(op) ? FUNCTION : rowOf(op).kind === 'pointwise' ? 1 : 0;
}

/** Where a value is used: by stored values at their own index, and by what looks at it at another index. */
interface Use {
  /** Stored values and windows whose code computes it, the first {@link SITES} of them. */
  sites: readonly number[];
  /** Elements that the sites compute in all. */
  evaluations: number;
  /** Whether a value made from it at the same index has the same sites, so that it is better to store that. */
  shared: boolean;
}

function usesOf({ nodes }: Graph, needed: readonly boolean[], forced: ReadonlySet<number>): Use[] {
  const uses = nodes.map((): Use => ({ sites: [], evaluations: 0, shared: false }));
  const users = nodes.map((): number[] => []);
  for (let id = nodes.length - 1; id >= 0; id--) {
    if (!needed[id]) continue;
    const use = uses[id]!;
    const size = sizeOf(nodes[id]!.shape);
    const sites = new Set<number>();
    for (const user of users[id]!) {
      const here = passesOn(user) ? uses[user]!.sites : [user];
      for (const site of here) if (sites.size < SITES) sites.add(site);
    }
    use.sites = [...sites];
    const sizeAt = (site: number) => (rowOf(nodes[site]!.op).kind === 'view' ? sizeOf(nodes[site]!.shape) : size);
    use.evaluations = use.sites.reduce((sum, site) => sum + sizeAt(site), 0);
    use.shared = users[id]!.some((user) => {
      if (!passesOn(user) || uses[user]!.sites.length !== sites.size) return false;
      return nodes[user]!.op !== 'reshape' || uses[user]!.shared;
    });
    for (const k of new Set(nodes[id]!.inputs)) users[k]!.push(id);
  }
  return uses;

  /** Whether a user computes its operands at its own index, wherever it is computed itself. */
  function passesOn(user: number): boolean {
    return !forced.has(user) && ['pointwise', 'reshape'].includes(rowOf(nodes[user]!.op).kind);
  }
}
