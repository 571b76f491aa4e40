/**
 * The closed vocabulary of the tape. One row holds everything about one primitive: its shape rule, its float64 meaning,
 * its WGSL spelling and its derivative. A derivative builds nodes and computes no numbers, so it can be differentiated
 * again; one entry serves both modes, since a pointwise row gives its partials and a linear row its transpose.
 */
import * as build from './build.ts';
import type { AxisMap, Helper, Linear, LinearRows, PointwiseRow, Row, Rows, ViewRows } from './row.ts';
import { broadcastShapes, checkAxis, checkShape, type Shape, ShapeError, sameShape, show, sizeOf } from './shape.ts';
import { type Node, type Operation, type OpName, type Reduction, Tape, type Var, type View } from './tape.ts';

export type { AxisMap, Helper, Partial, Row } from './row.ts';

const { neg, div, sub, square, equal, where } = build;

/** Row for f(x) with f'(x, y). */
const unary = (
  f64: (x: number) => number,
  wgsl: (x: string) => string,
  partial: (y: Var, x: Var) => Var,
  helper?: Helper,
): PointwiseRow => ({
  kind: 'pointwise',
  ...(helper && { helper }),
  f64,
  wgsl,
  partials: [partial],
});

/** As {@link unary}, spelled as a call of a helper function. */
const helped = (f64: (x: number) => number, helper: Helper, partial: (y: Var, x: Var) => Var): PointwiseRow =>
  unary(f64, (x) => `tapir_${helper}(${x})`, partial, helper);

const binary = (
  f64: (a: number, b: number) => number,
  operator: string,
  partials: readonly [(y: Var, a: Var, b: Var) => Var, (y: Var, a: Var, b: Var) => Var],
): PointwiseRow => ({
  kind: 'pointwise',
  f64,
  wgsl: (a: string, b: string) => `(${a} ${operator} ${b})`,
  partials,
});

const one = (y: Var): Var => build.full(y, 1);

