/** How generated code computes: which WGSL type an element has, and how constants and operations are spelled for it. */
import { type Helper, type Row, rowOf } from '../tape/ops.ts';
import type { OpName } from '../tape/tape.ts';
import type { Code } from './wgsl.ts';

/** An element in memory: a float32, or an unevaluated sum of two. */
export type Element = 'f32' | 'vec2f';

export interface Arithmetic {
  readonly element: Element;
  literal(value: number): string;
  /** A pointwise operation on expressions. */
  pointwise(op: OpName, operands: readonly string[]): string;
  /** The function that the spelling of an operation calls, if it is none of WGSL's own. */
  helper?(op: OpName): Helper | undefined;
  /** A reduction's next value. */
  fold(op: OpName, accumulated: string, x: string): string;
  /** What is stored as `of`, once loaded. */
  loaded(expression: string, of: Element): string;
  /** Functions that its code calls. */
  readonly prelude?: string;
  /** Statements at the start of every piece of code, and the uniforms that they read. */
  readonly opening?: Code;
  readonly uniforms?: Readonly<Record<string, number>>;
}

/** The arithmetic of a program, and what an element of each root buffer is. */
export interface Numbers {
  readonly arithmetic: Arithmetic;
  elementOf(root: number): Element;
}

/** 32-bit floats in 4 bytes. */
export const wordsOf = (element: Element): number => (element === 'f32' ? 1 : 2);

/** Float32, as each row of the vocabulary spells itself. */
export const single: Arithmetic = {
  element: 'f32',
  literal,
  pointwise(op, operands) {
    const row: Row = rowOf(op);
    if (row.kind !== 'pointwise') throw new TypeError(`${op} is not pointwise`);
    return row.wgsl(...operands);
  },
  helper(op) {
    const row: Row = rowOf(op);
    return row.kind === 'pointwise' || row.kind === 'reduce' ? row.helper : undefined;
  },
  fold(op, accumulated, x) {
    const row: Row = rowOf(op);
    if (row.kind !== 'reduce') throw new TypeError(`${op} is not a reduction`);
    return row.wgsl(accumulated, x);
  },
  loaded: (expression) => expression,
};

/** A float32 literal. WGSL has none for what is not finite: that is a call of the helper `bits`, see {@link isLiteral}. */
export function literal(value: number): string {
  const f = Math.fround(value);
  if (Number.isNaN(f)) return 'tapir_bits(0x7fc00000u)';
  if (!Number.isFinite(f)) return `tapir_bits(${f > 0 ? '0x7f800000u' : '0xff800000u'})`;
  const text = String(f);
  return /[.e]/.test(text)
    ? text.includes('e') && !text.includes('.')
      ? text.replace('e', '.0e')
      : text
    : `${text}.0`;
}

/** Whether WGSL has a literal for a number rounded to float32. */
export const isLiteral = (value: number): boolean => Number.isFinite(Math.fround(value));

/** Each number as a float32 and what that leaves of it. */
export function splitPairs(values: ArrayLike<number>): Float32Array<ArrayBuffer> {
  const pairs = new Float32Array(2 * values.length);
  for (let k = 0; k < values.length; k++) {
    const high = Math.fround(values[k]!);
    pairs[2 * k] = high;
    pairs[2 * k + 1] = values[k]! - high;
  }
  return pairs;
}

/** The numbers that pairs stand for, exactly. */
export function joinPairs(pairs: Float32Array): Float64Array {
  const values = new Float64Array(pairs.length / 2);
  for (let k = 0; k < values.length; k++) values[k] = pairs[2 * k]! + pairs[2 * k + 1]!;
  return values;
}
