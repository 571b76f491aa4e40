import { describe, expect, it } from 'vitest';
import {
  add,
  broadcast,
  composite,
  concat,
  constant,
  cos,
  detach,
  div,
  exp,
  full,
  grad,
  index,
  input,
  jvp,
  less,
  log,
  matmul,
  max,
  mul,
  neg,
  newTape,
  type OpName,
  ops,
  reshape,
  sin,
  slice,
  sqrt,
  square,
  sub,
  sum,
  tanh,
  transpose,
  type Var,
  where,
} from '../../engine/tape/index.ts';
import { checkGrads } from '../support/checkGrads.ts';
import { generator, numbersOf, spread, type Tensor, uniform } from '../support/tensors.ts';

interface Case {
  readonly name: string;
  readonly f: (x: Var[]) => Var | readonly Var[];
  readonly inputs: readonly Tensor[];
}

const random = generator(2024);
const any = (...shape: number[]) => uniform(shape, random);
const positive = (...shape: number[]) => uniform(shape, random, 0.5, 2);
const apart = (...shape: number[]) => spread(shape, random);

function unary(f: (x: Var) => Var, draw: (...shape: number[]) => Tensor = any): Case[] {
  return [[], [1], [5], [2, 1, 3]].map((shape) => ({
    name: `[${shape}]`,
    f: ([x]) => f(x!),
    inputs: [draw(...shape)],
  }));
}

const pairs = [
  [[], []],
  [[3], []],
  [[2, 3], [3]],
  [
    [2, 1],
    [1, 3],
  ],
  [[1], [4]],
  [
    [2, 3],
    [2, 3],
  ],
];

function binary(f: (a: Var, b: Var) => Var, draw = any, drawSecond = draw): Case[] {
  return [
    ...pairs.map(([a, b]) => ({
      name: `[${a}] [${b}]`,
      f: ([x, y]: Var[]) => f(x!, y!),
      inputs: [draw(...a!), drawSecond(...b!)],
    })),
    { name: 'both operands the same value', f: ([x]) => f(x!, x!), inputs: [drawSecond(3)] },
  ];
}

