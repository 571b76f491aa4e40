/**
 * Derivatives. Each function appends nodes to the tape its arguments live on and returns values of that tape, so
 * derivatives nest to any order without a further concept: `vjp` of `jvp` of `vjp` is three calls.
 */
import { add, broadcast, concat, constant, full, mul, reshape, stack, sum, transpose, zeros } from './build.ts';
import { compositeAdjoint, compositeTangent } from './composite.ts';
import { TapeError } from './error.ts';
import { gather, type SliceBar } from './gather.ts';
import { compositeAt, isLinear, isReduction, rowOf, transposeOf } from './ops.ts';
import { ShapeError, sameShape, show, sizeOf } from './shape.ts';
import { type Tape, tapeOf, type Var } from './tape.ts';

/** So many slices of one value hand it their cotangents each on its own; those of more are gathered. */
const FEW = 16;
const NONE: ReadonlySet<number> = new Set();

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
  if (outputs.length === 0) throw new TapeError('vjp needs at least one output');
  if (outputs.length !== cotangents.length)
    throw new TapeError(`vjp takes one cotangent for each output: ${outputs.length}, not ${cotangents.length}`);
  const tape = tapeOf('vjp: an output, cotangent or wrt', [...outputs, ...cotangents, ...wrt]);
  const active = between(tape, wrt, outputs);
  const bars = new Map<number, Var>();
  const tuples = new Map<number, (Var | undefined)[]>();
  const accumulate = (id: number, bar: Var) => {
    const sofar = bars.get(id);
    bars.set(id, sofar ? add(sofar, bar) : bar);
  };
  const slices = new Map<number, SliceBar[]>();
  const counts = new Map<number, number>();
  const crowded = (id: number): boolean => {
    const count = (counts.get(id) ?? 0) + 1;
    counts.set(id, count);
    return count > FEW;
  };
  /** The cotangent of a node, once all that it hands to has been visited. */
  const barOf = (id: number): Var | undefined => {
    const waiting = slices.get(id);
    slices.delete(id);
    for (const bar of waiting ? gather(tape, tape.nodes[id]!.shape, waiting) : []) accumulate(id, bar);
    return bars.get(id);
  };
  outputs.forEach((y, k) => {
    checkLike(y, 'cotangent', cotangents[k]!);
    if (active.has(y.id)) accumulate(y.id, cotangents[k]!);
  });
  for (const id of [...active].reverse()) {
    const bar = barOf(id);
    const tuple = tuples.get(id);
    const node = tape.nodes[id]!;
    if (!bar && !tuple) continue;
    const scope = derived(node.scope, 'adjoint');
    tape.provenance(scope, () => {
      if (node.op === 'pick') {
        const of = node.inputs[0]!;
        const bundle = tuples.get(of) ?? compositeAt(tape.nodes, of).params.body.outputs.map(() => undefined);
        const at = node.params.index;
        const sofar = bundle[at];
        bundle[at] = sofar && bar ? add(sofar, bar) : (bar ?? sofar);
        tuples.set(of, bundle);
      } else if (tuple) {
        const live = node.inputs.flatMap((k, at) => (active.has(k) ? [at] : []));
        compositeAdjoint(tape, id, tuple, live, vjp).forEach((x, k) => {
          accumulate(node.inputs[live[k]!]!, x);
        });
      } else if (node.op === 'slice' && bar && crowded(node.inputs[0]!)) {
        const of = node.inputs[0]!;
        const waiting = slices.get(of) ?? [];
        waiting.push({ ...node.params, bar, scope });
        slices.set(of, waiting);
      } else {
        node.inputs.forEach((k, at) => {
          const x = active.has(k) ? pullBack(tape, id, at, bar!) : null;
          if (x) accumulate(k, x);
        });
      }
    });
  }
  return wrt.map((x) => barOf(x.id) ?? zeros(tape, x.shape));
}

/**
 * Jacobian-vector product, forward mode: the total derivative d(output)/d(of) applied to each seed's tangent, summed over
 * the seeds, for each output. It is the transpose of {@link vjp}, also where one seeded value depends on another.
 */
export function jvp<const Y extends readonly Var[]>(outputs: Y, seeds: readonly { of: Var; tangent: Var }[]): Each<Y>;
export function jvp(outputs: readonly Var[], seeds: readonly { of: Var; tangent: Var }[]): Var[] {
  if (outputs.length === 0) throw new TapeError('jvp needs at least one output');
  const values = [...outputs, ...seeds.flatMap(({ of, tangent }) => [of, tangent])];
  const tape = tapeOf('jvp: an output, seed or tangent', values);
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

/**
 * The tangents of nodes that depend on the seeds (absent: zero). A seed adds to what comes from other seeds; but a node
 * among `ends` keeps its seed, or has no tangent, whatever it depends on.
 */
export function tangents(
  outputs: readonly Var[],
  seeds: readonly { of: Var; tangent: Var }[],
  ends: ReadonlySet<number> = NONE,
): Map<number, Var> {
  const dots = new Map<number, Var>();
  const accumulate = (id: number, dot: Var) => {
    const sofar = dots.get(id);
    dots.set(id, sofar ? add(sofar, dot) : dot);
  };
  for (const { of, tangent } of seeds) {
    checkLike(of, 'tangent', tangent);
    accumulate(of.id, tangent);
  }
  const { tape } = outputs[0]!;
  const from = seeds.map((seed) => seed.of);
  const tuples = new Map<number, Map<number, Var>>();
  for (const id of between(tape, from, outputs, ends)) {
    if (ends.has(id)) continue;
    const node = tape.nodes[id]!;
    tape.provenance(derived(node.scope, 'tangent'), () => {
      if (node.op === 'composite') tuples.set(id, compositeTangent(tape, id, dots, jvp));
      else {
        const dot =
          node.op === 'pick' ? tuples.get(node.inputs[0]!)?.get(node.params.index) : pushForward(tape, id, dots);
        if (dot) accumulate(id, dot);
      }
    });
  }
  return dots;
}

function checkLike(value: Var, what: 'cotangent' | 'tangent', given: Var): void {
  if (!sameShape(value.shape, given.shape))
    throw new ShapeError(`the ${what} of ${show(value.shape)} has shape ${show(given.shape)}`);
}

/** What lies between `from` and `to`, in the order of the tape. Paths through one of `ends` do not count. */
export function between(
  tape: Tape,
  from: readonly Var[],
  to: readonly Var[],
  ends: ReadonlySet<number> = NONE,
): Set<number> {
  const starts = new Set(from.map((v) => v.id));
  const first = from.reduce((least, { id }) => Math.min(least, id), Number.POSITIVE_INFINITY);
  const found = new Set(to.flatMap(({ id }) => (id >= first ? [id] : [])));
  // A set hands out what is added while it is walked through.
  for (const id of found) if (!ends.has(id)) for (const k of tape.nodes[id]!.inputs) if (k >= first) found.add(k);
  const active = new Set<number>();
  for (const id of Uint32Array.from(found).sort())
    if (starts.has(id) || tape.nodes[id]!.inputs.some((k) => active.has(k))) active.add(id);
  return active;
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
