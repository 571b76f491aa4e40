/**
 * Derivatives. Each function appends nodes to the tape its arguments live on and returns values of that tape, so
 * derivatives nest to any order without a further concept: `vjp` of `jvp` of `vjp` is three calls.
 */
import { add, broadcast, concat, constant, full, mul, reshape, stack, sum, transpose, zeros } from './build.ts';
import { compositeAdjoint, compositeTangent } from './composite.ts';
import { compositeAt, isLinear, isReduction, rowOf, transposeOf } from './ops.ts';
import { ShapeError, show, sizeOf } from './shape.ts';
import type { Tape, Var } from './tape.ts';

/** A value for each of `X`; a list whose length is known gives one of the same length. */
export type Each<X extends readonly Var[]> = { -readonly [K in keyof X]: Var };

/**
 * Vector-Jacobian product, reverse mode: for each of `wrt`, sum over outputs of cotangent^T d(output)/d(wrt), in the
 * shape of that `wrt`. One backward sweep whatever the number of `wrt`.
 */
export function vjp<const X extends readonly Var[]>(
  outputs: readonly Var[],
  cotangents: readonly Var[],
  wrt: X,
): Each<X>;
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
        const bundle = tuples.get(of) ?? compositeAt(tape.nodes, of).params.body.outputs.map(() => undefined);
        const at = node.params.index;
        const sofar = bundle[at];
        bundle[at] = sofar && bar ? add(sofar, bar) : (bar ?? sofar);
        tuples.set(of, bundle);
      } else if (tuple) {
        const live = node.inputs.flatMap((k, at) => (active[k] ? [at] : []));
        compositeAdjoint(tape, id, tuple, live, vjp).forEach((x, k) => {
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
export function jvp<const Y extends readonly Var[]>(outputs: Y, seeds: readonly { of: Var; tangent: Var }[]): Each<Y>;
export function jvp(outputs: readonly Var[], seeds: readonly { of: Var; tangent: Var }[]): Var[] {
  const tape = outputs[0]!.tape;
  const dots = tangents(outputs, seeds);
  return outputs.map((y) => dots.get(y.id) ?? zeros(tape, y.shape));
}

/** Gradient of a scalar with respect to each of `wrt`. */
export function grad<const X extends readonly Var[]>(loss: Var, wrt: X): Each<X> {
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
      ? reshape(vjp([y], [oneHot(y, at)], [x])[0], [n])
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
      if (node.op === 'composite') tuples.set(id, compositeTangent(tape, id, dots, jvp));
      else {
        const dot =
          node.op === 'pick' ? tuples.get(node.inputs[0]!)?.get(node.params.index) : pushForward(tape, id, dots);
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
  if (isLinear(node)) return transposeOf(node, bar, at, inputs);
  switch (row.kind) {
    case 'pointwise': {
      const partial = row.partials[at];
      return partial ? mul(bar, partial(tape.at(id), ...inputs)) : null;
    }
    case 'reduce': {
      const spread = broadcast(bar, inputs[0]!.shape);
      const mask = row.mask(tape.at(id), inputs[0]!);
      return mask ? mul(mask, spread) : spread;
    }
    default:
      throw new TypeError(`${node.op} hands nothing to an operand`);
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
    if (row.kind === 'pointwise') {
      const partial = row.partials[at];
      return partial ? [mul(partial(tape.at(id), ...inputs), dot)] : [];
    }
    if (row.kind === 'reduce' && isReduction(node)) {
      const mask = row.mask(tape.at(id), inputs[0]!);
      return [sum(mask ? mul(mask, dot) : dot, node.params.axes)];
    }
    const rest = (x: Var) => (node.op === 'concat' ? zeros(tape, x.shape) : x);
    return [
      tape.apply(
        node,
        inputs.map((x, k) => (k === at ? dot : rest(x))),
      ),
    ];
  });
  return terms.length > 0 ? terms.reduce(add) : undefined;
}
