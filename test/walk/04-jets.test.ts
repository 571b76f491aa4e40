/**
 * Part 4: jets.
 *
 * Residuals of second order need u, u_x and u_xx at every point. `jet.ts` carries the three together, forwards, in one
 * pass over the tape: what `jvp` of `jvp` would give, without the detour of differentiating a derivative.
 */
import { expect, it } from 'vitest';
import {
  evaluate,
  full,
  graphOf,
  input,
  jet,
  jvp,
  mul,
  newTape,
  print,
  simplify,
  sin,
  square,
  tanh,
  type Var,
  vjp,
} from '../../engine/tape/index.ts';

it('carries a value with its derivatives', () => {
  // Coordinates are values of the tape. Each of the three points moves by itself: the derivative of x along x is one
  // everywhere, so one pass serves all points.
  const tape = newTape();
  const x = input(tape, 'x', [3]);
  const [u] = jet([sin(mul(2, x))], { x }, { second: [['x', 'x']] });
  const points = [0, 0.5, 1];
  const [value, first, second] = evaluate(graphOf([x], [u!.value, u!.first.x, u!.second['xx']!]), [points]);
  points.forEach((p, k) => {
    expect(value![k]).toBeCloseTo(Math.sin(2 * p), 14);
    expect(first![k]).toBeCloseTo(2 * Math.cos(2 * p), 14);
    expect(second![k]).toBeCloseTo(-4 * Math.sin(2 * p), 14);
  });
});

it('follows Faà di Bruno with the rules that exist already', () => {
  // For y = f(z) the chain rule says y_x = f' z_x and y_xx = f' z_xx + f'' z_x z_x. f' comes from the row of f, and f''
  // from a tangent of f', so a jet needs no rule that the row does not have. For tanh that is:
  //   y_x = (1 - t^2) z_x,   y_xx = (1 - t^2) (z_xx - 2 t z_x^2),   t = tanh z.
  const tape = newTape();
  const x = input(tape, 'x', []);
  const [u] = jet([tanh(square(x))], { x }, { second: [['x', 'x']] });
  const [second] = evaluate(graphOf([x], [u!.second['xx']!]), [[0.6]]);
  const t = Math.tanh(0.36);
  expect(second![0]).toBeCloseTo((1 - t * t) * (2 - 2 * t * 1.2 ** 2), 14);
});

it('sums a Laplacian on the way', () => {
  // Where the equation only names the Laplacian, one channel carries the sum; u_xx and u_yy are never held apart.
  const tape = newTape();
  const x = input(tape, 'x', []);
  const y = input(tape, 'y', []);
  const [u] = jet([mul(sin(x), square(y))], { x, y }, { laplacian: true });
  const [lap] = evaluate(graphOf([x, y], [u!.laplacian!]), [[0.4], [1.5]]);
  expect(lap![0]).toBeCloseTo(-Math.sin(0.4) * 2.25 + 2 * Math.sin(0.4), 14);
  expect(Object.keys(u!.second)).toEqual([]);
});

it('leaves no more nodes than jvp of jvp, and fewer than vjp of vjp', () => {
  // What is left of each after simplification (part 5). The saving against reverse over reverse grows with the depth.
  const count = (derive: (u: Var, x: Var) => Var[]) => {
    const tape = newTape();
    const x = input(tape, 'x', [8]);
    const u = tanh(tanh(tanh(mul(0.5, x))));
    return simplify(graphOf([x], derive(u, x))).nodes.length;
  };
  const along = (y: Var, x: Var) => jvp([y], [{ of: x, tangent: full(x, 1) }])[0];
  const byJet = count((u, x) => {
    const [j] = jet([u], { x }, { second: [['x', 'x']] });
    return [j!.first.x, j!.second['xx']!];
  });
  const nested = count((u, x) => {
    const first = along(u, x);
    return [first, along(first, x)];
  });
  const reverse = count((u, x) => {
    const back = (y: Var) => vjp([y], [full(y, 1)], [x])[0];
    const first = back(u);
    return [first, back(first)];
  });
  expect(byJet).toBeLessThanOrEqual(nested);
  expect(byJet).toBeLessThan(reverse);
});

it('prints like anything else', () => {
  const tape = newTape();
  const x = input(tape, 'x', [4]);
  const [u] = jet([tape.scope('layer 1', () => tanh(x))], { x }, { second: [['x', 'x']] });
  expect(print(simplify(graphOf([x], [u!.value, u!.first.x, u!.second['xx']!])))).toMatchInlineSnapshot(`
    "%0  [4]  input x
    %1  [4]  tanh %0             | layer 1
    %2  []   constant {value=1}
    %3  [4]  broadcast %2
    %4  [4]  mul %1 %1           | layer 1
    %5  [4]  sub %3 %4           | layer 1
    %6  [4]  mul %1 %5           | layer 1 (tangent)
    %7  [4]  add %6 %6           | layer 1 (tangent)
    %8  [4]  neg %7              | layer 1 (tangent)
             -> %1 %5 %8"
  `);
});
