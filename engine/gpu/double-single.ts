/**
 * Double-single arithmetic: a value is an unevaluated sum of two float32 (x, y) with |y| at most half an ulp of x, about
 * 48 bits. It rests on error-free transformations: the rounding error of a float32 sum or product is a float32 itself
 * (Knuth 1969, Dekker 1971; algorithms as in Joldes, Muller and Popescu 2017). They hold only where the driver neither
 * reassociates nor contracts; `prove.ts` finds a spelling that survives on an adapter.
 */
import type { OpName } from '../tape/tape.ts';
import { type Arithmetic, type Element, literal } from './arithmetic.ts';

/** How error-free transformations are written. */
export interface Spelling {
  /** `fma`: the driver rounds once; `split`: it multiplies, then adds, so that factors are split into halves. */
  readonly product: 'fma' | 'split';
  /** How many intermediate results are hidden from the driver's algebra. */
  readonly hidden: 1 | 2;
}

export const spellings: readonly Spelling[] = [
  { product: 'fma', hidden: 1 },
  { product: 'split', hidden: 1 },
  { product: 'fma', hidden: 2 },
  { product: 'split', hidden: 2 },
];

/** A number as two float32 literals. */
export function pair(value: number): string {
  const high = Math.fround(value);
  const low = Number.isFinite(high) ? value - high : 0;
  return `vec2f(${literal(value)}, ${literal(low)})`;
}

const binary: Partial<Record<OpName, string>> = { add: 'ds_add', sub: 'ds_sub', mul: 'ds_mul', div: 'ds_div' };
const unary: Partial<Record<OpName, string>> = {
  exp: 'ds_exp',
  log: 'ds_log',
  sin: 'ds_sin',
  cos: 'ds_cos',
  tanh: 'ds_tanh',
  sqrt: 'ds_sqrt',
};

/** The arithmetic in one spelling. */
export function doubleSingle(spelling: Spelling): Arithmetic {
  return {
    element: 'vec2f',
    literal: pair,
    pointwise(op, x) {
      const name = unary[op] ?? binary[op];
      if (name) return `${name}(${x.join(', ')})`;
      if (op === 'neg') return `(-${x[0]})`;
      if (op === 'detach') return x[0]!;
      if (op === 'less') return `select(vec2f(), vec2f(1.0, 0.0), ds_less(${x[0]}, ${x[1]}))`;
      if (op === 'where') return `select(${x[2]}, ${x[1]}, ${x[0]}.x != 0.0)`;
      throw new TypeError(`${op} has no double-single spelling`);
    },
    fold(op, accumulated, x) {
      if (op === 'sum') return `ds_add(${accumulated}, ${x})`;
      if (op === 'max') return `select(${accumulated}, ${x}, ds_less(${accumulated}, ${x}) || ${x}.x != ${x}.x)`;
      throw new TypeError(`${op} has no double-single spelling`);
    },
    loaded: (expression, of) => (of === 'f32' ? `vec2f(${expression}, 0.0)` : expression),
    prelude: prelude(spelling),
    opening: 'ds_zero = at.ds_zero;',
    uniforms: { ds_zero: 0 },
  };
}

/** WGSL of an unnormalized sum plus a product of two elements as they are stored; `ds_normal` normalizes the last. */
export function addProduct(sum: string, a: string, b: string, of: readonly [Element, Element]): string {
  const whole = (x: string, element: Element) => (element === 'f32' ? `vec2f(${x}, 0.0)` : x);
  return of.every((element) => element === 'f32')
    ? `ds_mac_single(${sum}, ${a}, ${b})`
    : `ds_mac(${sum}, ${whole(a, of[0])}, ${whole(b, of[1])})`;
}

/** Bits of the upper half of a float32: products of halves are exact. */
const UPPER = '0xfffff000u';

/** In three parts, the first two short enough that their products with small whole numbers are exact. */
const LN2 = parts(Math.LN2, 2.319046813846299e-17);
const HALF_PI = parts(Math.PI / 2, 6.123233995736766e-17);

/** Three float32 of 12 bits, 12 bits and the rest, of value + tail. */
function parts(value: number, tail: number): [string, string, string] {
  const upper = (x: number) => {
    const bits = new Uint32Array(Float32Array.of(x).buffer);
    bits[0] = bits[0]! & 0xfffff000;
    return new Float32Array(bits.buffer)[0]!;
  };
  const first = upper(value);
  const second = upper(value - first);
  return [literal(first), literal(second), pair(value - first - second + tail)];
}

