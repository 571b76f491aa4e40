/**
 * The closed vocabulary of the tape. One row holds everything about one primitive: its shape rule, its float64 meaning,
 * its WGSL spelling and its derivative. A derivative builds nodes and computes no numbers, so it can be differentiated
 * again; one entry serves both modes, since a pointwise row gives its partials and a linear row its transpose.
 */
import * as build from './build.ts';
import { broadcastShapes, checkAxis, type Shape, ShapeError, sameShape, show, sizeOf } from './shape.ts';
import { type Graph, type Node, type OpName, type Params, Tape, type Var } from './tape.ts';

/** For each input axis of a view: the output axis that drives it (null: fixed) and where it starts. */
export type AxisMap = readonly { readonly axis: number | null; readonly start: number }[];

/** d(output)/d(input k) as nodes, from the output y and the inputs x; null where it is zero everywhere. */
export type Partial = ((y: Var, ...x: Var[]) => Var) | null;

interface Linear {
  /** Cotangent of input k, from the cotangent of the output. The row must be linear in each input that has one. */
  transpose(cotangent: Var, k: number, inputs: readonly Var[], params: Params): Var;
}

export type Row =
  | { kind: 'leaf' }
  | { kind: 'pointwise'; f64(...x: number[]): number; wgsl(...x: string[]): string; partials: readonly Partial[] }
  | ({ kind: 'view'; shape(x: Shape, params: Params): Shape; axes(x: Shape, params: Params): AxisMap } & Linear)
  | ({ kind: 'reshape' } & Linear)
  | ({ kind: 'concat' } & Linear)
  | {
      kind: 'reduce';
      initial: number;
      f64(accumulated: number, x: number): number;
      wgsl(accumulated: string, x: string): string;
      /** Which elements carry the result's derivative, with their weights, shaped as x. */
      mask(y: Var, x: Var): Var | null;
    }
  | ({ kind: 'matmul' } & Linear)
  | { kind: 'composite' }
  | { kind: 'pick' };

const { neg, div, sub, square, equal, where } = build;

/** Row for f(x) with f'(x, y). */
const unary = (f64: (x: number) => number, wgsl: (x: string) => string, partial: (y: Var, x: Var) => Var): Row => ({
  kind: 'pointwise',
  f64: f64 as (...x: number[]) => number,
  wgsl: wgsl as (...x: string[]) => string,
  partials: [partial as Partial],
});

const binary = (
  f64: (a: number, b: number) => number,
  operator: string,
  partials: readonly [(y: Var, a: Var, b: Var) => Var, (y: Var, a: Var, b: Var) => Var],
): Row => ({
  kind: 'pointwise',
  f64: f64 as (...x: number[]) => number,
  wgsl: ((a: string, b: string) => `(${a} ${operator} ${b})`) as (...x: string[]) => string,
  partials: partials as readonly Partial[],
});

const one = (y: Var): Var => build.full(y, 1);

