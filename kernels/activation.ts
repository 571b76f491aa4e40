/**
 * Activations f of the fused jets. Between layers not z travels but what is saved of it, numbers p of which f and all its
 * derivatives are polynomials: no layer computes a transcendental function twice. A row holds one activation, on a tape,
 * which is the definition, and in WGSL, where the adjoint spells out derivatives up to the third.
 *
 * Along coordinates a and b, with slope f'(z) and bend f''(z): y_a = slope z_a, y_ab = slope z_ab + bend z_a z_b.
 */
import { add, type Code, cos, type Grid, literal, mul, sin, square, sub, tanh, type Var } from '../engine/index.ts';

export interface Activation {
  /** How many numbers p there are. */
  readonly saved: number;
  readonly onTape: OnTape;
  readonly inCode: InCode;
}

interface OnTape {
  /** What is saved of z. */
  save(z: Var): Var[];
  /** The cotangent of z from those of what was saved. */
  saveBar(p: readonly Var[], bars: readonly Var[]): Var;
  /** f(z), f'(z), and what becomes of a second derivative z_ab, with q = z_a z_b. */
  at(p: readonly Var[]): { value: Var; slope: Var; second(z: Var, q: Var): Var };
}

/** The same as expressions; `q` stands for a sum of products, and `saveBar` is a factor as it stands. */
interface InCode {
  readonly helpers: NonNullable<Grid['helpers']>;
  save(z: string): readonly string[];
  saveBar(p: readonly string[], bars: readonly string[]): string;
  /** `define` brings f' into scope under the name `slope`; `first` and `second` rest on it. */
  at(p: readonly string[], slope: string): Forward & Adjoint;
}

interface Forward {
  readonly define: Code;
  readonly value: string;
  first(z: string): string;
  second(z: string, q: string): string;
}

/** A derivative z and the cotangent g of what f made of it. */
interface First {
  readonly g: string;
  readonly z: string;
}
interface Second extends First {
  /** The name of its sum of products. */
  readonly q: string;
}
/** d q / d z_a for a slot with cotangent g: factor * z. */
export interface Product extends First {
  readonly factor: number;
}

interface Adjoint {
  /** Cotangents of p, from g of the value and those of the derivatives; `before` is what they refer to. */
  saved(g: string, first: readonly First[], second: readonly Second[]): { before: Code; bars: readonly string[] };
  /** The cotangent of z_a, from g of y_a and those of the slots that z_a is in. */
  firstBar(g: string, products: readonly Product[]): string;
}

/** Saved: t = tanh(z). slope = 1 - t^2 and bend = -2 t slope are kept in one factor. */
const tanhRow: Activation = {
  saved: 1,
  onTape: {
    save: (z) => [tanh(z)],
    saveBar: ([t], [bar]) => mul(bar!, sub(1, square(t!))),
    at([t]) {
      const slope = sub(1, square(t!));
      return { value: t!, slope, second: (z, q) => mul(slope, sub(z, mul(2, mul(t!, q)))) };
    },
  },
  inCode: {
    helpers: ['tanh'],
    save: (z) => [`tapir_tanh(${z})`],
    saveBar: ([t], [bar]) => `${bar} * (1.0 - ${t}*${t})`,
    at: ([t], slope) => ({
      define: `let ${slope} = 1.0 - ${t}*${t};`,
      value: t!,
      first: (z) => `${slope} * ${z}`,
      second: (z, q) => `${slope} * (${z} - 2.0*${t}*(${q}))`,
      saved(g, first, second) {
        const terms = [
          ...first.map(({ g, z }) => `2.0*${t}*${g}*${z}`),
          ...second.map(({ g, z, q }) => `2.0*${g}*(${t}*(${z} - 2.0*${t}*${q}) + ${q}*${slope})`),
        ];
        return { before: [], bars: [[g, ...terms].join(' - ')] };
      },
      firstBar: (g, products) =>
        `${slope}*(${[g, ...products.map(({ factor, z, g }) => `${literal(2 * factor)}*${t}*${z}*${g}`)].join(' - ')})`,
    }),
  },
};

