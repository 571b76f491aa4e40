/**
 * Derivatives. Each function appends nodes to the tape its arguments live on and returns values of that tape, so
 * derivatives nest to any order without a further concept: `vjp` of `jvp` of `vjp` is three calls.
 */
import {
  add,
  bind,
  broadcast,
  concat,
  constant,
  full,
  input,
  mul,
  reshape,
  slice,
  stack,
  sum,
  transpose,
  zeros,
} from './build.ts';
import { bodyOf, newTape, rowOf } from './ops.ts';
import { ShapeError, show, sizeOf } from './shape.ts';
import { type Graph, inlineNodes, type Node, type Params, type Tape, type Var } from './tape.ts';

/**
 * Vector-Jacobian product, reverse mode: for each of `wrt`, sum over outputs of cotangent^T d(output)/d(wrt), in the
 * shape of that `wrt`. One backward sweep whatever the number of `wrt`.
 */
export function vjp(outputs: readonly Var[], cotangents: readonly Var[], wrt: readonly Var[]): Var[] {
  const tape = outputs[0]!.tape;
  const active = between(tape, wrt, outputs);
  const bars = new Map<number, Var>();
  const tuples = new Map<number, (Var | undefined)[]>();
  const accumulate = (id: number, bar: Var) => {
    const sofar = bars.get(id);
    bars.set(id, sofar ? add(sofar, bar) : bar);
  };
  outputs.forEach((y, k) => {
    if (String(y.shape) !== String(cotangents[k]!.shape))
      throw new ShapeError(`the cotangent of ${show(y.shape)} has shape ${show(cotangents[k]!.shape)}`);
    if (active[y.id]) accumulate(y.id, cotangents[k]!);
  });
  for (let id = active.length - 1; id >= 0; id--) {
    const bar = bars.get(id);
    const tuple = tuples.get(id);
    const node = tape.nodes[id]!;
    if (!active[id] || (!bar && !tuple)) continue;
    tape.provenance(derived(node.scope, 'adjoint'), () => {
      if (node.op === 'pick') {
        const of = node.inputs[0]!;
        const bundle = tuples.get(of) ?? bodyOf(tape.nodes[of]!).outputs.map(() => undefined);
        const at = node.params['index'] as number;
        const sofar = bundle[at];
        bundle[at] = sofar && bar ? add(sofar, bar) : (bar ?? sofar);
        tuples.set(of, bundle);
      } else if (tuple) {
        const live = node.inputs.flatMap((k, at) => (active[k] ? [at] : []));
        adjoint(tape, id, tuple, live).forEach((x, k) => {
          accumulate(node.inputs[live[k]!]!, x);
        });
      } else {
        node.inputs.forEach((k, at) => {
          const x = active[k] ? pullBack(tape, id, at, bar!) : null;
          if (x) accumulate(k, x);
        });
      }
    });
  }
  return wrt.map((x) => bars.get(x.id) ?? zeros(tape, x.shape));
}

/** Jacobian-vector product, forward mode: d(output)/d(of) applied to each seed's tangent and summed, for each output. */
export function jvp(outputs: readonly Var[], seeds: readonly { of: Var; tangent: Var }[]): Var[] {
  const tape = outputs[0]!.tape;
  const dots = tangents(outputs, seeds);
  return outputs.map((y) => dots.get(y.id) ?? zeros(tape, y.shape));
}

/** Gradient of a scalar with respect to each of `wrt`. */
export function grad(loss: Var, wrt: readonly Var[]): Var[] {
  if (sizeOf(loss.shape) !== 1)
    throw new ShapeError(`grad takes a scalar, not ${show(loss.shape)}; sum it, or use vjp`);
  return vjp([loss], [full(loss, 1)], wrt);
}

/** d(y)/d(x) in full, shaped [...y.shape, ...x.shape]: one sweep for each element of the smaller side. */
export function jacobian(y: Var, x: Var): Var {
  const [m, n] = [sizeOf(y.shape), sizeOf(x.shape)];
  const reverse = m <= n;
  const rows = Array.from({ length: reverse ? m : n }, (_, at) =>
    reverse
      ? reshape(vjp([y], [oneHot(y, at)], [x])[0]!, [n])
      : reshape(jvp([y], [{ of: x, tangent: oneHot(x, at) }])[0]!, [m]),
  );
  const stacked = stack(rows, 0);
  return reshape(reverse ? stacked : transpose(stacked, [1, 0]), [...y.shape, ...x.shape]);
}

