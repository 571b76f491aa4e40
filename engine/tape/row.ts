/** What a row of the vocabulary holds, by kind of operation. `ops.ts` is the table of rows. */
import type { Shape } from './shape.ts';
import type { OpName, ParamsOf, Pointwise, Reduction, Var, View } from './tape.ts';

/** For each input axis of a view: the output axis that drives it (null: fixed) and where it starts. */
export type AxisMap = readonly { readonly axis: number | null; readonly start: number }[];

/** d(output)/d(input k) as nodes, from the output y and the inputs x; null where it is zero everywhere. */
export type Partial = ((y: Var, ...x: Var[]) => Var) | null;

/** Functions that WGSL does not have, or not accurately enough: a shader that calls `tapir_NAME` carries it. */
export type Helper = 'exp' | 'log' | 'sin' | 'cos' | 'tanh' | 'max' | 'bits';

export type Linear = View | 'reshape' | 'concat' | 'matmul';

interface LinearRow<K extends Linear> {
  kind: K extends View ? 'view' : K;
  /** Cotangent of input k, from the cotangent of the output. The row must be linear in each input that has one. */
  transpose(cotangent: Var, k: number, inputs: readonly Var[], params: ParamsOf[K]): Var;
}

interface ViewRow<K extends View> extends LinearRow<K> {
  shape(x: Shape, params: ParamsOf[K]): Shape;
  axes(x: Shape, params: ParamsOf[K]): AxisMap;
}

export interface PointwiseRow {
  kind: 'pointwise';
  f64(...x: number[]): number;
  wgsl(...x: string[]): string;
  /** The function that its spelling calls, if WGSL does not have it. */
  helper?: Helper;
  partials: readonly Partial[];
}

interface ReductionRow {
  kind: 'reduce';
  initial: number;
  f64(accumulated: number, x: number): number;
  wgsl(accumulated: string, x: string): string;
  helper?: Helper;
  /** Which elements carry the result's derivative, with their weights, shaped as x. */
  mask(y: Var, x: Var): Var | null;
}

export type ViewRows = { readonly [K in View]: ViewRow<K> };
export type LinearRows = { readonly [K in Linear]: LinearRow<K> };
export type Rows = Readonly<Record<Pointwise, PointwiseRow>> &
  ViewRows &
  LinearRows &
  Readonly<Record<Reduction, ReductionRow>> & {
    readonly input: { kind: 'leaf' };
    readonly constant: { kind: 'leaf' };
    readonly composite: { kind: 'composite' };
    readonly pick: { kind: 'pick' };
  };

export type Row = Rows[OpName];
