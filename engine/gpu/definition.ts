/** A kernel means a tape: whether a composite of a kernel's name is what the kernel computes. */
import { input } from '../tape/build.ts';
import { newTape } from '../tape/ops.ts';
import { simplify } from '../tape/simplify.ts';
import type { Graph, Node } from '../tape/tape.ts';
import type { Kernel } from './kernel.ts';
import { SourceError } from './source.ts';

/** Bodies that were compared before, with the kernel they belong to. */
const same = new WeakMap<Graph, Kernel>();

/** Throws {@link SourceError} where the body of a composite is not that of the kernel which has its name. */
export function checkDefinition(graph: Graph, node: Node<'composite'>, kernel: Kernel): void {
  const { name, args, body, derivative } = node.params;
  // A derivative is made from the body of a composite that is checked itself.
  if (derivative || same.get(body) === kernel) return;
  const tape = newTape();
  const shapes = node.inputs.map((k) => graph.nodes[k]!.shape);
  let meant: Node | undefined;
  try {
    kernel.means(
      shapes.map((shape, k) => input(tape, `in${k}`, shape)),
      args,
    );
    meant = tape.nodes.find(({ op, params }) => op === 'composite' && params.name === name);
  } catch {
    // The kernel has no meaning for these shapes or parameters.
  }
  if (meant?.op !== 'composite' || meant.params.derivative || textOf(meant.params.body) !== textOf(body))
    throw new SourceError(
      `${node.scope ? `${node.scope}: ` : ''}the composite ${name} is not what the kernel ${name} computes`,
      {
        remedy: 'give the composite another name, or compile with a library without that kernel',
      },
    );
  same.set(body, kernel);
}

/** Equal for graphs that compute the same in the same way. */
function textOf(body: Graph): string {
  const { nodes, inputs, outputs } = simplify(body);
  return JSON.stringify(
    [nodes.map(({ op, inputs: operands, params, shape }) => [op, operands, named(op, params), shape]), inputs, outputs],
    (_, value: unknown) => (typeof value === 'number' && !Number.isFinite(value) ? String(value) : value),
  );
}

/** Parameters without the names of inputs, which are nobody's concern. */
const named = (op: Node['op'], params: Node['params']) => (op === 'input' ? {} : params);
