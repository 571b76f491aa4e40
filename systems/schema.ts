/** What a system's definition must hold, and the defaults of what it leaves out; {@link SystemSpec} says what the keys mean. */
import { z } from 'zod';
import { activationNames } from '../kernels/index.ts';
import { networkKinds } from './architecture.ts';
import { nearest } from './nearest.ts';
import { samplings } from './sampling.ts';
import type { SystemSpec } from './spec.ts';

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
  reference: z
    .custom<NonNullable<SystemSpec['reference']>>(
      (value) => typeof value === 'function',
      'it must be a function of the parameters',
    )
    .optional(),
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
    kind: z.enum(networkKinds).optional(),
    fourier: strict({ count: positive.default(32), scale: z.number().positive().default(1) }).optional(),
    periodic: z.array(name).optional(),
  }).prefault({}),
  learningRate: z.number().positive().default(1e-3),
  soapBetas: z.tuple([z.number(), z.number()]).default([0.99, 0.999]),
});

export type SpecInput = z.input<typeof schema>;
export type Spec = z.output<typeof schema>;