/** One case or more for every row: a primitive without one fails below. */
const cases: Readonly<Record<OpName, readonly Case[]>> = {
  input: [{ name: 'itself', f: ([x]) => x!, inputs: [any(2, 3)] }],
  constant: [{ name: 'times x', f: ([x]) => mul(x!, constant(x!.tape, 3)), inputs: [any(4)] }],
  neg: unary(neg),
  exp: unary(exp),
  log: unary(log, positive),
  sin: unary(sin),
  cos: unary(cos),
  tanh: unary(tanh),
  sqrt: unary(sqrt, positive),
  // Differences cannot see that a value is taken for a constant: only what is one is compared with them.
  detach: [
    { name: 'a constant as a factor', f: ([x]) => mul(detach(constant(x!.tape, 3)), exp(x!)), inputs: [any(4)] },
  ],
  add: binary(add),
  sub: binary(sub),
  mul: binary(mul),
  div: binary(div, any, positive),
  less: [
    { name: 'a step is flat', f: ([x]) => less(x!, 0.05), inputs: [apart(6)] },
    { name: 'as a factor', f: ([x, y]) => mul(less(x!, 0.05), mul(x!, y!)), inputs: [apart(2, 3), any(3)] },
  ],
  where: [
    {
      name: 'both branches',
      f: ([x, y]) => where(less(x!, 0.05), square(x!), mul(x!, y!)),
      inputs: [apart(4, 3), any(3)],
    },
    { name: 'broadcast branches', f: ([x, y]) => where(less(x!, 0.05), y!, exp(x!)), inputs: [apart(5), any()] },
  ],
  slice: [
    { name: 'the middle', f: ([x]) => slice(x!, 0, 1, 3), inputs: [any(4)] },
    { name: 'the start of an inner axis', f: ([x]) => slice(x!, 1, 0, 2), inputs: [any(2, 3, 2)] },
    { name: 'the last element', f: ([x]) => square(slice(x!, 2, 1, 2)), inputs: [any(2, 1, 2)] },
    { name: 'an index', f: ([x]) => index(x!, 0, 1), inputs: [any(3)] },
  ],
  broadcast: [
    { name: 'a scalar', f: ([x]) => broadcast(x!, [2, 3]), inputs: [any()] },
    { name: 'inner and outer', f: ([x]) => broadcast(x!, [4, 2, 3]), inputs: [any(2, 1)] },
    { name: 'extent 1 stays', f: ([x]) => broadcast(x!, [2, 1]), inputs: [any(1)] },
  ],
  transpose: [
    { name: 'a matrix', f: ([x]) => transpose(x!, [1, 0]), inputs: [any(2, 3)] },
    { name: 'a cycle of three axes', f: ([x]) => square(transpose(x!, [2, 0, 1])), inputs: [any(2, 3, 4)] },
    { name: 'extent 1', f: ([x]) => transpose(x!, [1, 0]), inputs: [any(1, 4)] },
  ],
  reshape: [
    { name: 'flatten', f: ([x]) => square(reshape(x!, [6])), inputs: [any(2, 3)] },
    { name: 'to and from a scalar', f: ([x]) => reshape(square(reshape(x!, [])), [1, 1]), inputs: [any(1)] },
  ],
  concat: [
    { name: 'three parts', f: ([x, y, z]) => concat([x!, y!, z!], 1), inputs: [any(2, 1), any(2, 3), any(2, 2)] },
    { name: 'one value twice', f: ([x]) => square(concat([x!, sin(x!), x!], 0)), inputs: [any(3)] },
  ],
  sum: [
    { name: 'all', f: ([x]) => sum(x!), inputs: [any(2, 3)] },
    { name: 'outer axis, dropped', f: ([x]) => sum(square(x!), [0], false), inputs: [any(3, 2)] },
    { name: 'two of three axes', f: ([x]) => sum(x!, [0, 2]), inputs: [any(2, 3, 4)] },
    { name: 'extent 1', f: ([x]) => sum(x!, [1]), inputs: [any(3, 1)] },
  ],
  max: [
    { name: 'all', f: ([x]) => max(x!), inputs: [apart(2, 3)] },
    { name: 'inner axis', f: ([x]) => square(max(x!, [1])), inputs: [apart(3, 4)] },
    { name: 'outer axis of a function', f: ([x]) => max(exp(x!), [0], false), inputs: [apart(4, 2)] },
    { name: 'extent 1', f: ([x]) => max(x!, [0]), inputs: [apart(1, 3)] },
  ],
  matmul: [
    ...[false, true].flatMap((ta) =>
      [false, true].map(
        (tb): Case => ({
          name: `ta=${ta} tb=${tb}`,
          f: ([a, b]) => matmul(a!, b!, { ta, tb }),
          inputs: [ta ? any(3, 2) : any(2, 3), tb ? any(4, 3) : any(3, 4)],
        }),
      ),
    ),
    { name: 'batched', f: ([a, b]) => matmul(a!, b!, { ta: true }), inputs: [any(2, 3, 2), any(2, 3, 1)] },
    { name: 'extents 1', f: ([a, b]) => matmul(a!, b!), inputs: [any(1, 1), any(1, 1)] },
    { name: 'a value with itself', f: ([a]) => matmul(a!, a!, { tb: true }), inputs: [any(2, 3)] },
  ],
  composite: [
    {
      name: 'two inputs',
      f: ([x, y]) => composite('product', {}, [x!, y!], ([a, b]) => [sin(mul(a!, b!))]),
      inputs: [any(2, 3), any(3)],
    },
    {
      name: 'in a composite',
      f: ([x]) => composite('outer', {}, [x!], ([a]) => composite('inner', {}, [a!], ([b]) => [tanh(b!)])),
      inputs: [any(3)],
    },
    {
      name: 'whose output is its input',
      f: ([x]) => composite('same', {}, [exp(x!)], ([a]) => [a!]),
      inputs: [any(3)],
    },
  ],
  pick: [
    {
      name: 'one output of two',
      f: ([x]) => composite('pair', {}, [x!], ([a]) => [sin(a!), exp(a!)])[1]!,
      inputs: [any(3)],
    },
    {
      name: 'both',
      f: ([x]) => composite('pair', {}, [x!], ([a]) => [concat([tanh(a!), a!], 0), square(a!)]),
      inputs: [any(3)],
    },
    {
      name: 'one output twice',
      f: ([x]) =>
        composite('twice', {}, [x!], ([a]) => {
          const y = tanh(a!);
          return [y, y];
        }),
      inputs: [any(2)],
    },
  ],
};

