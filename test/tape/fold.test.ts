/** Foldings whose result depends on an order or an offset, which equal operations do not show: by value. */
import { expect, it } from 'vitest';
import {
  add,
  broadcast,
  concat,
  constant,
  evaluate,
  exp,
  type Graph,
  graphOf,
  input,
  mul,
  newTape,
  reshape,
  simplify,
  slice,
  sum,
  transpose,
  type Var,
} from '../../engine/tape/index.ts';

const numbers = Array.from({ length: 24 }, (_, k) => k);

function graphBy(f: (x: Var) => Var): Graph {
  const tape = newTape();
  const x = input(tape, 'x', [2, 3, 4]);
  return graphOf([x], [f(x)]);
}

it.each<[string, (x: Var) => Var, string[]]>([
  ['two transposes that do not commute', (x) => transpose(transpose(x, [1, 0, 2]), [0, 2, 1]), ['transpose']],
  ['two transposes that cancel', (x) => transpose(transpose(x, [1, 2, 0]), [2, 0, 1]), []],
  ['a slice of a slice', (x) => slice(slice(x, 2, 1, 4), 2, 1, 3), ['slice']],
  ['a slice of a slice along another axis', (x) => slice(slice(x, 2, 1, 4), 1, 1, 3), ['slice', 'slice']],
  ['a slice within the second part of a concat', (x) => slice(concat([exp(x), x], 1), 1, 4, 6), ['slice']],
  ['a slice across two parts of a concat', (x) => slice(concat([exp(x), x], 1), 1, 2, 4), ['exp', 'concat', 'slice']],
  [
    'concats cut at different places',
    (x) => add(concat([x, slice(x, 1, 0, 1)], 1), concat([slice(x, 1, 1, 2), x], 1)),
    ['slice', 'slice', 'slice', 'slice', 'slice', 'add', 'add', 'add', 'concat'],
  ],
  [
    'reshapes of concats',
    (x) => add(reshape(concat([x, x], 0), [48]), reshape(concat([x, x], 0), [48])),
    ['add', 'concat', 'reshape'],
  ],
  [
    'a sum of equal constants',
    (x) => mul(x, sum(broadcast(constant(x.tape, 0.5), [3, 4]), [0])),
    ['constant', 'broadcast', 'mul'],
  ],
  [
    'a broadcast of a broadcast',
    (x) => mul(x, broadcast(broadcast(slice(slice(x, 0, 0, 1), 1, 0, 1), [1, 3, 4]), [2, 3, 4])),
    ['slice', 'slice', 'broadcast', 'mul'],
  ],
])('%s', (_, f, ops) => {
  const graph = graphBy(f);
  const simple = simplify(graph);
  expect(evaluate(simple, [numbers])).toEqual(evaluate(graph, [numbers]));
  expect(
    simple.nodes
      .slice(1)
      .map(({ op }) => op)
      .sort(),
  ).toEqual([...ops].sort());
});
