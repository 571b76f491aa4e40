/**
 * Second-order forward derivatives: one pass carries {primal, first derivatives, second derivatives or their Laplacian}
 * through the tape. For few coordinates this costs a small multiple of the primal, where reverse over reverse pays for
 * a tape of the tape. It equals `jvp` of `jvp`; the rules come from the same rows.
 */
import { add, full, mul, sum, zeros } from './build.ts';
import { between, tangents } from './derive.ts';
import { TapeError } from './error.ts';
import { isReduction, rowOf } from './ops.ts';
import { ShapeError, sameShape, show } from './shape.ts';
import { inlineNodes, type Tape, tapeOf, type Var } from './tape.ts';

export interface Jet<C extends string = string> {
  readonly value: Var;
  /** d/dc by coordinate name, shaped as the value. */
  readonly first: Readonly<Record<C, Var>>;
  /** d2/dadb by pair of names, `xx`, `xy`. */
  readonly second: Readonly<Record<string, Var>>;
  /** Sum of d2/dc2 over all coordinates, when asked for. */
  readonly laplacian?: Var;
}

export interface Wanted<C extends string> {
  readonly second?: readonly (readonly [C, C])[];
  readonly laplacian?: boolean;
}

/** Derivatives that a node carries; undefined is zero. `second` follows the wanted pairs, then the Laplacian. */
interface Carried {
  readonly first: readonly (Var | undefined)[];
  readonly second: readonly (Var | undefined)[];
}
/** A second-order slot: the pairs of coordinates it sums over. */
type Slot = readonly (readonly [number, number])[];

/**
 * Jets of `outputs` along coordinates that are values of the tape of equal shape, none of which depends on another; the
 * derivative of a coordinate along itself is one in every element, so elements must be independent points. Throws
 * {@link ShapeError} on an unknown name and on shapes that differ, {@link TapeError} on coordinates that depend on each
 * other and on second derivatives whose names collide.
 */
export function jet<C extends string>(
  outputs: readonly Var[],
  coordinates: Readonly<Record<C, Var>>,
  wanted: Wanted<C> = {},
): Jet<C>[] {
  const names = Object.keys(coordinates) as C[];
  const tape = tapeOf('jet: an output or coordinate', [...outputs, ...names.map((name) => coordinates[name])]);
  checkCoordinates(tape, coordinates);
  const place = (name: C) => {
    if (!names.includes(name)) throw new ShapeError(`no coordinate ${name}; there are ${names.join(', ')}`);
    return names.indexOf(name);
  };
  const pairs = wanted.second ?? [];
  checkNames(pairs);
  const slots: Slot[] = pairs.map(([a, b]) => [[place(a), place(b)]]);
  if (wanted.laplacian) slots.push(names.map((_, c) => [c, c] as const));
  const carried = new Map<number, Carried>();
  names.forEach((name, at) => {
    const x = coordinates[name];
    carried.set(x.id, {
      first: names.map((_, c) => (c === at ? full(x, 1) : undefined)),
      second: slots.map(() => undefined),
    });
  });
  const last = outputs.reduce((most, { id }) => Math.max(most, id), 0);
  propagate(tape, 0, last + 1, carried, slots);
  return outputs.map((value) => {
    const state = carried.get(value.id);
    const or0 = (v: Var | undefined) => v ?? zeros(tape, value.shape);
    const second = Object.fromEntries(pairs.map((pair, k) => [pair.join(''), or0(state?.second[k])]));
    return {
      value,
      first: Object.fromEntries(names.map((name, c) => [name, or0(state?.first[c])])) as Record<C, Var>,
      second,
      ...(wanted.laplacian ? { laplacian: or0(state?.second[pairs.length]) } : {}),
    };
  });
}

function checkCoordinates(tape: Tape, coordinates: Readonly<Record<string, Var>>): void {
  const all = Object.entries(coordinates);
  const values = all.map(([, x]) => x);
  const active = between(tape, values, values);
  all.forEach(([name, x], at) => {
    const [other, first] = all[0]!;
    if (!sameShape(x.shape, first.shape))
      throw new ShapeError(
        `coordinates have equal shapes; ${other} is ${show(first.shape)} and ${name} is ${show(x.shape)}`,
      );
    const twin = all.slice(0, at).find(([, y]) => y.id === x.id);
    if (twin) throw new TapeError(`coordinates ${twin[0]} and ${name} are one value`, { remedy: 'leave one out' });
    if (x.node.inputs.some((k) => active.has(k)))
      throw new TapeError(`coordinate ${name} depends on another coordinate`, {
        remedy: 'make it an input, or take derivatives with respect to what it is computed from',
      });
  });
}

