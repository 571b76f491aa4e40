/** The functions one writes mathematics with. Each appends nodes to the tape of its operands. */
import { TapeError } from './error.ts';
import { broadcastShapes, checkAxis, type Shape, ShapeError, sameShape, show, sizeOf } from './shape.ts';
import { type Derivative, type Graph, graphOf, type Params, Tape, tapeOf, type Var } from './tape.ts';

export type Operand = Var | number;

/** A named input of the given shape. */
export function input(tape: Tape, name: string, shape: Shape): Var {
  return tape.append('input', [], { name, shape });
}

/** A scalar constant, possibly infinite or NaN; zero has no sign. What changes between runs (coefficients, learning rates, steps) is an input instead. */
export function constant(tape: Tape, value: number): Var {
  return tape.append('constant', [], { value: value === 0 ? 0 : value, shape: [] });
}

export function zeros(tape: Tape, shape: Shape): Var {
  return broadcast(constant(tape, 0), shape);
}

/** A constant of the shape of `like`. */
export function full(like: Var, value: number): Var {
  return broadcast(constant(like.tape, value), like.shape);
}

function lift(tape: Tape, x: Operand): Var {
  return typeof x === 'number' ? constant(tape, x) : x;
}

/** A pointwise primitive on operands broadcast to their common shape. */
function pointwise(op: 'add' | 'sub' | 'mul' | 'div' | 'less' | 'where', ...operands: readonly Operand[]): Var {
  const tape = operands.find((x) => typeof x !== 'number')?.tape;
  if (!tape) throw new ShapeError(`${op} needs at least one value of a tape among its operands`);
  const vars = operands.map((x) => lift(tape, x));
  const shape = vars.map((v) => v.shape).reduce(broadcastShapes);
  return tape.append(
    op,
    vars.map((v) => broadcast(v, shape)),
    {},
  );
}

export const add = (a: Operand, b: Operand): Var => pointwise('add', a, b);
export const sub = (a: Operand, b: Operand): Var => pointwise('sub', a, b);
export const mul = (a: Operand, b: Operand): Var => pointwise('mul', a, b);
export const div = (a: Operand, b: Operand): Var => pointwise('div', a, b);
/** 1 where a < b, else 0. */
export const less = (a: Operand, b: Operand): Var => pointwise('less', a, b);
/** a where c is not 0, else b. */
export const where = (c: Var, a: Operand, b: Operand): Var => pointwise('where', c, a, b);

export const neg = (x: Var): Var => x.tape.append('neg', [x], {});
export const exp = (x: Var): Var => x.tape.append('exp', [x], {});
export const log = (x: Var): Var => x.tape.append('log', [x], {});
export const sin = (x: Var): Var => x.tape.append('sin', [x], {});
export const cos = (x: Var): Var => x.tape.append('cos', [x], {});
export const tanh = (x: Var): Var => x.tape.append('tanh', [x], {});
export const sqrt = (x: Var): Var => x.tape.append('sqrt', [x], {});

/** x, with a derivative of zero: what it is computed from is taken for a constant. */
export const detach = (x: Var): Var => x.tape.append('detach', [x], {});

export const square = (x: Var): Var => mul(x, x);
export const abs = (x: Var): Var => where(less(x, 0), neg(x), x);
export const sinh = (x: Var): Var => mul(0.5, sub(exp(x), exp(neg(x))));
export const cosh = (x: Var): Var => mul(0.5, add(exp(x), exp(neg(x))));
/** 1 where neither a < b nor b < a, so also where one of them is NaN; else 0. */
export const equal = (a: Operand, b: Operand): Var => sub(sub(1, less(a, b)), less(b, a));

export function slice(x: Var, axis: number, start: number, stop: number): Var {
  return start === 0 && stop === x.shape[axis] ? x : x.tape.append('slice', [x], { axis, start, stop });
}

/** One index of an axis, which disappears. */
export function index(x: Var, axis: number, at: number): Var {
  const part = slice(x, axis, at, at + 1);
  return reshape(
    part,
    x.shape.filter((_, a) => a !== axis),
  );
}

export function broadcast(x: Var, shape: Shape): Var {
  return sameShape(x.shape, shape) ? x : x.tape.append('broadcast', [x], { shape });
}

