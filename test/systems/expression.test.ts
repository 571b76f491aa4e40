import { describe, expect, it } from 'vitest';
import { ExpressionError, namesIn, numbersOf } from '../../systems/expression.ts';

/** The same text means the same in JavaScript, where a power is `**` and a sign before it needs parentheses. */
const meanings: readonly [string, (x: number, y: number) => number][] = [
  ['-x^2', (x) => -(x ** 2)],
  ['(-x)^2', (x) => (-x) ** 2],
  ['(-x)^3', (x) => (-x) ** 3],
  ['(-(x))^2', (x) => (-x) ** 2],
  ['-(-x)^3', (x) => -((-x) ** 3)],
  ['--x^2', (x) => x ** 2],
  ['-x^2*y', (x, y) => -(x ** 2) * y],
  ['y - -x^2', (x, y) => y + x ** 2],
  ['2*-x^2/y', (x, y) => (2 * -(x ** 2)) / y],
  ['-x^2^3', (x) => -(x ** 8)],
  ['(x - y)^2', (x, y) => (x - y) ** 2],
  ['exp(-x^2)', (x) => Math.exp(-(x ** 2))],
  ['-sin(x)^2', (x) => -(Math.sin(x) ** 2)],
  ['-2^2*x', (x) => -4 * x],
  ['(x)', (x) => x],
];

describe('Powers and signs', () => {
  it.each(meanings)('%s', (text, meaning) => {
    const [x, y] = [1.3, -0.7];
    const known = { x: Float64Array.of(x), y: Float64Array.of(y) };
    expect(numbersOf(text, known, 1)[0]).toBeCloseTo(meaning(x, y), 12);
  });

  it('in parentheses hide no name', () => {
    expect([...namesIn('(-u.x)^2 + (v)*-(w)^3')]).toEqual(['u.x', 'v', 'w']);
  });
});

describe('What is no equation', () => {
  it.each(['', '(', '()', '(x', 'x)', '(-)', 'x^', '^x', '(x, y)', 'x y'])('%j', (text) => {
    expect(() => numbersOf(text, { x: Float64Array.of(1), y: 2 }, 1)).toThrow(ExpressionError);
  });
});