function checkNames(pairs: readonly (readonly [string, string])[]): void {
  const seen = new Map<string, string>();
  for (const pair of pairs) {
    const [key, text] = [pair.join(''), pair.join(' ')];
    const other = seen.get(key);
    if (other !== undefined && other !== text)
      throw new TapeError(`the second derivatives along ${other} and along ${text} would both be named ${key}`, {
        remedy: 'rename a coordinate',
      });
    seen.set(key, text);
  }
}

function propagate(tape: Tape, from: number, to: number, carried: Map<number, Carried>, slots: readonly Slot[]): void {
  const tuples = new Map<number, readonly (Var | undefined)[]>();
  for (let id = from; id < to; id++) {
    const node = tape.nodes[id]!;
    if (carried.has(id) || !node.inputs.some((k) => carried.has(k) || tuples.has(k))) continue;
    tape.provenance(node.scope, () => {
      if (node.op === 'composite') {
        const start = tape.nodes.length;
        const { body } = node.params;
        const places = inlineNodes(
          tape,
          body,
          node.inputs.map((k) => tape.at(k)),
        );
        propagate(tape, start, tape.nodes.length, carried, slots);
        tuples.set(
          id,
          body.outputs.map((k) => places[k]),
        );
      } else if (node.op === 'pick') {
        const inner = tuples.get(node.inputs[0]!)?.[node.params.index];
        const state = inner && carried.get(inner.id);
        if (state) carried.set(id, state);
      } else carried.set(id, push(tape, id, carried, slots));
    });
  }
}

function push(tape: Tape, id: number, carried: ReadonlyMap<number, Carried>, slots: readonly Slot[]): Carried {
  const node = tape.nodes[id]!;
  const row = rowOf(node.op);
  const x = node.inputs.map((k) => tape.at(k));
  const states = node.inputs.map((k) => carried.get(k));
  const coordinates = states.find((state) => state)!.first.length;
  const dx = (k: number, c: number) => states[k]?.first[c];

  if (row.kind === 'pointwise') {
    const partials = row.partials.map((rule, k) => (rule && states[k] ? rule(tape.at(id), ...x) : undefined));
    const first = range(coordinates).map((c) => plus(partials.map((p, k) => times(p, dx(k, c)))));
    const own = new Set([id, ...node.inputs]);
    /** Derivative of the partial number k along coordinate c. */
    const bend = range(coordinates).map((c) => {
      const seeds = new Map([...node.inputs.map((of, k) => [of, dx(k, c)] as const), [id, first[c]]]);
      const moving = [...seeds].flatMap(([of, tangent]) => (tangent ? [{ of: tape.at(of), tangent }] : []));
      const along = partials.flatMap((p) => (p ? [p] : []));
      const dots = moving.length > 0 && along.length > 0 ? tangents(along, moving, own) : new Map<number, Var>();
      return partials.map((p) => p && dots.get(p.id));
    });
    const second = slots.map((slot, s) =>
      plus([
        ...partials.map((p, k) => times(p, states[k]?.second[s])),
        ...slot.flatMap(([a, b]) => partials.map((_, k) => times(bend[a]![k], dx(k, b)))),
      ]),
    );
    return { first, second };
  }
  if (node.op === 'matmul') {
    const [a, b] = x as [Var, Var];
    const product = (l: Var | undefined, r: Var | undefined) => (l && r ? tape.apply(node, [l, r]) : undefined);
    const first = range(coordinates).map((c) => plus([product(dx(0, c), b), product(a, dx(1, c))]));
    const second = slots.map((slot, s) =>
      plus([
        product(states[0]?.second[s], b),
        product(a, states[1]?.second[s]),
        ...slot.flatMap(([i, j]) => [product(dx(0, i), dx(1, j)), product(dx(0, j), dx(1, i))]),
      ]),
    );
    return { first, second };
  }
  const linear = (parts: (Var | undefined)[]): Var | undefined => {
    if (parts.every((part) => !part)) return undefined;
    if (row.kind === 'reduce' && isReduction(node)) {
      const mask = row.mask(tape.at(id), x[0]!);
      return sum(mask ? mul(mask, parts[0]!) : parts[0]!, node.params.axes);
    }
    return tape.apply(
      node,
      parts.map((part, k) => part ?? zeros(tape, x[k]!.shape)),
    );
  };
  return {
    first: range(coordinates).map((c) => linear(states.map((state) => state?.first[c]))),
    second: slots.map((_, s) => linear(states.map((state) => state?.second[s]))),
  };
}

const range = (n: number) => Array.from({ length: n }, (_, k) => k);
const times = (a: Var | undefined, b: Var | undefined) => (a && b ? mul(a, b) : undefined);

function plus(terms: readonly (Var | undefined)[]): Var | undefined {
  const present = terms.flatMap((term) => (term ? [term] : []));
  return present.length > 0 ? present.reduce(add) : undefined;
}
