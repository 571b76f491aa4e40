/** Infinities and NaN: the interpreter follows IEEE 754, and simplification turns none of them into a number. */
import { expect, it } from 'vitest';
import {
  add,
  broadcast,
  constant,
  div,
  evaluate,
  exp,
  graphOf,
  input,
  log,
  max,
  mul,
  neg,
  newTape,
  simplify,
  sub,
  sum,
  type Var,
  where,
} from '../../engine/tape/index.ts';

const numbers = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 1.5];

it.each<[string, (x: Var) => Var, readonly number[]]>([
  ['0 * x', (x) => mul(0, x), [NaN, NaN, NaN, 0, 0]],
  ['x * 0', (x) => mul(x, 0), [NaN, NaN, NaN, 0, 0]],
  ['0 / x', (x) => div(0, x), [NaN, 0, 0, NaN, 0]],
  ['0 * log 0', (x) => mul(0, log(mul(0, x))), [NaN, NaN, NaN, NaN, NaN]],
  ['x - x', (x) => sub(x, x), [NaN, NaN, NaN, 0, 0]],
  ['x + 0', (x) => add(x, 0), numbers],
  ['x * 1', (x) => mul(1, x), numbers],
  ['0 * constant infinity', (x) => mul(0, add(constant(x.tape, Infinity), mul(0, x))), [NaN, NaN, NaN, NaN, NaN]],
  ['constant 0 / 0', (x) => broadcast(div(constant(x.tape, 0), 0), [5]), [NaN, NaN, NaN, NaN, NaN]],
  [
    'a constant infinity',
    (x) => broadcast(constant(x.tape, Infinity), [5]),
    [Infinity, Infinity, Infinity, Infinity, Infinity],
  ],
  ['the largest, one NaN', (x) => max(x), [NaN]],
  [
    'the largest of -infinities',
    (x) => max(add(mul(0, exp(neg(constant(x.tape, 1)))), constant(x.tape, -Infinity))),
    [-Infinity],
  ],
  ['a sum with NaN', (x) => sum(x), [NaN]],
  ['the side of where that is not taken', (x) => where(broadcast(constant(x.tape, 1), [5]), 2, x), [2, 2, 2, 2, 2]],
])('%s', (_, f, expected) => {
  const tape = newTape();
  const x = input(tape, 'x', [5]);
  const graph = graphOf([x], [f(x)]);
  for (const version of [graph, simplify(graph)])
    expect([...evaluate(version, [numbers])[0]!].map((v) => v + 0)).toEqual(expected);
});
