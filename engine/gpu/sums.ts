/** Sums of many terms in one invocation. */
import { type Code, loop } from './wgsl.ts';

/** Terms that are added one after the other before their sum goes to the next level. */
const RADIX = 16;

/**
 * The sum of `count` terms in sums of sums of at most sixteen, so that rounding errors grow with the logarithm of their
 * number. The term for index `k` is added by `add`, a statement; the result is the variable `sum`.
 */
export function nestedSum(count: number, add: (sum: string, k: string) => Code): { code: Code; sum: string } {
  let levels = 1;
  while (RADIX ** levels < count) levels++;
  const sumOf = (level: number) => `sum${level}`;
  const level = (l: number): Code => {
    const [k, outer] = [`k${l}`, `k${l + 1}`];
    const last = l === levels - 1;
    const body = l === 0 ? add(sumOf(0), k) : [level(l - 1), `${sumOf(l)} += ${sumOf(l - 1)};`];
    return [
      `var ${sumOf(l)} = 0.0;`,
      loop(k, last ? count : `min(${outer} + ${RADIX ** (l + 1)}u, ${count}u)`, body, {
        from: last ? 0 : outer,
        step: RADIX ** l,
      }),
    ];
  };
  return { code: level(levels - 1), sum: sumOf(levels - 1) };
}