/** Saved: s = sin(z) and c = cos(z). */
const sineRow: Activation = {
  saved: 2,
  onTape: {
    save: (z) => [sin(z), cos(z)],
    saveBar: ([s, c], [sBar, cBar]) => sub(mul(sBar!, c!), mul(cBar!, s!)),
    at: ([s, c]) => ({ value: s!, slope: c!, second: (z, q) => sub(mul(c!, z), mul(s!, q)) }),
  },
  inCode: {
    helpers: ['sin', 'cos'],
    save: (z) => [`tapir_sin(${z})`, `tapir_cos(${z})`],
    saveBar: ([s, c], [sBar, cBar]) => `(${sBar}*${c} - ${cBar}*${s})`,
    at: ([s, c], slope) =>
      spelled(slope, {
        value: s!,
        slope: c!,
        bend: `-${s}`,
        bars: (value, slope, bend) => [`${value} - ${bend}`, slope],
      }),
  },
};

/**
 * f(z) = z s with s = 1 / (1 + exp(-z)), by tanh, which overflows nowhere. Saved: z and s. With d = s - s^2 and
 * u = 1 - 2 s: slope = s + z d, bend = d (2 + z u).
 */
const siluRow: Activation = {
  saved: 2,
  onTape: {
    save: (z) => [z, add(mul(0.5, tanh(mul(0.5, z))), 0.5)],
    saveBar: ([, s], [zBar, sBar]) => add(zBar!, mul(sBar!, sub(s!, square(s!)))),
    at([z, s]) {
      const [d, u] = [sub(s!, square(s!)), sub(1, mul(2, s!))];
      const slope = add(s!, mul(z!, d));
      const bend = mul(d, add(2, mul(z!, u)));
      return { value: mul(z!, s!), slope, second: (zab, q) => add(mul(slope, zab), mul(bend, q)) };
    },
  },
  inCode: {
    helpers: ['tanh'],
    save: (z) => [z, `fma(0.5, tapir_tanh(0.5*(${z})), 0.5)`],
    saveBar: ([, s], [zBar, sBar]) => `(${zBar} + ${sBar}*(${s} - ${s}*${s}))`,
    at([z, s], slope) {
      const [d, u] = [`(${s} - ${s}*${s})`, `(1.0 - 2.0*${s})`];
      return spelled(slope, {
        value: `${z}*${s}`,
        slope: `${s} + ${z}*${d}`,
        bend: `${d}*(2.0 + ${z}*${u})`,
        bars: (value, slope, bend) => [
          `${value}*${s} + ${slope}*${d} + ${bend}*${d}*${u}`,
          `${value}*${z} + ${slope}*(1.0 + ${z}*${u}) + ${bend}*(${u}*(2.0 + ${z}*${u}) - 2.0*${z}*${d})`,
        ],
      });
    },
  },
};

/** An activation by its value, slope and bend, and the cotangents of p from those of these three. */
function spelled(
  slope: string,
  f: { value: string; slope: string; bend: string; bars(value: string, slope: string, bend: string): string[] },
): Forward & Adjoint {
  const sum = (terms: readonly string[]) => terms.join(' + ') || '0.0';
  return {
    define: [`let ${slope} = ${f.slope};`, `let ${slope}_bend = ${f.bend};`],
    value: f.value,
    first: (z) => `${slope} * ${z}`,
    second: (z, q) => `${slope} * ${z} + ${slope}_bend * (${q})`,
    saved: (g, first, second) => ({
      before: [
        `let slope_bar = ${sum([...first, ...second].map(({ g, z }) => `${g}*${z}`))};`,
        `let bend_bar = ${sum(second.map(({ g, q }) => `${g}*${q}`))};`,
      ],
      bars: f.bars(g, 'slope_bar', 'bend_bar'),
    }),
    firstBar: (g, products) =>
      sum([`${slope}*${g}`, ...products.map(({ factor, z, g }) => `${literal(factor)}*${slope}_bend*${z}*${g}`)]),
  };
}

export const activationNames = ['tanh', 'sine', 'silu'] as const;
export type ActivationName = (typeof activationNames)[number];
export const activations: Readonly<Record<ActivationName, Activation>> = {
  tanh: tanhRow,
  sine: sineRow,
  silu: siluRow,
};
