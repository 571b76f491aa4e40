/** The form in which a user writes a system, key by key. */
import { UserError } from '../engine/index.ts';
import type { ActivationName } from '../kernels/index.ts';
import type { Fourier, NetworkKind } from './architecture.ts';
import type { Sampling } from './sampling.ts';

/** A definition of a system that cannot be right: the message says where in it, and what would be. */
export class SystemError extends UserError {
  override readonly name = 'SystemError';
}

/** What {@link defineSystem} takes; lengths are in the coordinates' own units. */
export interface SystemSpec {
  readonly name: string;
  readonly title?: string;
  /** Where each of one to three coordinates begins and ends. `t` is the time: the Laplacian leaves it out. */
  readonly coordinates: Readonly<Record<string, [low: number, high: number]>>;
  /** Each with a network of its own, or networks by name with the fields that each puts out. */
  readonly fields: string[] | Readonly<Record<string, string[]>>;
  /** A `trainable` one is learned with the networks; its value is where it starts. */
  readonly parameters?: Readonly<
    Record<string, number | { value: number; about?: string; positive?: boolean; trainable?: boolean }>
  >;
  /** The parameter that sets the coupling, with values in order of growing coupling. */
  readonly coupling?: { parameter: string; values: number[] };
  /** Known functions of coordinates and parameters. */
  readonly definitions?: Readonly<Record<string, string>>;
  /** Reference solution by field, as far as it is known: errors are measured against it. */
  readonly exact?: Readonly<Record<string, string>>;
  /** Functions that no formula gives, of a point's coordinates, under names that end in `_ref`: {@link exact} may use them. */
  reference?(
    parameters: Readonly<Record<string, number>>,
  ): Readonly<Record<string, (point: readonly number[]) => number>>;
  /** One loss term each: the mean of its square over the interior points. */
  readonly residuals: Readonly<Record<string, string>>;
  /**
   * Where some coordinates are held (initial conditions hold `t`), or lie on a curve of `s` from 0 to 1, residuals vanish; or,
   * where a coordinate is `periodic`, they are equal at both its ends. Their term is `BC`, their points 100, unless stated.
   */
  readonly conditions?: {
    at?: Readonly<Record<string, number | string>>;
    periodic?: string;
    residuals: string[];
    term?: string;
    over?: 'mean' | 'sum';
    points?: number;
    /** Factor of its share of the loss term. */
    weight?: number;
  }[];
  /**
   * What was measured: columns of coordinates and of fields, in a CSV file (its path from the folder of the system's file) or
   * as `values`. The mean square of the differences enters a loss term, `data` unless stated.
   */
  readonly observations?: {
    file?: string;
    values?: Readonly<Record<string, number[]>>;
    term?: string;
    weight?: number;
  }[];
  /** Fields as expressions of coordinates, parameters and `N`, what their network puts out: hard constraints. */
  readonly transform?: Readonly<Record<string, string>>;
  /** An expression of coordinates that is positive in the domain; the whole box unless stated. */
  readonly inside?: string;
  /** How many points the residuals are taken at, 1000 unless stated, and how these are chosen. */
  readonly points?: {
    interior?: number;
    sampling?: Sampling;
    /** Half of the points lie within `depth`, a number or an expression of parameters, of where a coordinate is held. */
    layers?: { at: Readonly<Record<string, number>>; depth: number | string }[];
    /** Epochs after which random points are drawn anew; never unless stated. */
    resample?: number;
    /** Points go where residuals are large: RAD (Wu et al. 2023) with its k and c, both 1, and `pool` candidates a point, 4. */
    adaptive?: { power?: number; offset?: number; pool?: number };
  };
  readonly network?: {
    hidden?: number;
    width?: number;
    activation?: ActivationName;
    /** How hidden layers are joined: `mlp` unless stated. */
    kind?: NetworkKind;
    /** Sines and cosines of `count` directions, 32, with frequencies of standard deviation `scale`, 1, enter the first layer. */
    fourier?: Partial<Fourier>;
    /** Coordinates that enter as sine and cosine of one period: fields are periodic in them. */
    periodic?: string[];
  };
  readonly learningRate?: number;
  readonly soapBetas?: [number, number];
}
