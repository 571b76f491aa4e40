/** WGSL that the versions of the dense jet share: tanh's jet from the saved form, its adjoint, rows of registers. */
import { type Call, type Code, type Index, loop, range, type Tensor, unroll } from '../engine/index.ts';
import type { DenseJetParams } from './dense-jet.ts';

/** Sizes of one call: S [B,C,K,N], W [B,O,K]. */
export interface JetSizes extends DenseJetParams {
  readonly B: number;
  readonly C: number;
  readonly K: number;
  readonly O: number;
  readonly N: number;
}

export function sizesOf({ params, inputs }: Call<DenseJetParams>): JetSizes {
  const [B, C, K, N] = inputs[0]!.shape as [number, number, number, number];
  return { ...params, B, C, K, N, O: inputs[1]!.shape[1]! };
}

/**
 * Does something with each of up to `count` rows of registers, `NAME_0`, `NAME_1`, .. for each of `names`. The rows move
 * up to `NAME_0` in turn, so that `use` is written, and compiled, once. A compiler that knew `count` would unroll the
 * loop: `rows` is a uniform of that value.
 */
export function eachRow(
  count: number,
  rows: string,
  left: string,
  names: readonly string[],
  use: (j: string) => Code,
): Code {
  const move = unroll(count - 1, (j) => names.map((name) => `${name}_${j} = ${name}_${j + 1};`));
  return loop('j', `min(${rows}, ${left})`, [use('j'), move]);
}

/** The channels `name0`, `name1`, .. of a row at a point of a tensor [B,C,rows,N]. */
export const loadChannels = (name: string, count: number, from: Tensor, row: Index, point: Index): Code =>
  unroll(count, (c) => `let ${name}${c} = ${from('batch', c, row, point)};`);

/** z_1^2 + z_2^2 + .. of a saved form. */
const squares = (s: string, D: number): string =>
  range(D)
    .map((d) => `${s}${1 + d}*${s}${1 + d}`)
    .join(' + ') || '0.0';

/** `y0..` from saved form `s0..` = (t, z_1..z_D, z_L): the jet of tanh(z_0), with t = tanh(z_0). */
export function activate(y: string, s: string, { D, second, from, C }: JetSizes): Code {
  if (from === 'linear') return unroll(C, (c) => `let ${y}${c} = ${s}${c};`);
  const L = C - 1;
  return [
    `let ${y}0 = ${s}0;`,
    C > 1 ? `let ${y}s = 1.0 - ${s}0*${s}0;` : [],
    unroll(D, (d) => `let ${y}${1 + d} = ${y}s * ${s}${1 + d};`),
    second ? `let ${y}${L} = ${y}s * (${s}${L} - 2.0*${s}0*(${squares(s, D)}));` : [],
  ];
}

/** The cotangent of the saved form `s0..` from the cotangent `g0..` of the jet: expressions by channel, and what they use. */
export function activateAdjoint(
  g: string,
  s: string,
  { D, second, from, C }: JetSizes,
): { before: Code; channels: string[] } {
  if (from === 'linear') return { before: [], channels: range(C).map((c) => `${g}${c}`) };
  const L = C - 1;
  const value = [`${g}0`, ...range(D).map((d) => `- 2.0*${s}0*${g}${1 + d}*${s}${1 + d}`)];
  if (second) value.push(`- 2.0*${g}${L}*(${s}0*(${s}${L} - 2.0*${s}0*q) + q*slope)`);
  const first = range(D).map((d) => {
    const ofLaplacian = second ? ` - 4.0*${s}0*${s}${1 + d}*${g}${L}` : '';
    return `slope*(${g}${1 + d}${ofLaplacian})`;
  });
  const slope = C > 1 ? `let slope = 1.0 - ${s}0*${s}0;` : [];
  return {
    before: [slope, second ? `let q = ${squares(s, D)};` : []],
    channels: [value.join(' '), ...first, ...(second ? [`slope*${g}${L}`] : [])],
  };
}

/**
 * The cotangent of the affine map's channel `c` at row `o`, from that of the layer's result: where the result is in
 * saved form its first channel passes through tanh.
 */
export function affineBar(c: number, bar: Tensor, result: Tensor, { to }: JetSizes, o: Index, n: Index): string {
  const value = bar('batch', c, o, n);
  if (to !== 'tanh' || c > 0) return value;
  const t = result('batch', c, o, n);
  return `${value} * (1.0 - ${t}*${t})`;
}
