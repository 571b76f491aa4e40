/** What the page and the worker that trains tell each other. */
import type { Method } from '../../experiments/training/hyperparameters.ts';
import type { Spec } from './spec.ts';

export type Order =
  /** A run replaces the one before; its number is in every report on it. */
  | { readonly do: 'prepare'; readonly run: number; readonly spec: Spec }
  /** Where pictures are drawn, by {@link pictureKey}. */
  | { readonly do: 'draw'; readonly run: number; readonly canvases: Readonly<Record<string, OffscreenCanvas>> }
  | { readonly do: 'go' }
  | { readonly do: 'pause' }
  | { readonly do: 'step' }
  | { readonly do: 'save'; readonly optimizer: Method };

export type Quantity = 'field' | 'residual';

/** The picture of a field or a residual by an optimizer; without one, of the field's reference. */
export const pictureKey = (of: Quantity, name: string, optimizer?: Method): string =>
  [of, name, optimizer ?? 'reference'].join(' ');

/** Values of a field, or of a residual, at points. */
export interface Curve {
  readonly name: string;
  readonly values: Float32Array;
}

export type Range = readonly [low: number, high: number];

/** Where one of the contestants stands. */
export interface Standing {
  readonly optimizer: Method;
  readonly epoch: number;
  readonly losses: Readonly<Record<string, number>>;
  readonly weights: Readonly<Record<string, number>>;
  /** Relative L2 error by field, and their mean; of no field, and NaN, where there is no reference solution. */
  readonly l2: Readonly<Record<string, number>>;
  readonly mean: number;
  /** Of a step since the last standing; null before the first. */
  readonly msPerStep: number | null;
  /** On a line; values in the plane stay on the device, and are drawn there. */
  readonly fields: readonly Curve[];
  readonly residuals: readonly Curve[];
  /** In the plane: what the colours of a picture stand for, by {@link pictureKey}. */
  readonly ranges: Readonly<Record<string, Range>>;
}

export interface Prepared {
  readonly adapter: string;
  readonly optimizers: readonly Method[];
  /** Where fields are evaluated, by coordinate: one coordinate, or two. */
  readonly evaluation: Readonly<Record<string, Float64Array>>;
  readonly fields: readonly string[];
  /** Reference solutions, of the fields that have one. */
  readonly exact: Readonly<Record<string, Float64Array>>;
  readonly residuals: readonly string[];
  readonly interior: Readonly<Record<string, Float64Array>>;
  readonly dispatchesPerStep: number;
}

export type News =
  | { readonly kind: 'doing'; readonly text: string }
  | ({ readonly kind: 'prepared' } & Prepared)
  | { readonly kind: 'standing'; readonly standing: Standing }
  | { readonly kind: 'paused' }
  | { readonly kind: 'saved'; readonly name: string; readonly bytes: Uint8Array<ArrayBuffer> }
  /** `lost`: nothing of the run is left to go on with or to save. */
  | { readonly kind: 'failed'; readonly message: string; readonly lost: boolean };

export type Report = News & { readonly run: number };