export function transpose(x: Var, perm: readonly number[]): Var {
  return perm.length === x.shape.length && perm.every((from, to) => from === to)
    ? x
    : x.tape.append('transpose', [x], { perm });
}

export function reshape(x: Var, shape: Shape): Var {
  return sameShape(x.shape, shape) ? x : x.tape.append('reshape', [x], { shape });
}

export function concat(parts: readonly Var[], axis: number): Var {
  const [first] = parts;
  if (!first) throw new ShapeError('concat needs at least one part');
  checkAxis(first.shape, axis);
  return parts.length === 1 ? first : first.tape.append('concat', parts, { axis });
}

/** Parts of equal shape along a new axis. */
export function stack(parts: readonly Var[], axis: number): Var {
  return concat(
    parts.map((x) => reshape(x, [...x.shape.slice(0, axis), 1, ...x.shape.slice(axis)])),
    axis,
  );
}

/** Sum over `axes` (all by default), which stay with extent 1 unless `keep` is false. */
export function sum(x: Var, axes?: readonly number[], keep = true): Var {
  return reduce('sum', x, axes, keep);
}

/** Largest element over `axes` (all by default), NaN if one is. Where several are equal the derivative is shared evenly. */
export function max(x: Var, axes?: readonly number[], keep = true): Var {
  return reduce('max', x, axes, keep);
}

function reduce(op: 'sum' | 'max', x: Var, some: readonly number[] | undefined, keep: boolean): Var {
  const axes = some ?? x.shape.map((_, axis) => axis);
  const reduced = axes.length === 0 ? x : x.tape.append(op, [x], { axes });
  return keep
    ? reduced
    : reshape(
        reduced,
        x.shape.filter((_, axis) => !axes.includes(axis)),
      );
}

export function mean(x: Var, axes?: readonly number[], keep = true): Var {
  const total = sum(x, axes, keep);
  return mul(total, sizeOf(total.shape) / sizeOf(x.shape));
}

/** [...,M,K] x [...,K,N]; `ta`, `tb` swap the last two axes of an operand first. */
export function matmul(a: Var, b: Var, { ta = false, tb = false } = {}): Var {
  return a.tape.append('matmul', [a, b], { ta, tb });
}

/**
 * A named piece of tape: evaluated and differentiated through its body, run by the kernel of that name where the
 * library has one, inlined otherwise. `args` parametrise the kernel.
 */
export function composite(
  name: string,
  args: Params,
  inputs: readonly Var[],
  body: (inputs: Var[]) => readonly Var[],
): Var[] {
  const inner = new Tape(tapeOf(`composite ${name}: an input`, inputs).rule);
  for (const own of DERIVED)
    if (own in args)
      throw new TapeError(`composite ${name}: the argument ${own} belongs to derivatives`, { remedy: 'rename it' });
  const formal = inputs.map((v, k) => input(inner, `in${k}`, v.shape));
  const outputs = body(formal);
  tapeOf(`composite ${name}: an output of its body`, [...formal, ...outputs]);
  return bind(name, args, inputs, graphOf(formal, outputs));
}

/** What a derivative adds to the arguments of its composite: whose arguments, and which inputs and outputs take part. */
const DERIVED = ['of', 'wrt', 'given'];

/** A composite node with a body that exists already; `derivative` marks an adjoint or tangent. Returns its outputs. */
export function bind(name: string, args: Params, inputs: readonly Var[], body: Graph, derivative?: Derivative): Var[] {
  const tape = tapeOf(`composite ${name}: an input`, inputs);
  if (body.outputs.length === 0) throw new TapeError(`composite ${name} has no outputs`);
  const [given, taken] = [inputs.map((v) => v.shape), body.inputs.map((id) => body.nodes[id]!.shape)];
  if (given.length !== taken.length || !given.every((shape, k) => sameShape(shape, taken[k]!)))
    throw new ShapeError(`composite ${name} takes ${taken.map(show).join(' ')}, not ${given.map(show).join(' ')}`);
  const node = tape.append('composite', inputs, { name, args, body, ...(derivative && { derivative }) });
  return body.outputs.map((_, index) => tape.append('pick', [node], { index }));
}
