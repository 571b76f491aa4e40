/** Composites without a kernel become their bodies. */
import { newTape } from '../tape/ops.ts';
import { keys } from '../tape/simplify.ts';
import { type Graph, graphOf, joinScope, type Node, reachable, type Var } from '../tape/tape.ts';
import { checkDefinition } from './definition.ts';
import type { Library } from './plan.ts';

/** A graph that is being written down on the new tape: the whole, or the body of a composite in it. */
interface Frame {
  readonly graph: Graph;
  readonly needed: readonly boolean[];
  /** Where its nodes are on the new tape. */
  readonly placed: (Var | undefined)[];
  /** Outputs of composites that became their bodies. */
  readonly bodies: Map<number, readonly Var[]>;
  readonly scope: string;
  next: number;
  /** Takes the outputs once all nodes are placed. */
  done(outputs: readonly Var[]): void;
}

/**
 * The graph with the bodies of all composites that the library has no kernel for, to any depth. Composites and other nodes
 * that compute the same become one on the way, so that no body is written down twice. Throws SourceError where a composite
 * is not what the kernel of its name computes.
 */
export function expand(graph: Graph, library: Library): Graph {
  const kernels = new Map(library.map((kernel) => [kernel.name, kernel]));
  const tape = newTape();
  const keyOf = keys();
  const seen = new Map<string, Var>();
  const expanded = new Map<string, readonly Var[]>();
  let result = graph;

  const top: Frame = {
    ...frameOf(graph, ''),
    needed: reachable({ ...graph, outputs: [...graph.outputs, ...graph.inputs] }),
    done(outputs) {
      const inputs = graph.inputs.map((id) => top.placed[id]!);
      result = graphOf(inputs, outputs);
    },
  };
  const open = [top];
  for (let frame = open.at(-1); frame; frame = open.at(-1)) {
    const node = frame.graph.nodes[frame.next];
    if (!node) {
      open.pop();
      frame.done(frame.graph.outputs.map((id) => frame.placed[id]!));
    } else placeNode(frame, node, frame.next++);
  }
  return result;

  function placeNode(frame: Frame, node: Node, id: number): void {
    if (!frame.needed[id] || frame.placed[id]) return;
    const inputs = node.inputs.map((k) => frame.placed[k]!);
    const body = node.op === 'pick' ? frame.bodies.get(node.inputs[0]!) : undefined;
    if (node.op === 'pick' && body) frame.placed[id] = body[node.params.index]!;
    else if (node.op === 'composite' && !kernels.has(node.params.name)) openBody(frame, node, id, inputs);
    else {
      if (node.op === 'composite') checkDefinition(frame.graph, node, kernels.get(node.params.name)!);
      frame.placed[id] = write(node, inputs, joinScope(frame.scope, node.scope));
    }
  }

  function write(node: Node, inputs: readonly Var[], scope: string): Var {
    const key = keyOf(node, inputs);
    const known = node.op === 'input' ? undefined : seen.get(key);
    const value = known ?? tape.provenance(scope, () => tape.apply(node, inputs));
    seen.set(key, value);
    return value;
  }

  function openBody(frame: Frame, node: Node<'composite'>, id: number, inputs: readonly Var[]): void {
    const key = keyOf(node, inputs);
    const before = expanded.get(key);
    if (before) {
      frame.bodies.set(id, before);
      return;
    }
    const { body } = node.params;
    const inner: Frame = {
      ...frameOf(body, joinScope(frame.scope, node.scope)),
      done(outputs) {
        expanded.set(key, outputs);
        frame.bodies.set(id, outputs);
      },
    };
    body.inputs.forEach((input, k) => {
      inner.placed[input] = inputs[k];
    });
    open.push(inner);
  }
}

const frameOf = (graph: Graph, scope: string): Omit<Frame, 'done'> => ({
  graph,
  needed: reachable(graph),
  placed: new Array<Var | undefined>(graph.nodes.length),
  bodies: new Map(),
  scope,
  next: 0,
});