/** Floating-point noise of fourth-order differences of second derivatives, with room for 1/x^3 and the like. */
const tolerance = 1e-9;

for (const op of Object.keys(ops) as OpName[])
  describe(op, () => {
    const own = cases[op] ?? [];

    it('has cases, and each uses the row', () => {
      expect(own.length, `add a case for ${op}`).toBeGreaterThan(0);
      for (const { name, f, inputs } of own) {
        const tape = newTape();
        f(inputs.map(({ shape }, k) => input(tape, `x${k}`, shape)));
        expect(
          tape.nodes.some((node) => node.op === op),
          name,
        ).toBe(true);
      }
    });

    for (const { name, f, inputs } of own)
      it(`${name}: derivatives of order 2 in both modes are what differences say`, () => {
        checkGrads(f, inputs, { order: 2, tolerance });
      });
  });

describe('detach', () => {
  const x = [0.5, -2];
  const of = (f: (x: Var) => Var) => numbersOf(([v]) => [f(v!)], [{ shape: [2], data: x }])[0]!;
  const f = (v: Var) => mul(detach(exp(v)), square(v));

  it('is the value, a constant to both modes at every order', () => {
    const both = (take: (y: Var, v: Var) => Var) => of((v) => take(f(v), v));
    const total = (y: Var) => sum(y, undefined, false);
    const d = (y: Var, v: Var) => grad(total(y), [v])[0];
    const tangent = (y: Var, v: Var) => jvp([y], [{ of: v, tangent: full(v, 1) }])[0];
    expect(both((y) => y)).toEqual(x.map((v) => Math.exp(v) * v * v));
    const slope = x.map((v) => Math.exp(v) * 2 * v);
    expect(both(d)).toEqual(slope);
    expect(both(tangent)).toEqual(slope);
    // The factor in the slope is detached as well, so the second derivative is that of the square alone.
    const bend = x.map((v) => Math.exp(v) * 2);
    for (const first of [d, tangent])
      for (const second of [d, tangent]) expect(both((y, v) => second(first(y, v), v))).toEqual(bend);
    expect(both((y, v) => d(d(d(y, v), v), v))).toEqual([0, 0]);
  });

  it('is one within a composite, and through its derivative', () => {
    const inside = (v: Var) => composite('held', {}, [v], ([a]) => [f(a!)])[0]!;
    const total = (y: Var) => sum(y, undefined, false);
    const gradient = of((v) => grad(total(inside(v)), [v])[0]);
    expect(gradient).toEqual(x.map((v) => Math.exp(v) * 2 * v));
    expect(of((v) => grad(total(grad(total(inside(v)), [v])[0]), [v])[0])).toEqual(x.map((v) => Math.exp(v) * 2));
  });
});

describe('values at the edges of a rule', () => {
  it('shares the derivative of max evenly between equal elements', () => {
    const [g] = numbersOf(([x]) => grad(max(x!, undefined, false), [x!]), [{ shape: [4], data: [1, 3, 3, 2] }]);
    expect(g).toEqual([0, 0.5, 0.5, 0]);
  });
});
