/** Derivatives of composites: composites of their own, whose bodies come from differentiating the body. */
import { bind, input, reshape, slice, transpose } from './build.ts';
import { compositeAt, newTape } from './ops.ts';
import { type Graph, inlineNodes, type Node, type Params, type Tape, type Var } from './tape.ts';

type Vjp = (outputs: readonly Var[], cotangents: readonly Var[], wrt: readonly Var[]) => Var[];
type Jvp = (outputs: readonly Var[], seeds: readonly { of: Var; tangent: Var }[]) => Var[];

/**
 * The adjoint of a composite is a composite: `vjp(NAME)` of (inputs, outputs, cotangents). Its body comes from
 * differentiating the body, with what the outputs already hold taken from them instead of computed again: an output is
 * what the forward pass saves.
 */
export function compositeAdjoint(
  tape: Tape,
  id: number,
  cotangents: readonly (Var | undefined)[],
  live: readonly number[],
  vjp: Vjp,
): Var[] {
  const { bars, present } = given(cotangents);
  const chosen = (outputs: readonly Var[]) => present.map((k) => outputs[k]!);
  const body = deriveBody(compositeAt(tape.nodes, id).params.body, chosen, (primals, outputs, extra) =>
    vjp(
      chosen(outputs),
      extra,
      live.map((k) => primals[k]!),
    ),
  );
  return derivedComposite(tape, id, 'vjp', { wrt: live }, bars, present, body);
}

/** Likewise the tangent: `jvp(NAME)` of (inputs, outputs, tangents). Returns tangents by output; absent: zero. */
export function compositeTangent(tape: Tape, id: number, dots: ReadonlyMap<number, Var>, jvp: Jvp): Map<number, Var> {
  const node = compositeAt(tape.nodes, id);
  const { bars, present } = given(node.inputs.map((k) => dots.get(k)));
  if (bars.length === 0) return new Map();
  const chosen = (_: readonly Var[], primals: readonly Var[]) => present.map((k) => primals[k]!);
  const body = deriveBody(node.params.body, chosen, (primals, outputs, extra) =>
    jvp(
      outputs,
      extra.map((tangent, k) => ({ of: primals[present[k]!]!, tangent })),
    ),
  );
  return new Map(derivedComposite(tape, id, 'jvp', {}, bars, present, body).map((dot, k) => [k, dot]));
}

function given(all: readonly (Var | undefined)[]): { bars: Var[]; present: number[] } {
  const present = all.flatMap((v, k) => (v ? [k] : []));
  return { bars: present.map((k) => all[k]!), present };
}

function derivedComposite(
  tape: Tape,
  id: number,
  mode: 'vjp' | 'jvp',
  extra: { wrt?: readonly number[] },
  given: readonly Var[],
  present: readonly number[],
  body: Graph,
): Var[] {
  const { inputs, params } = compositeAt(tape.nodes, id);
  const { name, args, derivative } = params;
  const total = mode === 'vjp' ? params.body.outputs.length : inputs.length;
  const partial = present.length === total ? {} : { given: present };
  const operands = [...inputs.map((k) => tape.at(k)), ...picks(tape, id), ...given];
  const own: Params = derivative ? { of: args } : args;
  return bind(`${mode}(${name})`, { ...own, ...extra, ...partial }, operands, body, { mode, of: name });
}

/** The outputs of a composite as values, appended anew (a simplification pass merges them with those that exist). */
function picks(tape: Tape, id: number): Var[] {
  return compositeAt(tape.nodes, id).params.body.outputs.map((_, index) =>
    tape.append('pick', [tape.at(id)], { index }),
  );
}

/** `chosen`: the values whose cotangents or tangents the derived body is given. */
function deriveBody(
  body: Graph,
  chosen: (outputs: readonly Var[], primals: readonly Var[]) => Var[],
  derive: (primals: readonly Var[], outputs: readonly Var[], given: readonly Var[]) => Var[],
): Graph {
  const tape = newTape();
  const primals = body.inputs.map((k, at) => input(tape, `in${at}`, body.nodes[k]!.shape));
  const saved = body.outputs.map((k, at) => input(tape, `out${at}`, body.nodes[k]!.shape));
  const places = inlineNodes(tape, body, primals);
  const outputs = body.outputs.map((k) => places[k]!);
  const extra = chosen(outputs, primals).map((v, at) => input(tape, `given${at}`, v.shape));
  const known = new Map<number, number>();
  outputs.forEach((y, k) => {
    recover(y, saved[k]!, known);
  });
  const start = tape.nodes.length;
  const results = derive(primals, outputs, extra);
  const swap = (id: number) => known.get(id) ?? id;
  const nodes = tape.nodes.map((node, id): Node => (id < start ? node : { ...node, inputs: node.inputs.map(swap) }));
  return {
    nodes,
    inputs: [...primals, ...saved, ...extra].map((v) => v.id),
    outputs: results.map((v) => swap(v.id)),
  };
}

/** Finds the nodes that can be read off a saved output: itself, and through concat, reshape and transpose what it is made of. */
function recover(output: Var, saved: Var, known: Map<number, number>): void {
  const open: [value: Var, read: () => Var][] = [[output, () => saved]];
  for (let next = open.pop(); next; next = open.pop()) {
    const [y, read] = next;
    const { node, tape } = y;
    if (known.has(y.id) || node.op === 'input' || node.op === 'constant') continue;
    const from = read();
    known.set(y.id, from.id);
    const source = node.inputs.map((k) => tape.at(k));
    if (node.op === 'reshape') open.push([source[0]!, () => reshape(from, source[0]!.shape)]);
    else if (node.op === 'transpose') {
      const { perm } = node.params;
      const inverse = perm.map((_, axis) => perm.indexOf(axis));
      open.push([source[0]!, () => transpose(from, inverse)]);
    } else if (node.op === 'concat') {
      const { axis } = node.params;
      let at = 0;
      const parts = source.map((part): [Var, () => Var] => {
        const start = at;
        at += part.shape[axis]!;
        return [part, () => slice(from, axis, start, start + part.shape[axis]!)];
      });
      open.push(...parts.reverse());
    }
  }
}
