/**
 * Part 1 of the guided tour: a tape is a list.
 *
 * Every part is a test: what it claims runs, and what it prints is pinned. Read 01 to 06 in order, with `engine/tape`
 * open beside them; each part names the file it is about.
 *
 * Here: `tape.ts` (the list), `build.ts` (the functions one writes mathematics with), `evaluate.ts`, `print.ts`.
 */
import { expect, it } from 'vitest';
import { add, evaluate, graphOf, input, mul, newTape, print, sin, sum } from '../../engine/tape/index.ts';

it('records what one writes', () => {
  // A tape starts empty. Writing mathematics on it computes nothing: every call appends one node and hands back a
  // `Var`, which is no more than the tape and the number of that node.
  const tape = newTape();
  const x = input(tape, 'x', [3]);
  const y = sin(x);
  expect(tape.nodes.length).toBe(2);
  expect([x.id, y.id]).toEqual([0, 1]);

  // A node is data. Its operands are numbers of earlier nodes, so the list is always in an order in which it can be
  // computed. There is no function in it: it prints, it survives JSON, and one day it becomes WGSL.
  expect(tape.nodes[1]).toEqual({ op: 'sin', inputs: [0], params: {}, shape: [3], scope: '' });
});

it('knows shapes as soon as a node stands', () => {
  // Pointwise operations broadcast as in NumPy. The stretching is a node of its own, so that `mul` itself only ever
  // sees equal shapes: one rule less for everything that reads the tape later.
  const tape = newTape();
  const x = input(tape, 'x', [2, 3]);
  const w = input(tape, 'w', [3]);
  const loss = sum(mul(x, w));
  expect(print(graphOf([x, w], [loss]))).toMatchInlineSnapshot(`
    "%0  [2,3]  input x
    %1  [3]    input w
    %2  [2,3]  broadcast %1
    %3  [2,3]  mul %0 %2
    %4  [1,1]  sum %3 {axes=[0,1]}
               -> %4"
  `);

  // What does not fit is refused where it is written, with both shapes in the message.
  expect(() => add(x, input(tape, 'v', [4]))).toThrow('cannot broadcast [2,3] with [4]: axis 1 is 3 against 4');
});

it('becomes numbers when it is evaluated', () => {
  // A graph is a tape with a choice of inputs and outputs. `evaluate` walks the list once, forwards, in float64. It is
  // slow and plain on purpose: everything faster is held against it.
  const tape = newTape();
  const x = input(tape, 'x', []);
  const y = tape.scope('wave', () => mul(2, sin(x)));
  const graph = graphOf([x], [y]);
  expect(evaluate(graph, [[Math.PI / 2]])).toEqual([Float64Array.of(2)]);

  // The text after the bar is the scope in which a node was written. Derivatives keep it, and so does the GPU: a slow
  // dispatch can say where it comes from.
  expect(print(graph)).toMatchInlineSnapshot(`
    "%0  []  input x
    %1  []  sin %0              | wave
    %2  []  constant {value=2}  | wave
    %3  []  mul %2 %1           | wave
            -> %3"
  `);
});
