/**
 * Part 2: reverse mode appends nodes.
 *
 * `vjp` in `derive.ts` walks the tape backwards. At each node it asks the node's row in `ops.ts` for the rule, and the
 * rule answers in nodes, never in numbers. That one decision is the whole design: see part 3.
 */
import { expect, it } from 'vitest';
import { evaluate, grad, graphOf, input, mul, newTape, ops, print, sin, vjp } from '../../engine/tape/index.ts';

it('finds a gradient in one sweep backwards', () => {
  const tape = newTape();
  const a = input(tape, 'a', []);
  const b = input(tape, 'b', []);
  const y = mul(sin(a), b);

  // The tape before.
  expect(print(graphOf([a, b], [y]))).toMatchInlineSnapshot(`
    "%0  []  input a
    %1  []  input b
    %2  []  sin %0
    %3  []  mul %2 %1
            -> %3"
  `);

  // Afterwards the same list is longer. Nodes %0 to %3 are untouched; what follows is the adjoint sweep, which reads
  // them. Start with the cotangent 1 of y; at `mul` multiply it by the other factor for each side; at `sin`, by cos.
  const before = tape.nodes.length;
  const [da, db] = grad(y, [a, b]);
  expect(tape.nodes.length).toBeGreaterThan(before);
  expect(print(graphOf([a, b], [y, da!, db!]))).toMatchInlineSnapshot(`
    "%0  []  input a
    %1  []  input b
    %2  []  sin %0
    %3  []  mul %2 %1
    %4  []  constant {value=1}
    %5  []  mul %4 %1
    %6  []  mul %4 %2
    %7  []  cos %0
    %8  []  mul %5 %7
            -> %3 %8 %6"
  `);

  const [, atA, atB] = evaluate(graphOf([a, b], [y, da!, db!]), [[0.5], [3]]);
  expect(atA![0]).toBeCloseTo(3 * Math.cos(0.5), 15);
  expect(atB![0]).toBeCloseTo(Math.sin(0.5), 15);
});

it('takes its rules from one row per operation', () => {
  // The row of `sin` in full: its float64 meaning, its spelling in WGSL (by a function of Tapir's own, since WGSL promises
  // little of its own `sin`), and d(sin x)/dx as a node.
  const row = ops.sin;
  expect(row).toMatchObject({ kind: 'pointwise' });
  expect(row.f64(0.5)).toBe(Math.sin(0.5));
  expect(row.wgsl('x')).toBe('tapir_sin(x)');

  const tape = newTape();
  const x = input(tape, 'x', [3]);
  const y = sin(x);
  const partial = row.partials[0]!(y, x);
  expect(partial.node).toMatchObject({ op: 'cos', inputs: [x.id] });
});

it('adds up where a value is used twice', () => {
  // x * x hands x a cotangent from each side. They meet in an `add`.
  const tape = newTape();
  const x = input(tape, 'x', []);
  const ct = input(tape, 'ct', []);
  const [dx] = vjp([mul(x, x)], [ct], [x]);
  expect(print(graphOf([x, ct], [dx!]))).toMatchInlineSnapshot(`
    "%0  []  input x
    %1  []  input ct
    %2  []  mul %1 %0
    %3  []  mul %1 %0
    %4  []  add %2 %3
            -> %4"
  `);
});
