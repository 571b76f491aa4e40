/** The checker is checked: derivatives planted wrong by 0.1 % must be caught, in each mode and at each order. */
import { afterEach, describe, expect, it } from 'vitest';
import {
  cos,
  exp,
  input,
  less,
  matmul,
  mul,
  neg,
  newTape,
  ops,
  sin,
  slice,
  square,
  sum,
  type Var,
  where,
} from '../../engine/tape/index.ts';
import type { Partial, Row } from '../../engine/tape/ops.ts';
import { checkGrads, GradientMismatch, type Mode } from '../support/checkGrads.ts';
import { generator, uniform } from '../support/tensors.ts';

const table = ops as Record<string, Row>;
const original = { ...table };
afterEach(() => {
  Object.assign(table, original);
});

function plantPartial(op: 'sin' | 'cos' | 'exp', partial: Partial): void {
  table[op] = { ...(original[op] as Row & { kind: 'pointwise' }), partials: [partial] };
}

const x = uniform([3], generator(7), 0.3, 1);
const modes: readonly Mode[] = ['fwd', 'rev'];

describe.each(modes)('checkGrads in mode %s', (mode) => {
  const check = (order: number) => () => checkGrads(([v]) => sin(v!), [x], { order, modes: [mode] });

  it('passes the true rules', () => {
    expect(check(2)).not.toThrow();
  });

  it('catches a first derivative that is 0.1 % off', () => {
    plantPartial('sin', (_, v) => mul(1.001, cos(v!)));
    expect(check(1)).toThrow(GradientMismatch);
  });

  it('catches a derivative that is right at first order and 0.1 % off at second, only when asked for order 2', () => {
    plantPartial('cos', (_, v) => mul(-1.001, sin(v!)));
    expect(check(1)).not.toThrow();
    expect(check(2)).toThrow(GradientMismatch);
  });

  it('catches a sign', () => {
    plantPartial('sin', (_, v) => neg(cos(v!)));
    expect(check(1)).toThrow(GradientMismatch);
  });

  it('catches a derivative that is missing', () => {
    plantPartial('sin', null);
    expect(check(1)).toThrow(GradientMismatch);
  });

  it('catches a derivative that is not a number', () => {
    plantPartial('sin', (_, v) => mul(Number.NaN, cos(v!)));
    expect(check(1)).toThrow(GradientMismatch);
  });

  it('catches a wrong transpose of a linear row', () => {
    table['matmul'] = { kind: 'matmul', transpose: (ct, k, [a, b]) => (k === 0 ? matmul(ct, b!) : matmul(a!, ct)) };
    const square2 = [uniform([2, 2], generator(8)), uniform([2, 2], generator(9))];
    const product = () => checkGrads(([a, b]) => matmul(a!, b!), square2, { order: 1, modes: [mode] });
    // Forward mode uses linearity alone, so only reverse mode can see the transpose.
    if (mode === 'rev') expect(product).toThrow(GradientMismatch);
    else expect(product).not.toThrow();
  });
});

describe('what checkGrads says', () => {
  it('names the derivatives taken, outermost first', () => {
    plantPartial('cos', (_, v) => mul(-1.001, sin(v!)));
    expect(() => checkGrads(([v]) => sin(v!), [x], { modes: ['fwd'] })).toThrow(
      /^fwd of fwd: the tape says .* differences/,
    );
    expect(() => checkGrads(([v]) => sin(v!), [x], { modes: ['rev'] })).toThrow(/^rev of rev: /);
  });

  it('holds a function whose derivative depends on a branch to account', () => {
    const f = ([v]: Var[]) => where(less(v!, 0.6), exp(v!), square(v!));
    const away = { shape: [4], data: [0.1, 0.4, 0.8, 0.9] };
    expect(() => checkGrads(f, [away])).not.toThrow();
    plantPartial('exp', (y) => mul(0.999, y));
    expect(() => checkGrads(f, [away])).toThrow(GradientMismatch);
  });
});

describe('the plants', () => {
  it('are gone after each test', () => {
    expect(ops.sin).toBe(original['sin']);
    const tape = newTape();
    expect(sum(slice(input(tape, 'x', [2]), 0, 0, 1)).shape).toEqual([1]);
  });
});
