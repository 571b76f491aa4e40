/** WGSL that the versions of the dense jet share: tanh's jet from the saved form, its adjoint, index helpers. */
import { type Call, element, type Layout } from '../engine/index.ts';
import type { DenseJetParams } from './dense-jet.ts';

/** Sizes of one call: S [B,C,K,N], W [B,O,K]. */
export interface JetSizes extends DenseJetParams {
  readonly B: number;
  readonly C: number;
  readonly K: number;
  readonly O: number;
  readonly N: number;
}

export function sizesOf({ params, inputs }: Call): JetSizes {
  const [B, C, K, N] = inputs[0]!.shape as [number, number, number, number];
  return { ...(params as DenseJetParams), B, C, K, N, O: inputs[1]!.shape[1]! };
}

export const range = (count: number): number[] => Array.from({ length: count }, (_, k) => k);

/**
 * WGSL that does something with each of up to `count` rows of registers, `NAME_0`, `NAME_1`, .. for each of `names`. The
 * rows move up to `NAME_0` in turn, so that `use` is written, and compiled, once. A compiler that knew `count` would
 * unroll the loop: the grid has to give it as its uniform `rows`.
 */
export function eachRow(count: number, left: string, names: readonly string[], use: (j: string) => string): string {
  const move = range(count - 1).flatMap((j) => names.map((name) => `${name}_${j} = ${name}_${j + 1};`));
  return `for (var j = 0u; j < min(at.rows, ${left}); j++) {
    ${use('j')}
    ${move.join(' ')}
  }`;
}

/** `name0, name1, ..` loaded for every channel: `let s0 = S[..]; ..`. */
export function loadChannels(
  name: string,
  count: number,
  from: string,
  layout: Layout,
  [batch, row, point]: [string, string, string],
): string {
  return range(count)
    .map((c) => `let ${name}${c} = ${element(from, layout, [batch, `${c}u`, row, point])};`)
    .join(' ');
}

const squares = (s: string, D: number) =>
  range(D)
    .map((d) => `${s}${1 + d}*${s}${1 + d}`)
    .join(' + ') || '0.0';

/** `y0..` from saved form `s0..` = (t, z_1..z_D, z_L): the jet of tanh(z_0), with t = tanh(z_0). */
export function activate(y: string, s: string, { D, second, from, C }: JetSizes): string {
  if (from === 'linear')
    return range(C)
      .map((c) => `let ${y}${c} = ${s}${c};`)
      .join(' ');
  const lines = [`let ${y}0 = ${s}0;`, ...(C > 1 ? [`let ${y}s = 1.0 - ${s}0*${s}0;`] : [])];
  for (const d of range(D)) lines.push(`let ${y}${1 + d} = ${y}s * ${s}${1 + d};`);
  if (second) lines.push(`let ${y}${C - 1} = ${y}s * (${s}${C - 1} - 2.0*${s}0*(${squares(s, D)}));`);
  return lines.join(' ');
}

/** Expressions, by channel, of the cotangent of the saved form `s0..` from the cotangent `g0..` of the jet. */
export function activateAdjoint(
  g: string,
  s: string,
  { D, second, from, C }: JetSizes,
): { before: string; channels: string[] } {
  if (from === 'linear') return { before: '', channels: range(C).map((c) => `${g}${c}`) };
  const L = C - 1;
  const value = [`${g}0`, ...range(D).map((d) => `- 2.0*${s}0*${g}${1 + d}*${s}${1 + d}`)];
  if (second) value.push(`- 2.0*${g}${L}*(${s}0*(${s}${L} - 2.0*${s}0*q) + q*slope)`);
  const first = range(D).map((d) => `slope*(${g}${1 + d}${second ? ` - 4.0*${s}0*${s}${1 + d}*${g}${L}` : ''})`);
  return {
    before: C > 1 ? `let slope = 1.0 - ${s}0*${s}0;${second ? ` let q = ${squares(s, D)};` : ''}` : '',
    channels: [value.join(' '), ...first, ...(second ? [`slope*${g}${L}`] : [])],
  };
}

/**
 * Cotangent of the affine map's value, channel `c`, from that of the layer's result: where the result is in saved form
 * its first channel passes through tanh.
 */
export function affineCotangent(c: number, bar: string, result: string, to: DenseJetParams['to']): string {
  return to === 'tanh' && c === 0 ? `${bar} * (1.0 - ${result}*${result})` : bar;
}

/** Which of S (0), W (1), b (2) the adjoint gives cotangents of. */
export const wrtOf = ({ params }: Call) => params['wrt'] as readonly number[];

/** Operands of the adjoint by name. */
export const layoutsOf = ({ inputs }: Call) => {
  const [S, W, , result, bar] = inputs as [Layout, Layout, Layout, Layout, Layout];
  return { S, W, result, bar };
};

/** The cotangent of the affine map's channel c at row `o`, read from the result's. */
export function affineBar(
  c: number,
  { bar, result }: { bar: Layout; result: Layout },
  { to }: JetSizes,
  o: string,
  n: string,
): string {
  const at = ['batch', `${c}u`, o, n];
  return affineCotangent(c, element('bar', bar, at), element('result', result, at), to);
}
