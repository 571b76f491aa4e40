/** What is wrong with a source before it is compiled: each mistake named, with what would be right. */
import { UserError } from '../tape/error.ts';
import { sameShape, show } from '../tape/shape.ts';
import { type Graph, reachable } from '../tape/tape.ts';
import type { Source } from './plan.ts';

/** A source that means nothing, or not what it seems to mean. */
export class SourceError extends UserError {
  override readonly name = 'SourceError';
}

/** Throws {@link SourceError} where names or states of a source do not fit. */
export function checkSource({ inputs, outputs, state = {} }: Source): void {
  const seen = new Map<number, string>();
  for (const [name, { id, node }] of Object.entries(inputs)) {
    if (node.op !== 'input')
      throw new SourceError(`${name} is given as an input, but is computed on the tape (${node.op})`, {
        remedy: 'give the values of input() that it is computed from',
      });
    if (name in outputs)
      throw new SourceError(`${name} names an input and an output`, { remedy: `call the output ${name}', say` });
    const other = seen.get(id);
    if (other !== undefined)
      throw new SourceError(`${other} and ${name} are one and the same input of the tape`, { remedy: 'give it once' });
    seen.set(id, name);
  }
  for (const [name, next] of Object.entries(state)) {
    const [now, then] = [inputs[name], outputs[next]];
    if (!now) throw new SourceError(`state ${name} is no input; there are ${Object.keys(inputs).join(', ')}`);
    if (!then)
      throw new SourceError(`state ${name} is to become ${next}, which is no output`, {
        remedy: `take one of ${Object.keys(outputs).join(', ')}`,
      });
    if (!sameShape(now.shape, then.shape))
      throw new SourceError(
        `state ${name} has shape ${show(now.shape)}, what it is to become (${next}) ${show(then.shape)}`,
        {
          remedy: 'reshape or reduce the output to the shape of the state',
        },
      );
  }
}

/** Throws {@link SourceError} where an output depends on an input that is not given. */
export function checkInputs(graph: Graph, outputs: readonly string[]): void {
  const given = new Set(graph.inputs);
  const needed = reachable(graph);
  graph.nodes.forEach((node, id) => {
    if (!needed[id] || node.op !== 'input' || given.has(id)) return;
    const at = graph.outputs.findIndex((output) => reachable({ ...graph, outputs: [output] })[id]);
    throw new SourceError(`${outputs[at]} depends on ${node.params.name}, which is not among the inputs`, {
      remedy: `add ${node.params.name} to the inputs`,
    });
  });
}
