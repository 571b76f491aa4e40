/**
 * Every row of the vocabulary, as WGSL spells it, on the device against its float64 meaning; and what is not finite.
 * Needs an adapter; without one this fails.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  add,
  broadcast,
  composite,
  concat,
  constant,
  cos,
  type Device,
  detach,
  div,
  evaluate,
  exp,
  graphOf,
  input,
  less,
  log,
  matmul,
  max,
  mul,
  neg,
  newTape,
  type OpName,
  openDevice,
  ops,
  reshape,
  sin,
  slice,
  sqrt,
  sub,
  sum,
  tanh,
  transpose,
  type Var,
  where,
} from '../../engine/index.ts';
import { outputsOf } from '../support/gpu.ts';
import { generator, uniform } from '../support/tensors.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device?.close());

/** For each operation: something that uses it of x, y [6,4], in 0.5 to 2, so that the program needs it. */
const uses: Readonly<Record<OpName, (x: Var, y: Var) => Var>> = {
  input: (x) => add(x, 0),
  constant: (x) => broadcast(constant(x.tape, 0.1), [6, 4]),
  neg: (x) => neg(x),
  exp: (x) => exp(x),
  log: (x) => log(x),
  sin: (x) => sin(x),
  cos: (x) => cos(x),
  tanh: (x) => tanh(x),
  sqrt: (x) => sqrt(x),
  detach: (x) => detach(x),
  add: (x, y) => add(x, y),
  sub: (x, y) => sub(x, y),
  mul: (x, y) => mul(x, y),
  div: (x, y) => div(x, y),
  less: (x, y) => less(x, y),
  where: (x, y) => where(less(x, 1), x, neg(y)),
  slice: (x) => exp(slice(x, 0, 2, 5)),
  broadcast: (x, y) => add(slice(x, 0, 0, 1), broadcast(slice(y, 1, 0, 1), [6, 4])),
  transpose: (x) => exp(transpose(x, [1, 0])),
  reshape: (x) => exp(reshape(x, [3, 8])),
  concat: (x, y) => exp(concat([x, y], 1)),
  sum: (x) => sum(x, [0]),
  max: (x) => max(x, [1]),
  matmul: (x, y) => matmul(x, y, { ta: true }),
  composite: (x, y) => composite('f', {}, [x, y], ([a, b]) => [mul(a!, sin(b!))])[0]!,
  pick: (x, y) => composite('f', {}, [x, y], ([a, b]) => [a!, sub(b!, a!)])[1]!,
};

describe('every row on the device', () => {
  const random = generator(77);
  const [a, b] = [uniform([6, 4], random, 0.5, 2).data, uniform([6, 4], random, 0.5, 2).data].map((data) =>
    Float32Array.from(data),
  );

  it.each(Object.keys(ops) as OpName[])('%s', async (op) => {
    const tape = newTape();
    const [x, y] = [input(tape, 'x', [6, 4]), input(tape, 'y', [6, 4])];
    const result = uses[op](x, y);
    expect(tape.nodes.some((node) => node.op === op)).toBe(true);
    const expected = evaluate(graphOf([x, y], [result]), [a!, b!])[0]!;
    const { z } = await outputsOf(device, { inputs: { x, y }, outputs: { z: result } }, [], { x: a!, y: b! });
    expect(z).toHaveLength(expected.length);
    expected.forEach((value, k) => {
      expect(Math.abs(z![k]! - value), `${op}, element ${k}`).toBeLessThanOrEqual(2e-6 * Math.max(1, Math.abs(value)));
    });
  });
});

// WGSL lets an implementation assume that nothing is infinite or NaN (llvmpipe makes 0*x zero); this is what holds here.
describe('what is not finite, on the device', () => {
  const values = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 2];
  it.each<[string, (x: Var) => Var, readonly number[]]>([
    ['passes through', (x) => add(x, 1), [NaN, Infinity, -Infinity, 3]],
    ['is a constant', (x) => broadcast(constant(x.tape, Infinity), [4]), [Infinity, Infinity, Infinity, Infinity]],
    ['is a negative constant', (x) => where(less(x, 3), -Infinity, x), [NaN, Infinity, -Infinity, -Infinity]],
    ['is a constant NaN', (x) => where(less(x, 3), NaN, 1), [1, 1, NaN, NaN]],
    ['is not lost in a maximum', (x) => max(x), [NaN]],
    ['is the maximum', (x) => max(slice(x, 0, 1, 4)), [Infinity]],
    ['is the maximum of negative infinities', (x) => max(slice(x, 0, 2, 3)), [-Infinity]],
    [
      'is not lost among many',
      (x) => max(concat([broadcast(slice(x, 0, 3, 4), [300]), x, broadcast(slice(x, 0, 3, 4), [300])], 0)),
      [NaN],
    ],
  ])('%s', async (_, f, expected) => {
    const tape = newTape();
    const x = input(tape, 'x', [4]);
    const z = f(x);
    expect([...evaluate(graphOf([x], [z]), [values])[0]!]).toEqual(expected);
    const { out } = await outputsOf(device, { inputs: { x }, outputs: { out: z } }, [], { x: values });
    expect([...out!]).toEqual(expected);
  });
});
