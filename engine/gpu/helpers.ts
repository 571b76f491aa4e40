/** Functions in WGSL that shaders carry where their code calls them, each as `tapir_NAME`. */
import type { Helper } from '../tape/ops.ts';
import { block, type Code } from './wgsl.ts';

/**
 * tanh in float32 without the built-in, which some drivers compute by e^x / e^-x and overflow: below 0.625 an odd
 * polynomial (Moshier's Cephes, tanhf), above it (1 - t) / (1 + t) with t = exp(-2|x|), which only ever vanishes.
 * Odd, monotone to rounding, +-1 at the infinities, NaN stays NaN. Within 5 ulp where exp and division are as accurate
 * as WGSL demands of them; the test holds an adapter to that.
 */
const tanh = block('fn tapir_tanh(x: f32) -> f32', [
  'let a = abs(x);',
  'let z = x * x;',
  ...horner('series', 'z', [
    '-5.70498872745e-3',
    '2.06390887954e-2',
    '-5.37397155531e-2',
    '1.33314422036e-1',
    '-3.33332819422e-1',
  ]),
  'let t = exp(-2.0 * a);',
  'let y = (1.0 - t) / (1.0 + t);',
  'return select(select(y, -y, x < 0.0), fma(series * z, x, x), a < 0.625);',
]);

/** A polynomial with the highest power first. */
function horner(name: string, x: string, coefficients: readonly string[]): string[] {
  return [`let ${name} = ${coefficients.reduce((sum, coefficient) => `fma(${sum}, ${x}, ${coefficient})`)};`];
}

export const helpers: Readonly<Record<Helper, Code>> = { tanh };
