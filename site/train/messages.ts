/** What the page and the worker that trains tell each other. */
import type { Optimizer } from '../../systems/index.ts';
import type { Spec } from './spec.ts';

export type Order =
  | { readonly do: 'prepare'; readonly spec: Spec }
  | { readonly do: 'go' }
  | { readonly do: 'pause' }
  | { readonly do: 'step' }
  | { readonly do: 'save'; readonly optimizer: Optimizer };

/** Values of a field, or of a residual, at points. */
export interface Curve {
  readonly name: string;
  readonly values: Float32Array;
}

/** Where one of the contestants stands. */
export interface Standing {
  readonly optimizer: Optimizer;
  readonly epoch: number;
  readonly losses: Readonly<Record<string, number>>;
  readonly weights: Readonly<Record<string, number>>;
  /** Relative L2 error by field, and their mean. */
  readonly l2: Readonly<Record<string, number>>;
  readonly mean: number;
  /** Of a step since the last standing; null before the first. */
  readonly msPerStep: number | null;
  readonly fields: readonly Curve[];
  readonly residuals: readonly Curve[];
}

export type Report =
  | { readonly kind: 'doing'; readonly text: string }
  | {
      readonly kind: 'prepared';
      readonly adapter: string;
      readonly optimizers: readonly Optimizer[];
      /** Where fields are compared with their reference, by coordinate. */
      readonly evaluation: Readonly<Record<string, Float64Array>>;
      readonly exact: Readonly<Record<string, Float64Array>>;
      readonly interior: Readonly<Record<string, Float64Array>>;
      readonly dispatchesPerStep: number;
    }
  | { readonly kind: 'standing'; readonly standing: Standing }
  | { readonly kind: 'paused' }
  | { readonly kind: 'saved'; readonly name: string; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'failed'; readonly message: string };
