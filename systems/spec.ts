/** The form in which a user writes a system, key by key. */
import { z } from 'zod';
import { UserError } from '../engine/index.ts';
import { type ActivationName, activationNames } from '../kernels/index.ts';
import { nearest } from './nearest.ts';
import { type Sampling, samplings } from './sampling.ts';

/** A definition of a system that cannot be right: the message says where in it, and what would be. */
export class SystemError extends UserError {
  override readonly name = 'SystemError';
}

const name = z.string().regex(/^[A-Za-z]\w*$/, 'a name is a letter, then letters, digits or _');
const equation = z.string();
const positive = z.int().positive();
const weight = z.number().positive().optional();

/** An object with these keys and no others; of another key, the nearest one is named. */
const strict = <Shape extends z.core.$ZodLooseShape>(shape: Shape) =>
  z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `Unrecognized key: "${issue.keys[0]}"${nearest(issue.keys[0]!, Object.keys(shape))}`
        : undefined,
  });

export const schema = strict({
  name: z.string().regex(/^[A-Za-z][\w-]*$/, 'a name is a letter, then letters, digits, _ or -'),
  title: z.string().optional(),
  coordinates: z.record(name, z.tuple([z.number(), z.number()])),
  fields: z.union([z.array(name).min(1), z.record(name, z.array(name).min(1))]),
  parameters: z
    .record(
      name,
      z.preprocess(
        (given) => (typeof given === 'number' ? { value: given } : given),
        strict({
          value: z.number(),
          about: z.string().default(''),
          positive: z.boolean().optional(),
          trainable: z.boolean().optional(),
        }),
      ),
    )
    .default({}),
  coupling: strict({ parameter: name, values: z.array(z.number()).min(1) }).optional(),
  definitions: z.record(name, equation).default({}),
  exact: z.record(name, equation).default({}),
  residuals: z.record(z.string(), equation),
  conditions: z
    .array(
      strict({
        at: z.record(name, z.union([z.number(), equation])).optional(),
        periodic: name.optional(),
        residuals: z.array(equation).min(1),
        term: z.string().optional(),
        over: z.enum(['mean', 'sum']).default('mean'),
        points: positive.default(100),
        weight,
      }),
    )
    .default([]),
  observations: z
    .array(
      strict({
        file: z.string().optional(),
        values: z.record(name, z.array(z.number())).optional(),
        term: z.string().default('data'),
        weight,
      }),
    )
    .default([]),
  transform: z.record(name, equation).default({}),
  inside: equation.optional(),
  points: strict({
    interior: positive.default(1000),
    sampling: z.enum(samplings).optional(),
    layers: z.array(strict({ at: z.record(name, z.number()), depth: z.union([z.number(), equation]) })).default([]),
    resample: positive.optional(),
    adaptive: strict({
      power: z.number().nonnegative().default(1),
      offset: z.number().nonnegative().default(1),
      pool: positive.default(4),
    }).optional(),
  }).prefault({}),
  network: strict({
    hidden: positive.default(4),
    width: positive.default(64),
    activation: z.enum(activationNames).optional(),
  }).prefault({}),
  learningRate: z.number().positive().default(1e-3),
  soapBetas: z.tuple([z.number(), z.number()]).default([0.99, 0.999]),
});

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
  readonly network?: { hidden?: number; width?: number; activation?: ActivationName };
  readonly learningRate?: number;
  readonly soapBetas?: [number, number];
}
export type SpecInput = z.input<typeof schema>;
export type Spec = z.output<typeof schema>;