export const ops: Rows = {
  input: { kind: 'leaf' },
  constant: { kind: 'leaf' },

  neg: unary(
    (x) => -x,
    (x) => `(-${x})`,
    (y) => build.full(y, -1),
  ),
  exp: helped(Math.exp, 'exp', (y) => y),
  log: helped(Math.log, 'log', (_, x) => div(1, x)),
  sin: helped(Math.sin, 'sin', (_, x) => build.cos(x)),
  cos: helped(Math.cos, 'cos', (_, x) => neg(build.sin(x))),
  tanh: helped(Math.tanh, 'tanh', (y) => sub(1, square(y))),
  sqrt: unary(
    Math.sqrt,
    (x) => `sqrt(${x})`,
    (y) => div(0.5, y),
  ),
  detach: { kind: 'pointwise', f64: (x: number) => x, wgsl: (x: string) => x, partials: [null] },

  add: binary((a, b) => a + b, '+', [one, one]),
  sub: binary((a, b) => a - b, '-', [one, (y) => build.full(y, -1)]),
  mul: binary((a, b) => a * b, '*', [(_, _a, b) => b, (_, a) => a]),
  div: binary((a, b) => a / b, '/', [(_, _a, b) => div(1, b), (y, _a, b) => neg(div(y, b))]),
  less: {
    kind: 'pointwise',
    f64: (a: number, b: number) => (a < b ? 1 : 0),
    wgsl: (a: string, b: string) => `select(0.0, 1.0, ${a} < ${b})`,
    partials: [null, null],
  },
  where: {
    kind: 'pointwise',
    f64: (c: number, a: number, b: number) => (c !== 0 ? a : b),
    wgsl: (c: string, a: string, b: string) => `select(${b}, ${a}, ${c} != 0.0)`,
    partials: [
      null,
      (_: Var, c: Var) => where(c, one(c), build.full(c, 0)),
      (_: Var, c: Var) => where(c, build.full(c, 0), one(c)),
    ],
  },

  slice: {
    kind: 'view',
    shape(x, { axis, start, stop }) {
      checkAxis(x, axis);
      if (!(Number.isInteger(start) && Number.isInteger(stop) && start >= 0 && start < stop && stop <= x[axis]!))
        throw new ShapeError(`slice ${start}:${stop} is outside axis ${axis} of ${show(x)}`);
      return x.map((extent, a) => (a === axis ? stop - start : extent));
    },
    axes: (x, { axis, start }) => x.map((_, a) => ({ axis: a, start: a === axis ? start : 0 })),
    transpose(ct, _, [x], { axis, start, stop }) {
      const edge = (extent: number) =>
        extent > 0
          ? [
              build.zeros(
                ct.tape,
                x!.shape.map((e, a) => (a === axis ? extent : e)),
              ),
            ]
          : [];
      return build.concat([...edge(start), ct, ...edge(x!.shape[axis]! - stop)], axis);
    },
  },
  broadcast: {
    kind: 'view',
    shape(x, { shape }) {
      checkShape(shape);
      if (!sameShape(broadcastShapes(x, shape), shape))
        throw new ShapeError(`cannot broadcast ${show(x)} to ${show(shape)}`);
      return shape;
    },
    axes(x, { shape: to }) {
      const lead = to.length - x.length;
      return x.map((extent, a) => ({ axis: extent === 1 && to[a + lead] !== 1 ? null : a + lead, start: 0 }));
    },
    transpose(ct, _, [x]) {
      const lead = ct.shape.length - x!.shape.length;
      const stretched = ct.shape.flatMap((extent, a) =>
        a < lead || (x!.shape[a - lead] === 1 && extent !== 1) ? [a] : [],
      );
      return build.reshape(build.sum(ct, stretched), x!.shape);
    },
  },
  transpose: {
    kind: 'view',
    shape(x, { perm }) {
      if (perm.length !== x.length || x.some((_, a) => !perm.includes(a)))
        throw new ShapeError(`${show(perm)} is not a permutation of the axes of ${show(x)}`);
      return perm.map((a) => x[a]!);
    },
    axes: (x, { perm }) => x.map((_, a) => ({ axis: perm.indexOf(a), start: 0 })),
    transpose: (ct, _, __, { perm }) =>
      build.transpose(
        ct,
        perm.map((_, a) => perm.indexOf(a)),
      ),
  },
  reshape: { kind: 'reshape', transpose: (ct, _, [x]) => build.reshape(ct, x!.shape) },
  concat: {
    kind: 'concat',
    transpose(ct, k, inputs, { axis }) {
      const start = inputs.slice(0, k).reduce((sum, x) => sum + x.shape[axis]!, 0);
      return build.slice(ct, axis, start, start + inputs[k]!.shape[axis]!);
    },
  },
  /** [...,M,K] x [...,K,N]. */
  matmul: {
    kind: 'matmul',
    transpose(ct, k, [a, b], { ta, tb }) {
      if (k === 0) return ta ? build.matmul(b!, ct, { ta: tb, tb: true }) : build.matmul(ct, b!, { tb: !tb });
      return tb ? build.matmul(ct, a!, { ta: true, tb: ta }) : build.matmul(a!, ct, { ta: !ta });
    },
  },

  sum: { kind: 'reduce', initial: 0, f64: (a, x) => a + x, wgsl: (a, x) => `(${a} + ${x})`, mask: () => null },
  max: {
    kind: 'reduce',
    initial: Number.NEGATIVE_INFINITY,
    f64: Math.max,
    wgsl: (a, x) => `tapir_max(${a}, ${x})`,
    helper: 'max',
    mask(y, x) {
      const hit = equal(x, y);
      const axes = x.shape.flatMap((extent, a) => (extent !== y.shape[a] ? [a] : []));
      return div(hit, build.sum(hit, axes));
    },
  },

  composite: { kind: 'composite' },
  pick: { kind: 'pick' },
};

const views: ViewRows = ops;
const linear: LinearRows = ops;

export const rowOf = (op: OpName): Row => ops[op];

