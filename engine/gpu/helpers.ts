/** Functions in WGSL that shaders carry where their code calls them, each as `tapir_NAME`. */
import type { Helper } from '../tape/ops.ts';
import { block, type Code, unroll, when } from './wgsl.ts';

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

/** 2^n for whole n of at least -126 and at most 127. */
const power = block('fn tapir_power(n: i32) -> f32', 'return bitcast<f32>(u32(n + 127) << 23u);');

/**
 * exp in float32: x = n ln 2 + r with |r| <= ln 2 / 2, a polynomial in r (Cephes, expf), times 2^n in two factors, so
 * that results below 2^-126 are rounded, not lost, where the device has subnormal numbers. Within 3 ulp; infinity
 * above 88.72, 0 below -104, NaN stays NaN.
 */
const exp = block('fn tapir_exp(x: f32) -> f32', [
  'let low = select(x, -104.0, x < -104.0);',
  'let a = select(low, 89.0, low > 89.0);',
  'let n = round(a * 1.44269504);',
  'let r = fma(-n, -2.12194440e-4, fma(-n, 0.693359375, a));',
  ...horner('series', 'r', [
    '1.9875691500e-4',
    '1.3981999507e-3',
    '8.3334519073e-3',
    '4.1665795894e-2',
    '1.6666665459e-1',
    '5.0000001201e-1',
  ]),
  'let y = fma(series, r * r, r) + 1.0;',
  'let half = i32(n) / 2;',
  'return y * tapir_power(half) * tapir_power(i32(n) - half);',
]);

/**
 * log in float32: x = m 2^e with m from sqrt(1/2) to sqrt(2), a polynomial in m - 1 (Cephes, logf) plus e ln 2 in two
 * parts: relative accuracy next to 1 too, which WGSL does not promise. Within 3 ulp. What is not positive and finite is
 * left to WGSL's own.
 */
const log = block('fn tapir_log(x: f32) -> f32', [
  when('!(x > 0.0 && x <= 3.4028234e38)', 'return log(x);'),
  'let tiny = x < 1.1754944e-38;',
  'let bits = bitcast<i32>(select(x, x * 16777216.0, tiny));',
  'let e = (bits - 0x3f3504f3) >> 23u;',
  'let f = bitcast<f32>(bits - (e << 23u)) - 1.0;',
  'let z = f * f;',
  ...horner('series', 'f', [
    '7.0376836292e-2',
    '-1.1514610310e-1',
    '1.1676998740e-1',
    '-1.2420140846e-1',
    '1.4249322787e-1',
    '-1.6668057665e-1',
    '2.0000714765e-1',
    '-2.4999993993e-1',
    '3.3333331174e-1',
  ]),
  'let n = f32(e) - select(0.0, 24.0, tiny);',
  'let tail = fma(-0.5, z, fma(n, -2.12194440e-4, series * z * f));',
  'return fma(n, 0.693359375, f + tail);',
]);

/** The product of two u32 in two u32: low, high. */
const wideProduct = block('fn tapir_wide_product(a: u32, b: u32) -> vec2u', [
  'let low = (a & 0xffffu) * (b & 0xffffu);',
  'let middle = (a & 0xffffu) * (b >> 16u) + (low >> 16u);',
  'let cross = (a >> 16u) * (b & 0xffffu) + (middle & 0xffffu);',
  'return vec2u((low & 0xffffu) | (cross << 16u), (a >> 16u) * (b >> 16u) + (middle >> 16u) + (cross >> 16u));',
]);

/** 32 zeros and the first bits of 2 / pi. */
const twoOverPi = `const tapir_two_over_pi = array<u32, 9>(${[
  '0u',
  '0xa2f9836eu',
  '0x4e441529u',
  '0xfc2757d1u',
  '0xf534ddc0u',
  '0xdb629599u',
  '0x3c439041u',
  '0xfe5163abu',
  '0xdebbc561u',
].join(', ')});`;

/** pi / 2 in parts so short that their products with numbers up to 2^9 are exact, fused or not, and what is left. */
const HALF_PI = [
  '1.5703125',
  '0.0004837512969970703',
  '7.549533620476723e-08',
  '2.5632829192545614e-12',
  '6.123233996e-17',
];

/**
 * (r, q) with |x| = r + q pi / 2 up to multiples of 2 pi, |r| <= pi / 4 and q from 0 to 3. Up to 512 by Cody and Waite's
 * pi / 2 in parts; above by Payne and Hanek: of m 2^e 2 / pi only those bits are multiplied out that neither are
 * multiples of 4 nor too small to matter, 96 of them.
 */
