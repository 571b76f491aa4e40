/** Which values are windows of others: slices, transposes, broadcasts and reshapes, as far as strides can say so. */
import { isView } from '../tape/ops.ts';
import type { Graph, Node } from '../tape/tape.ts';
import { contiguous, type Place, reshapeOf, viewOf } from './layout.ts';

export interface Windows {
  /** The node that `id` shows; itself where it is no window. */
  baseOf(id: number): number;
  /** How `id` lies within its base, which is taken to be contiguous. */
  within(id: number): Place;
  /** The window of `id` where its base lies at `from`; null where no strides can say so. */
  onto(id: number, from: Place): Place | null;
}

/** What a view or reshape shows of its operand's window; null where no strides can say so. */
export function windowOf(node: Node, from: Place): Place | null {
  return isView(node) ? viewOf(node, from) : reshapeOf(from, node.shape);
}

export function windowsOf(graph: Graph): Windows {
  const within: Place[] = [];
  graph.nodes.forEach((node, id) => {
    const shown =
      isView(node) || node.op === 'reshape' ? windowOf(node, within[node.inputs[0]!]!) : contiguous(id, node.shape);
    within.push(shown ?? contiguous(id, node.shape));
  });
  const baseOf = (id: number) => within[id]!.root;
  return {
    baseOf,
    within: (id) => within[id]!,
    onto(id, from) {
      const base = baseOf(id);
      const chain: number[] = [];
      for (let k = id; k !== base; k = graph.nodes[k]!.inputs[0]!) chain.push(k);
      let place: Place | null = from;
      for (const k of chain.reverse()) {
        place = place && windowOf(graph.nodes[k]!, place);
      }
      return place;
    },
  };
}
