/** Compile time on tapes that are wide in some way: it is far from quadratic in their length, and nothing overflows the stack. */
import { describe, expect, it } from 'vitest';
import { exponentOf } from '../../bench/scaling.ts';
import {
  add,
  compile,
  concat,
  input,
  matmul,
  mul,
  newTape,
  type Source,
  sin,
  slice,
  sum,
  type Var,
} from '../../engine/index.ts';
import { leastAdapter } from '../support/gpu.ts';

const total = (y: Var) => sum(y, undefined, false);
const each = <T>(n: number, make: (k: number) => T): T[] => Array.from({ length: n }, (_, k) => make(k));
const named = (prefix: string, values: readonly Var[]) =>
  Object.fromEntries(values.map((value, k) => [`${prefix}${k}`, value]));
const planOf = (source: Source) => compile(source, { library: [], device: leastAdapter });

const wide: Readonly<Record<string, (n: number) => Source>> = {
  'products of as many shapes'(n) {
    const tape = newTape();
    const [x, w] = [input(tape, 'x', [n, 4]), input(tape, 'w', [4, 4])];
    const y = each(n, (k) => total(matmul(slice(x, 0, 0, k + 1), w))).reduce(add);
    return { inputs: { x, w }, outputs: { y } };
  },
  'values of as many sizes'(n) {
    const x = input(newTape(), 'x', [n]);
    const y = each(n, (k) => total(sin(mul(slice(x, 0, 0, k + 1), k)))).reduce(add);
    return { inputs: { x }, outputs: { y } };
  },
  'readers of a concat of as many parts'(n) {
    const x = input(newTape(), 'x', [4]);
    const all = concat(
      each(n, (k) => sin(mul(x, k))),
      0,
    );
    return { inputs: { x }, outputs: { y: each(n, (k) => total(sin(mul(all, k)))).reduce(add) } };
  },
  'states that each follow from another'(n) {
    const tape = newTape();
    const states = each(n, (k) => input(tape, `x${k}`, [4]));
    // In pairs: neither of two can be overwritten before the other is read.
    const next = states.map((_, k) => sin(slice(concat([states[k ^ 1]!, states[k ^ 1]!], 0), 0, 2, 6)));
    const state = Object.fromEntries(states.map((_, k) => [`x${k}`, `y${k}`]));
    return { inputs: named('x', states), outputs: named('y', next), state };
  },
};

describe('compile', () => {
  it.each(Object.entries(wide))('%s: time is far from quadratic in them', (_, write) => {
    planOf(write(50));
    const points = [200, 1000].map((operations) => {
      const source = write(operations);
      const start = process.cpuUsage();
      planOf(source);
      const { user, system } = process.cpuUsage(start);
      return { operations, seconds: (user + system) / 1e6 };
    });
    expect(exponentOf(points)).toBeLessThan(1.6);
  });

  it('takes concats within concats to any depth', () => {
    let y = input(newTape(), 'x', [1]);
    const x = y;
    for (let k = 0; k < 3000; k++) y = concat([sin(slice(y, 0, 0, 1)), y], 0);
    expect(planOf({ inputs: { x }, outputs: { y } }).outputs['y']!.shape).toEqual([3001]);
  });
});