const quarters = block('fn tapir_quarters(x: f32) -> vec2f', [
  'let a = abs(x);',
  when('a < 512.0', [
    'let k = round(a * 0.636619772);',
    'var r = a;',
    HALF_PI.map((part) => `r = fma(-k, ${part}, r);`),
    'return vec2f(r, f32(u32(k) & 3u));',
  ]),
  'let bits = bitcast<u32>(a);',
  'let m = (bits & 0x7fffffu) | 0x800000u;',
  'let skipped = (bits >> 23u) - 120u;',
  'let word = skipped >> 5u;',
  'let shift = skipped & 31u;',
  unroll(4, (k) => `let w${k} = tapir_two_over_pi[word + ${k}u];`),
  'let moved = shift > 0u;',
  'let back = (32u - shift) & 31u;',
  unroll(3, (k) => `let f${k} = select(w${k}, (w${k} << shift) | (w${k + 1} >> back), moved);`),
  unroll(3, (k) => `let p${k} = tapir_wide_product(m, f${k});`),
  'let middle = p2.y + p1.x;',
  'let high = p1.y + p0.x + select(0u, 1u, middle < p2.y);',
  // Two bits of whole quarters, then the fraction as a signed number: above one half it belongs to the next quarter.
  'let fraction = (high << 2u) | (middle >> 30u);',
  'let rest = (middle << 2u) | (p2.x >> 30u);',
  'let up = fraction >> 31u;',
  'let mask = 0u - up;',
  'let low = (rest ^ mask) + up;',
  'let top = (fraction ^ mask) + select(0u, up, low == 0u);',
  'let zeros = select(countLeadingZeros(top), 31u, top == 0u);',
  'let lead = select(top << zeros, (top << zeros) | (low >> (32u - zeros)), zeros > 0u);',
  'let size = f32(lead) * tapir_power(-32 - i32(zeros)) * 1.57079633;',
  'return vec2f(select(size, -size, up == 1u), f32(((high >> 30u) + up) & 3u));',
]);

/** sin(r + q pi / 2) for |r| <= pi / 4 (Cephes, sinf and cosf). */
const wave = block('fn tapir_wave(r: f32, q: u32) -> f32', [
  'let z = r * r;',
  ...horner('odd', 'z', ['-1.9515295891e-4', '8.3321608736e-3', '-1.6666654611e-1']),
  ...horner('even', 'z', ['2.443315711809948e-5', '-1.388731625493765e-3', '4.166664568298827e-2']),
  'let y = select(fma(odd * z, r, r), fma(even * z, z, fma(-0.5, z, 1.0)), (q & 1u) == 1u);',
  'return select(y, -y, q > 1u);',
]);

const reduction = [power, wideProduct, twoOverPi, quarters, wave];

/**
 * sin and cos in float32 of any finite argument, which WGSL promises within [-pi, pi] only. Within 2^-23 of the exact
 * value, and within 4 ulp of it, next to their zeros too. Infinities and NaN are left to WGSL's own.
 */
const sin = block('fn tapir_sin(x: f32) -> f32', [
  when('!(abs(x) <= 3.4028234e38)', 'return sin(x);'),
  'let at = tapir_quarters(x);',
  'let y = tapir_wave(at.x, u32(at.y));',
  'return select(y, -y, x < 0.0);',
]);
const cos = block('fn tapir_cos(x: f32) -> f32', [
  when('!(abs(x) <= 3.4028234e38)', 'return cos(x);'),
  'let at = tapir_quarters(x);',
  'return tapir_wave(at.x, (u32(at.y) + 1u) & 3u);',
]);

/** The larger of two numbers; WGSL's own may drop a NaN. */
const max = block('fn tapir_max(a: f32, b: f32) -> f32', [
  'let nan = (vec2u(bitcast<u32>(a), bitcast<u32>(b)) & vec2u(0x7fffffffu)) > vec2u(0x7f800000u);',
  'return select(select(max(a, b), b, nan.y), a, nan.x);',
]);

/** A float by its bits. In a constant expression WGSL refuses what is not finite, so the bits go through a variable. */
const bits = block('fn tapir_bits(bits: u32) -> f32', ['var word = bits;', 'return bitcast<f32>(word);']);

/** A polynomial with the highest power first. */
function horner(name: string, x: string, coefficients: readonly string[]): string[] {
  return [`let ${name} = ${coefficients.reduce((sum, coefficient) => `fma(${sum}, ${x}, ${coefficient})`)};`];
}

/** Each function after those that it calls. */
export const helpers: Readonly<Record<Helper, readonly Code[]>> = {
  tanh: [tanh],
  exp: [power, exp],
  log: [log],
  sin: [...reduction, sin],
  cos: [...reduction, cos],
  max: [max],
  bits: [bits],
};