export const ops = {
  input: { kind: 'leaf' },
  constant: { kind: 'leaf' },

  neg: unary(
    (x) => -x,
    (x) => `(-${x})`,
    (y) => build.full(y, -1),
  ),
  exp: unary(
    Math.exp,
    (x) => `exp(${x})`,
    (y) => y,
  ),
  log: unary(
    Math.log,
    (x) => `log(${x})`,
    (_, x) => div(1, x),
  ),
  sin: unary(
    Math.sin,
    (x) => `sin(${x})`,
    (_, x) => build.cos(x),
  ),
  cos: unary(
    Math.cos,
    (x) => `cos(${x})`,
    (_, x) => neg(build.sin(x)),
  ),
  tanh: unary(
    Math.tanh,
    (x) => `tapir_tanh(${x})`,
    (y) => sub(1, square(y)),
  ),
  sqrt: unary(
    Math.sqrt,
    (x) => `sqrt(${x})`,
    (y) => div(0.5, y),
  ),

  add: binary((a, b) => a + b, '+', [one, one]),
  sub: binary((a, b) => a - b, '-', [one, (y) => build.full(y, -1)]),
  mul: binary((a, b) => a * b, '*', [(_, _a, b) => b, (_, a) => a]),
  div: binary((a, b) => a / b, '/', [(_, _a, b) => div(1, b), (y, _a, b) => neg(div(y, b))]),
  less: {
    kind: 'pointwise',
    f64: ((a: number, b: number) => (a < b ? 1 : 0)) as (...x: number[]) => number,
    wgsl: ((a: string, b: string) => `select(0.0, 1.0, ${a} < ${b})`) as (...x: string[]) => string,
    partials: [null, null],
  },
  where: {
    kind: 'pointwise',
    f64: ((c: number, a: number, b: number) => (c !== 0 ? a : b)) as (...x: number[]) => number,
    wgsl: ((c: string, a: string, b: string) => `select(${b}, ${a}, ${c} != 0.0)`) as (...x: string[]) => string,
    partials: [
      null,
      ((_: Var, c: Var) => where(c, one(c), build.full(c, 0))) as Partial,
      ((_: Var, c: Var) => where(c, build.full(c, 0), one(c))) as Partial,
    ],
  },

  /** params: axis, start, stop. */
  slice: {
    kind: 'view',
    shape(x, { axis, start, stop }) {
      checkAxis(x, axis as number);
      if (!((start as number) >= 0 && (start as number) < (stop as number) && (stop as number) <= x[axis as number]!))
        throw new ShapeError(`slice ${start}:${stop} is outside axis ${axis} of ${show(x)}`);
      return x.map((extent, a) => (a === axis ? (stop as number) - (start as number) : extent));
    },
    axes: (x, { axis, start }) => x.map((_, a) => ({ axis: a, start: a === axis ? (start as number) : 0 })),
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
      const extent = x!.shape[axis as number]!;
      return build.concat([...edge(start as number), ct, ...edge(extent - (stop as number))], axis as number);
    },
  },
  /** params: shape, to which the input's shape is aligned at the last axis. */
  broadcast: {
    kind: 'view',
    shape(x, { shape }) {
      if (!sameShape(broadcastShapes(x, shape as Shape), shape as Shape))
        throw new ShapeError(`cannot broadcast ${show(x)} to ${show(shape as Shape)}`);
      return shape as Shape;
    },
    axes(x, { shape }) {
      const to = shape as Shape;
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
  /** params: perm; output axis a is input axis perm[a]. */
  transpose: {
    kind: 'view',
    shape(x, { perm }) {
      const order = perm as readonly number[];
      if (order.length !== x.length || x.some((_, a) => !order.includes(a)))
        throw new ShapeError(`${show(order)} is not a permutation of the axes of ${show(x)}`);
      return order.map((a) => x[a]!);
    },
    axes: (x, { perm }) => x.map((_, a) => ({ axis: (perm as readonly number[]).indexOf(a), start: 0 })),
    transpose(ct, _, __, { perm }) {
      const order = perm as readonly number[];
      return build.transpose(
        ct,
        order.map((_, a) => order.indexOf(a)),
      );
    },
  },
  /** params: shape of the same size. */
  reshape: { kind: 'reshape', transpose: (ct, _, [x]) => build.reshape(ct, x!.shape) },
  /** params: axis. */
  concat: {
    kind: 'concat',
    transpose(ct, k, inputs, { axis }) {
      const start = inputs.slice(0, k).reduce((sum, x) => sum + x.shape[axis as number]!, 0);
      return build.slice(ct, axis as number, start, start + inputs[k]!.shape[axis as number]!);
    },
  },

  /** params: axes; they stay with extent 1. */
  sum: { kind: 'reduce', initial: 0, f64: (a, x) => a + x, wgsl: (a, x) => `(${a} + ${x})`, mask: () => null },
  max: {
    kind: 'reduce',
    initial: Number.NEGATIVE_INFINITY,
    f64: Math.max,
    wgsl: (a, x) => `max(${a}, ${x})`,
    mask(y, x) {
      const hit = equal(x, y);
      const axes = x.shape.flatMap((extent, a) => (extent !== y.shape[a] ? [a] : []));
      return div(hit, build.sum(hit, axes));
    },
  },
  /** params: ta, tb; [...,M,K] x [...,K,N], each with its last two axes swapped when marked. */
  matmul: {
    kind: 'matmul',
    transpose(ct, k, [a, b], { ta, tb }) {
      if (k === 0)
        return ta ? build.matmul(b!, ct, { ta: tb as boolean, tb: true }) : build.matmul(ct, b!, { tb: !tb });
      return tb ? build.matmul(ct, a!, { ta: true, tb: ta as boolean }) : build.matmul(a!, ct, { ta: !ta });
    },
  },

  composite: { kind: 'composite' },
  pick: { kind: 'pick' },
} satisfies Record<OpName, Row>;

export const rowOf = (op: OpName): Row => ops[op];

/** An empty tape over this vocabulary. */
export const newTape = (): Tape => new Tape(shapeOf);

/** The body of a composite node. */
export const bodyOf = (node: Node): Graph => node.params['body'] as Graph;

/** Output shape of one primitive. Throws {@link ShapeError} where the inputs do not fit. */
export function shapeOf(op: OpName, inputs: readonly Node[], params: Params): Shape {
  const row = rowOf(op);
  const x = inputs[0]?.shape ?? [];
  const shapes = inputs.map((node) => node.shape);
  switch (row.kind) {
    case 'leaf':
      return params['shape'] as Shape;
    case 'pointwise':
      if (!shapes.every((shape) => sameShape(x, shape)))
        throw new ShapeError(`${op} takes equal shapes, not ${shapes.map(show).join(' and ')}`);
      return x;
    case 'view':
      return row.shape(x, params);
    case 'reshape':
      if (sizeOf(params['shape'] as Shape) !== sizeOf(x))
        throw new ShapeError(`cannot reshape ${show(x)} to ${show(params['shape'] as Shape)}: sizes differ`);
      return params['shape'] as Shape;
    case 'concat':
      return concatShape(shapes, params['axis'] as number);
    case 'reduce':
      for (const axis of params['axes'] as readonly number[]) checkAxis(x, axis);
      return x.map((extent, axis) => ((params['axes'] as readonly number[]).includes(axis) ? 1 : extent));
    case 'matmul':
      return matmulShape(x, shapes[1]!, params['ta'] as boolean, params['tb'] as boolean);
    case 'composite':
      return [];
    case 'pick': {
      const body = bodyOf(inputs[0]!);
      return body.nodes[body.outputs[params['index'] as number]!]!.shape;
    }
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
