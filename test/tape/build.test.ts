/** Functions that are written with several primitives. */
import { expect, it } from 'vitest';
import { abs, cosh, equal, full, index, mean, mul, sinh, stack, type Var, zeros } from '../../engine/tape/index.ts';
import { numbersOf } from '../support/tensors.ts';

const m = { shape: [2, 3], data: [-1, 2, 0, 4, -5, 9] };
it.each<[string, (x: Var) => Var, readonly number[], readonly number[]]>([
  ['mean of everything', (x) => mean(x, undefined, false), [], [1.5]],
  ['mean of rows', (x) => mean(x, [1]), [2, 1], [1 / 3, 8 / 3]],
  ['mean of columns', (x) => mean(x, [0], false), [3], [1.5, -1.5, 4.5]],
  ['abs', abs, [2, 3], [1, 2, 0, 4, 5, 9]],
  ['equal', (x) => equal(x, 2), [2, 3], [0, 1, 0, 0, 0, 0]],
  ['sinh', (x) => sinh(mul(x, 0.1)), [2, 3], m.data.map((v) => Math.sinh(0.1 * v))],
  ['cosh', (x) => cosh(mul(x, 0.1)), [2, 3], m.data.map((v) => Math.cosh(0.1 * v))],
  ['index of the inner axis', (x) => index(x, 1, 2), [2], [0, 9]],
  ['stack along a new inner axis', (x) => stack([index(x, 0, 0), index(x, 0, 1)], 1), [3, 2], [-1, 4, 2, -5, 0, 9]],
  ['zeros', (x) => zeros(x.tape, [2]), [2], [0, 0]],
  ['full', (x) => full(index(x, 0, 0), 7), [3], [7, 7, 7]],
])('%s', (_, f, shape, expected) => {
  let found: readonly number[] = [];
  const [values] = numbersOf(
    ([x]) => {
      const y = f(x!);
      found = y.shape;
      return [y];
    },
    [m],
  );
  expect(found).toEqual(shape);
  expect(values).toHaveLength(expected.length);
  values!.forEach((value, k) => {
    expect(value).toBeCloseTo(expected[k]!, 14);
  });
});
