/**
 * Part 3: derivatives nest.
 *
 * A derivative is a value on the same tape as what it derives from, so it can be differentiated like any other value.
 * There are no levels, no tags, no tape of the tape. Everything here is in `derive.ts`.
 */
import { expect, it } from 'vitest';
import {
  add,
  constant,
  evaluate,
  exp,
  full,
  grad,
  graphOf,
  input,
  jvp,
  mul,
  newTape,
  type Var,
} from '../../engine/tape/index.ts';

const value = (x: Var, y: Var, at: number) => evaluate(graphOf([x], [y]), [[at]])[0]![0]!;

it('takes as many derivatives as one asks for', () => {
  const tape = newTape();
  const x = input(tape, 'x', []);
  let y: Var = mul(mul(x, x), mul(x, x));
  const values = [value(x, y, 2)];
  for (let order = 1; order <= 5; order++) {
    y = grad(y, [x])[0];
    values.push(value(x, y, 2));
  }
  // x^4, 4x^3, 12x^2, 24x, 24, 0 at x = 2.
  expect(values).toEqual([16, 32, 48, 48, 24, 0]);
});

it('goes forwards with jvp, along a direction that is itself a value', () => {
  // `jvp` walks the list forwards and carries tangents. It uses the same rows: a pointwise partial serves both
  // directions, and a linear row (matmul, sum, slice) is its own tangent.
  const tape = newTape();
  const x = input(tape, 'x', []);
  const along = (y: Var) => jvp([y], [{ of: x, tangent: full(x, 1) }])[0];
  const y = exp(mul(x, x));
  const at = 0.3;
  const second = (2 + 4 * at * at) * Math.exp(at * at);

  // Four ways to one second derivative; all appended to one tape.
  const back = (y: Var) => grad(y, [x])[0];
  for (const way of [along(along(y)), back(along(y)), along(back(y)), back(back(y))])
    expect(value(x, way, at)).toBeCloseTo(second, 13);
});

it('does not confuse whose derivative is meant', () => {
  // The classic trap: d/dx [ x * d/dy (x + y) ]. The inner derivative is 1, whatever x is, so the answer is 1. A system
  // that marks values as "moving" without saying along what finds 2. Here, d/dy asks the list which nodes lie between
  // y and x + y; x is not among them.
  const tape = newTape();
  const x = input(tape, 'x', []);
  const y = constant(tape, 1);
  const inner = jvp([add(x, y)], [{ of: y, tangent: constant(tape, 1) }])[0];
  const outer = jvp([mul(x, inner)], [{ of: x, tangent: constant(tape, 1) }])[0];
  expect(value(x, outer, 1)).toBe(1);
});

it('is how a network learns from its own derivatives', () => {
  // A residual names u_x; the loss squares it; training asks for the derivative of that by a parameter. Forwards along
  // the coordinate (there are few), backwards to the parameters (there are many): reverse over forward, on one tape.
  const tape = newTape();
  const x = input(tape, 'x', []);
  const w = input(tape, 'w', []);
  const u = exp(mul(w, x));
  const u_x = jvp([u], [{ of: x, tangent: constant(tape, 1) }])[0];
  const loss = mul(u_x, u_x);
  const [step] = grad(loss, [w]);

  // By hand: loss = w^2 exp(2wx), so d loss / d w = (2w + 2 w^2 x) exp(2wx).
  const [W, X] = [0.7, 0.4];
  const [numeric] = evaluate(graphOf([w, x], [step!]), [[W], [X]]);
  expect(numeric![0]).toBeCloseTo((2 * W + 2 * W * W * X) * Math.exp(2 * W * X), 13);
});