function oneHot(like: Var, at: number): Var {
  const { tape } = like;
  const size = sizeOf(like.shape);
  const parts = [...(at > 0 ? [zeros(tape, [at])] : []), broadcast(constant(tape, 1), [1])];
  return reshape(concat(at < size - 1 ? [...parts, zeros(tape, [size - at - 1])] : parts, 0), like.shape);
}

/** The tangents of nodes that depend on the seeds (absent: zero). A seeded node keeps its seed. */
export function tangents(outputs: readonly Var[], seeds: readonly { of: Var; tangent: Var }[]): Map<number, Var> {
  const tape = outputs[0]!.tape;
  const dots = new Map<number, Var>();
  const tuples = new Map<number, Map<number, Var>>();
  for (const { of, tangent } of seeds) {
    if (String(of.shape) !== String(tangent.shape))
      throw new ShapeError(`the tangent of ${show(of.shape)} has shape ${show(tangent.shape)}`);
    dots.set(of.id, tangent);
  }
  const active = between(
    tape,
    seeds.map((seed) => seed.of),
    outputs,
    true,
  );
  active.forEach((live, id) => {
    const node = tape.nodes[id]!;
    if (!live || dots.has(id)) return;
    tape.provenance(derived(node.scope, 'tangent'), () => {
      if (node.op === 'composite') tuples.set(id, pushComposite(tape, id, dots));
      else {
        const dot =
          node.op === 'pick'
            ? tuples.get(node.inputs[0]!)?.get(node.params['index'] as number)
            : pushForward(tape, id, dots);
        if (dot) dots.set(id, dot);
      }
    });
  });
  return dots;
}

/** Marks what lies between `from` and `to`; with `stop`, paths through a `from` to another `from` do not count. */
function between(tape: Tape, from: readonly Var[], to: readonly Var[], stop = false): boolean[] {
  const last = Math.max(...to.map((v) => v.id));
  const ends = new Set(stop ? from.map((v) => v.id) : []);
  const needed = new Array<boolean>(last + 1).fill(false);
  for (const v of to) needed[v.id] = true;
  for (let id = last; id >= 0; id--) {
    if (!needed[id] || ends.has(id)) continue;
    for (const k of tape.nodes[id]!.inputs) needed[k] = true;
  }
  const active = new Array<boolean>(last + 1).fill(false);
  for (const v of from) active[v.id] = true;
  for (let id = 0; id <= last; id++) if (needed[id] && tape.nodes[id]!.inputs.some((k) => active[k])) active[id] = true;
  return active.slice(0, last + 1);
}

function derived(scope: string, how: 'adjoint' | 'tangent'): string {
  return scope === '' || scope.endsWith(`(${how})`) ? scope : `${scope} (${how})`;
}

/** Cotangent that a node hands to its input number `at`; null where the derivative is zero. */
function pullBack(tape: Tape, id: number, at: number, bar: Var): Var | null {
  const node = tape.nodes[id]!;
  const row = rowOf(node.op);
  const inputs = node.inputs.map((k) => tape.at(k));
  switch (row.kind) {
    case 'leaf':
      return null;
    case 'pointwise': {
      const partial = row.partials[at];
      return partial ? mul(bar, partial(tape.at(id), ...inputs)) : null;
    }
    case 'reduce': {
      const spread = broadcast(bar, inputs[0]!.shape);
      const mask = row.mask(tape.at(id), inputs[0]!);
      return mask ? mul(mask, spread) : spread;
    }
    case 'composite':
    case 'pick':
      throw new ShapeError('composites are differentiated as a whole');
    default:
      return row.transpose(bar, at, inputs, node.params);
  }
}