/** An empty tape over this vocabulary. */
export const newTape = (): Tape => new Tape(shapeOf);

export const isView = (node: Node): node is Node<View> => rowOf(node.op).kind === 'view';
export const isLinear = (node: Node): node is Node<Linear> => 'transpose' in rowOf(node.op);
export const isReduction = (node: Node): node is Node<Reduction> => rowOf(node.op).kind === 'reduce';

/** Which axis of a view's result drives each axis of `from`, the shape of its operand. */
export function axesOf<K extends View>({ op, params }: Operation<K>, from: Shape): AxisMap {
  return views[op].axes(from, params);
}

/** Cotangent of operand k of a linear operation, from the cotangent of its result. */
export function transposeOf<K extends Linear>(
  { op, params }: Operation<K>,
  cotangent: Var,
  k: number,
  inputs: readonly Var[],
): Var {
  return linear[op].transpose(cotangent, k, inputs, params);
}

function viewShape<K extends View>({ op, params }: Operation<K>, x: Shape): Shape {
  return views[op].shape(x, params);
}

/** The composite that stands at `id`. */
export function compositeAt(nodes: readonly Node[], id: number): Node<'composite'> {
  const node = nodes[id]!;
  if (node.op !== 'composite') throw new TypeError(`node ${id} is ${node.op}, not a composite`);
  return node;
}

/** Shape of an operation's result. Throws {@link ShapeError} where the inputs do not fit. */
export function shapeOf(operation: Operation, inputs: readonly Node[]): Shape {
  const shapes = inputs.map((node) => node.shape);
  const x = shapes[0] ?? [];
  switch (operation.op) {
    case 'input':
    case 'constant':
      checkShape(operation.params.shape);
      return operation.params.shape;
    case 'slice':
    case 'broadcast':
    case 'transpose':
      return viewShape(operation, x);
    case 'reshape':
      checkShape(operation.params.shape);
      if (sizeOf(operation.params.shape) !== sizeOf(x))
        throw new ShapeError(`cannot reshape ${show(x)} to ${show(operation.params.shape)}: sizes differ`);
      return operation.params.shape;
    case 'concat':
      return concatShape(shapes, operation.params.axis);
    case 'sum':
    case 'max': {
      const { axes } = operation.params;
      for (const axis of axes) checkAxis(x, axis);
      return x.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
    }
    case 'matmul':
      return matmulShape(x, shapes[1]!, operation.params.ta, operation.params.tb);
    case 'composite':
      return [];
    case 'pick': {
      const { nodes, outputs } = compositeAt(inputs, 0).params.body;
      return nodes[outputs[operation.params.index]!]!.shape;
    }
    default:
      if (!shapes.every((shape) => sameShape(x, shape)))
        throw new ShapeError(`${operation.op} takes equal shapes, not ${shapes.map(show).join(' and ')}`);
      return x;
  }
}

function concatShape(inputs: readonly Shape[], axis: number): Shape {
  const x = inputs[0]!;
  checkAxis(x, axis);
  for (const other of inputs)
    if (other.length !== x.length || other.some((extent, a) => a !== axis && extent !== x[a]))
      throw new ShapeError(`cannot concatenate ${inputs.map(show).join(' and ')} along axis ${axis}`);
  return x.map((extent, a) => (a === axis ? inputs.reduce((sum, shape) => sum + shape[axis]!, 0) : extent));
}

function matmulShape(a: Shape, b: Shape, ta: boolean, tb: boolean): Shape {
  const [m, k] = ta ? [a.at(-1), a.at(-2)] : [a.at(-2), a.at(-1)];
  const [k2, n] = tb ? [b.at(-1), b.at(-2)] : [b.at(-2), b.at(-1)];
  if (m === undefined || n === undefined || k !== k2 || !sameShape(a.slice(0, -2), b.slice(0, -2)))
    throw new ShapeError(`matmul does not fit: ${show(a)}${ta ? '^T' : ''} x ${show(b)}${tb ? '^T' : ''}`);
  return [...a.slice(0, -2), m, n];
}