function prelude({ product, hidden }: Spelling): string {
  const twice = (x: string) => (hidden === 2 ? `ds_hide(${x})` : x);
  const error =
    product === 'fma'
      ? 'return vec2f(p, fma(a, b, -p));'
      : `let c = ds_split(a);
  let d = ds_split(b);
  return vec2f(p, ((${twice('c.x * d.x')} - p) + c.x * d.y + c.y * d.x) + c.y * d.y);`;
  return `var<private> ds_zero: u32;
/** x itself, which the compiler cannot know. */
fn ds_hide(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) ^ ds_zero); }
fn ds_split(x: f32) -> vec2f {
  let upper = bitcast<f32>(bitcast<u32>(x) & ${UPPER});
  return vec2f(upper, x - upper);
}
/** a + b and its rounding error. */
fn ds_two_sum(a: f32, b: f32) -> vec2f {
  let s = ds_hide(a + b);
  let t = ${twice('s - a')};
  return vec2f(s, (a - (s - t)) + (b - t));
}
/** The same where |a| >= |b|. */
fn ds_quick_sum(a: f32, b: f32) -> vec2f {
  let s = ds_hide(a + b);
  return vec2f(s, b - ${twice('(s - a)')});
}
/** a * b and its rounding error. */
fn ds_two_prod(a: f32, b: f32) -> vec2f {
  let p = ds_hide(a * b);
  ${error}
}
fn ds_add(a: vec2f, b: vec2f) -> vec2f {
  let s = ds_two_sum(a.x, b.x);
  let t = ds_two_sum(a.y, b.y);
  let v = ds_quick_sum(s.x, s.y + t.x);
  return ds_quick_sum(v.x, v.y + t.y);
}
fn ds_sub(a: vec2f, b: vec2f) -> vec2f { return ds_add(a, -b); }
fn ds_mul(a: vec2f, b: vec2f) -> vec2f {
  let p = ds_two_prod(a.x, b.x);
  return ds_quick_sum(p.x, p.y + (a.x * b.y + a.y * b.x));
}
/** a b where b is a float32. */
fn ds_scale(a: vec2f, b: f32) -> vec2f {
  let p = ds_two_prod(a.x, b);
  return ds_quick_sum(p.x, p.y + a.y * b);
}
/** Adds a product to a sum whose low part is not normalized: s + a b. For sums of products. */
fn ds_mac(s: vec2f, a: vec2f, b: vec2f) -> vec2f {
  let p = ds_two_prod(a.x, b.x);
  let t = ds_two_sum(s.x, p.x);
  return vec2f(t.x, s.y + (t.y + (p.y + (a.x * b.y + a.y * b.x))));
}
/** The same for float32 factors. */
fn ds_mac_single(s: vec2f, a: f32, b: f32) -> vec2f {
  let p = ds_two_prod(a, b);
  let t = ds_two_sum(s.x, p.x);
  return vec2f(t.x, s.y + (t.y + p.y));
}
fn ds_normal(s: vec2f) -> vec2f { return ds_two_sum(s.x, s.y); }
fn ds_div(a: vec2f, b: vec2f) -> vec2f {
  let q = a.x / b.x;
  let r = ds_sub(a, ds_scale(b, q));
  let e = r.x / b.x;
  let f = ds_sub(r, ds_scale(b, e)).x / b.x;
  let s = ds_quick_sum(q, e);
  return ds_quick_sum(s.x, s.y + f);
}
fn ds_sqrt(a: vec2f) -> vec2f {
  if (a.x == 0.0) { return a; }
  let y = sqrt(a.x);
  let r = ds_sub(a, ds_two_prod(y, y));
  let s = ds_quick_sum(y, r.x / (2.0 * y));
  let e = ds_sub(a, ds_mul(s, s));
  return ds_quick_sum(s.x, s.y + e.x / (2.0 * y));
}
fn ds_less(a: vec2f, b: vec2f) -> bool { return a.x < b.x || (a.x == b.x && a.y < b.y); }
fn ds_power(k: f32) -> f32 { return bitcast<f32>(u32(i32(k) + 127) << 23u); }
/** 2^k and e^r - 1 with a = k ln 2 + r: Taylor's series of r / 16, whose tail is small enough for float32, squared up. */
fn ds_exp_parts(a: vec2f) -> vec3f {
  let k = clamp(round(a.x * 1.4426950408889634), -126.0, 127.0);
  let near = ds_add(ds_add(a, vec2f(-k * ${LN2[0]}, 0.0)), vec2f(-k * ${LN2[1]}, 0.0));
  let r = 0.0625 * ds_sub(near, ds_scale(${LN2[2]}, k));
  let square = ds_mul(r, r);
  let tail = r.x * (1.0 / 24.0 + r.x * (1.0 / 120.0 + r.x * (1.0 / 720.0 + r.x * (1.0 / 5040.0))));
  let cubic = ds_mul(ds_mul(square, r), ds_add(${pair(1 / 6)}, vec2f(tail, 0.0)));
  var s = ds_add(r, ds_add(0.5 * square, cubic));
  for (var n = 0u; n < 4u; n++) { s = ds_add(2.0 * s, ds_mul(s, s)); }
  return vec3f(s, k);
}
fn ds_exp(a: vec2f) -> vec2f {
  if (a.x > 88.72) { return vec2f(exp(a.x), 0.0); }
  if (a.x < -87.0) { return vec2f(0.0, 0.0); }
  let parts = ds_exp_parts(a);
  return ds_power(parts.z) * ds_add(vec2f(1.0, 0.0), parts.xy);
}
/** (1 - t) / (1 + t) with t = e^(-2|x|), by t - 1, so that it keeps its relative accuracy near 0. */
fn ds_tanh(x: vec2f) -> vec2f {
  let m = select(x, -x, x.x < 0.0);
  let parts = ds_exp_parts(select(-2.0 * m, vec2f(-60.0, 0.0), m.x > 30.0));
  let power = ds_power(parts.z);
  let less = ds_add(power * parts.xy, ds_two_sum(-1.0, power));
  let y = ds_div(-less, ds_add(vec2f(2.0, 0.0), less));
  return select(y, -y, x.x < 0.0);
}
fn ds_log(x: vec2f) -> vec2f {
  let y = vec2f(log(x.x), 0.0);
  if (!(x.x > 0.0 && x.x < 3.0e38)) { return y; }
  let e = ds_sub(ds_mul(x, ds_exp(-y)), vec2f(1.0, 0.0));
  return ds_add(y, ds_sub(e, 0.5 * ds_mul(e, e)));
}
/** sin and cos of r, |r| <= pi / 4. */
fn ds_sin_near(r: vec2f) -> vec2f {
  let z = ds_mul(r, r);
  ${horner([1, -1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800, 1 / 6227020800, -1 / 1307674368000])}
  return ds_mul(r, p);
}
fn ds_cos_near(r: vec2f) -> vec2f {
  let z = ds_mul(r, r);
  ${horner([1, -1 / 2, 1 / 24, -1 / 720, 1 / 40320, -1 / 3628800, 1 / 479001600, -1 / 87178291200])}
  return p;
}
/** sin(x + quarters pi / 2). */
fn ds_sine(x: vec2f, quarters: i32) -> vec2f {
  let k = round(x.x * 0.6366197723675814);
  let near = ds_add(ds_add(x, vec2f(-k * ${HALF_PI[0]}, 0.0)), ds_two_prod(-k, ${HALF_PI[1]}));
  let r = ds_sub(near, ds_scale(${HALF_PI[2]}, k));
  let q = u32(i32(k) + quarters) % 4u;
  let y = select(ds_sin_near(r), ds_cos_near(r), q % 2u == 1u);
  return select(y, -y, q >= 2u);
}
fn ds_sin(x: vec2f) -> vec2f { return ds_sine(x, 0); }
fn ds_cos(x: vec2f) -> vec2f { return ds_sine(x, 1); }
`;
}

/** Horner's scheme in z for rising coefficients, into `p`. */
function horner(coefficients: readonly number[]): string {
  const [last, ...rest] = coefficients.toReversed();
  return [`var p = ${pair(last!)};`, ...rest.map((c) => `p = ds_add(ds_mul(p, z), ${pair(c)});`)].join('\n  ');
}