/** Tangent of a node from the tangents of its inputs; undefined where it is zero. */
function pushForward(tape: Tape, id: number, dots: ReadonlyMap<number, Var>): Var | undefined {
  const node = tape.nodes[id]!;
  const row = rowOf(node.op);
  const inputs = node.inputs.map((k) => tape.at(k));
  const moving = node.inputs.map((k) => dots.get(k));
  const terms = moving.flatMap((dot, at) => {
    if (!dot) return [];
    switch (row.kind) {
      case 'pointwise': {
        const partial = row.partials[at];
        return partial ? [mul(partial(tape.at(id), ...inputs), dot)] : [];
      }
      case 'reduce': {
        const mask = row.mask(tape.at(id), inputs[0]!);
        return [sum(mask ? mul(mask, dot) : dot, node.params['axes'] as readonly number[])];
      }
      case 'concat': {
        const parts = inputs.map((x, k) => (k === at ? dot : zeros(tape, x.shape)));
        return [tape.append('concat', parts, node.params)];
      }
      default:
        return [
          tape.append(
            node.op,
            inputs.map((x, k) => (k === at ? dot : x)),
            node.params,
          ),
        ];
    }
  });
  return terms.length > 0 ? terms.reduce(add) : undefined;
}

/**
 * The adjoint of a composite is a composite: `vjp(NAME)` of (inputs, outputs, cotangents). Its body comes from
 * differentiating the body, with what the outputs already hold taken from them instead of computed again: an output is
 * what the forward pass saves.
 */
function adjoint(tape: Tape, id: number, cotangents: readonly (Var | undefined)[], live: readonly number[]): Var[] {
  const { bars, present } = given(cotangents);
  const chosen = (outputs: readonly Var[]) => present.map((k) => outputs[k]!);
  const body = deriveBody(bodyOf(tape.nodes[id]!), chosen, (primals, outputs, extra) =>
    vjp(
      chosen(outputs),
      extra,
      live.map((k) => primals[k]!),
    ),
  );
  return derivedComposite(tape, id, 'vjp', { wrt: live }, bars, present, body);
}

/** Likewise the tangent: `jvp(NAME)` of (inputs, outputs, tangents). Returns tangents by output; absent: zero. */
function pushComposite(tape: Tape, id: number, dots: ReadonlyMap<number, Var>): Map<number, Var> {
  const node = tape.nodes[id]!;
  const { bars, present } = given(node.inputs.map((k) => dots.get(k)));
  if (bars.length === 0) return new Map();
  const chosen = (_: readonly Var[], primals: readonly Var[]) => present.map((k) => primals[k]!);
  const body = deriveBody(bodyOf(node), chosen, (primals, outputs, extra) =>
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
  const { inputs, params } = tape.nodes[id]!;
  const total = mode === 'vjp' ? bodyOf(tape.nodes[id]!).outputs.length : inputs.length;
  const partial = present.length === total ? {} : { given: present };
  const operands = [...inputs.map((k) => tape.at(k)), ...picks(tape, id), ...given];
  const name = params['name'] as string;
  const args = params['args'] as Params;
  const own: Params = /^[vj][jv]p\(/.test(name) ? { of: args } : args;
  return bind(`${mode}(${name})`, { ...own, ...extra, ...partial }, operands, body);
}

/** The outputs of a composite as values, appended anew (a simplification pass merges them with those that exist). */
function picks(tape: Tape, id: number): Var[] {
  return bodyOf(tape.nodes[id]!).outputs.map((_, index) => tape.append('pick', [tape.at(id)], { index }));
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
function recover(y: Var, saved: Var, known: Map<number, number>): void {
  if (known.has(y.id) || y.node.op === 'input' || y.node.op === 'constant') return;
  known.set(y.id, saved.id);
  const { op, inputs, params, shape } = y.node;
  const source = inputs.map((k) => y.tape.at(k));
  if (op === 'reshape') recover(source[0]!, reshape(saved, source[0]!.shape), known);
  else if (op === 'transpose') {
    const perm = params['perm'] as readonly number[];
    recover(
      source[0]!,
      transpose(
        saved,
        perm.map((_, axis) => perm.indexOf(axis)),
      ),
      known,
    );
  } else if (op === 'concat') {
    const axis = params['axis'] as number;
    let at = 0;
    for (const part of source) {
      recover(part, slice(saved, axis, at, at + part.shape[axis]!), known);
      at += part.shape[axis]!;
    }
    if (at !== shape[axis]) throw new ShapeError(`concat of ${show(shape)} does not add up`);
  }
}
