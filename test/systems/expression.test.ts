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

  it.each([
    ['x**2', /cannot read/],
    ['constructor(x)', /calls constructor; the functions are/],
    ['toString*x', /uses toString, which is not defined here/],
    ['x.constructor', /uses x.constructor, which is not defined here/],
    ['__proto__*x', /uses __proto__, which is not defined here/],
    ['(x + 1).y', /contains a MemberExpression/],
    ['(x)(y)', /calls x; the functions are/],
    ['(x + 1)(y)', /calls what is no name; the functions are/],
    ['$*x', /uses \$, which is not defined here/],
    ['x^65', /the exponent 65 of \^ is above 64/],
    ['x^1e9', /the exponent 1000000000 of \^ is above 64/],
  ])('%s has a message', (text, message) => {
    const wrong = () => numbersOf(text, { x: Float64Array.of(1), y: 2 }, 1);
    expect(wrong).toThrow(ExpressionError);
    expect(wrong).toThrow(message);
  });

  it('is not what comes close to it', () => {
    expect(numbersOf('x^64', { x: Float64Array.of(-1) }, 1)[0]).toBe(1);
    const sum = (terms: number) => numbersOf(Array(terms).fill('x').join('+'), { x: Float64Array.of(1) }, 1)[0];
    expect(sum(2000)).toBe(2000);
    expect(() => sum(2001)).toThrow(/an equation of 4001 characters; the most are 4000/);
  });
});
