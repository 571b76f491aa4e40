/** Systems as a user writes them: checked, and made into what the built-in ones are. */
import { z } from 'zod';
import { UserError } from '../engine/index.ts';
import { type ActivationName, activationNames } from '../kernels/index.ts';
import { ExpressionError, namesIn } from './expression.ts';
import { derivativeOf, partsOf } from './fields.ts';
import { nearest } from './nearest.ts';
import { draw, grid, type Sampling, samplings } from './sampling.ts';
import type { PhysicalParameter, System } from './system.ts';

/** A definition of a system that cannot be right: the message says where in it, and what would be. */
export class SystemError extends UserError {
  override readonly name = 'SystemError';
}

const name = z.string().regex(/^[A-Za-z]\w*$/, 'a name is a letter, then letters, digits or _');
const equation = z.string();
const positive = z.int().positive();

const schema = z.strictObject({
  name: z.string().regex(/^[A-Za-z][\w-]*$/, 'a name is a letter, then letters, digits, _ or -'),
  title: z.string().optional(),
  coordinates: z.record(name, z.tuple([z.number(), z.number()])),
  fields: z.union([z.array(name).min(1), z.record(name, z.array(name).min(1))]),
  parameters: z
    .record(
      name,
      z.union([
        z.number(),
        z.strictObject({ value: z.number(), about: z.string().optional(), positive: z.boolean().optional() }),
      ]),
    )
    .default({}),
  coupling: z.strictObject({ parameter: name, values: z.array(z.number()).min(1) }).optional(),
  definitions: z.record(name, equation).default({}),
  exact: z.record(name, equation).default({}),
  residuals: z.record(z.string(), equation),
  conditions: z
    .array(
      z.strictObject({
        at: z.record(name, z.number()),
        residuals: z.array(equation).min(1),
        term: z.string().optional(),
        over: z.enum(['mean', 'sum']).default('mean'),
        points: positive.default(100),
      }),
    )
    .default([]),
  points: z.strictObject({ interior: positive.default(1000), sampling: z.enum(samplings).optional() }).prefault({}),
  network: z
    .strictObject({
      hidden: positive.default(4),
      width: positive.default(64),
      activation: z.enum(activationNames).optional(),
    })
    .prefault({}),
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
  readonly parameters?: Readonly<Record<string, number | { value: number; about?: string; positive?: boolean }>>;
  /** The parameter that sets the coupling, with values in order of growing coupling. */
  readonly coupling?: { parameter: string; values: number[] };
  /** Known functions of coordinates and parameters. */
  readonly definitions?: Readonly<Record<string, string>>;
  /** Reference solution by field, as far as it is known: errors are measured against it. */
  readonly exact?: Readonly<Record<string, string>>;
  /** One loss term each: the mean of its square over the interior points. */
  readonly residuals: Readonly<Record<string, string>>;
  /** Where some coordinates are held; initial conditions hold `t`. Their term is `BC`, their points 100, unless stated. */
  readonly conditions?: {
    at: Readonly<Record<string, number>>;
    residuals: string[];
    term?: string;
    over?: 'mean' | 'sum';
    points?: number;
  }[];
  /** How many points the residuals are taken at, 1000 unless stated, and how these are chosen. */
  readonly points?: { interior?: number; sampling?: Sampling };
  readonly network?: { hidden?: number; width?: number; activation?: ActivationName };
  readonly learningRate?: number;
  readonly soapBetas?: [number, number];
}
type Spec = z.output<typeof schema>;

/** Throws {@link SystemError}. */
export function defineSystem(spec: SystemSpec): System {
  const parsed = schema.safeParse(spec satisfies z.input<typeof schema>);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new SystemError(`${placeOf(issue!.path)}${issue!.message}`);
  }
  const own = parsed.data;
  const coordinates = Object.keys(own.coordinates);
  const networks = Array.isArray(own.fields)
    ? own.fields.map((field) => ({ name: field, fields: [field] }))
    : Object.entries(own.fields).map(([network, fields]) => ({ name: network, fields }));
  const parameters = Object.fromEntries(
    Object.entries(own.parameters).map(([key, value]) => [key, parameterOf(value)]),
  );
  const groupOf = (at: Readonly<Record<string, number>>) =>
    coordinates.flatMap((key) => (key in at ? [`${key} = ${at[key]}`] : [])).join(', ');
  const system: System = {
    name: own.name,
    title: own.title ?? own.name,
    coordinates,
    extents: own.coordinates,
    networks,
    architecture: own.network,
    parameters,
    coupling: own.coupling ?? { parameter: Object.keys(parameters)[0] ?? '', values: [] },
    definitions: own.definitions,
    exact: own.exact,
    residuals: own.residuals,
    conditions: own.conditions.map(({ at, over, residuals, term }) => ({
      ...{ group: groupOf(at), over, residuals },
      ...(term === undefined ? {} : { term }),
    })),
    points: (_, seed) =>
      draw(own.coordinates, seed, {
        interior: own.points,
        held: own.conditions.map(({ at, points }) => ({ group: groupOf(at), at, points })),
      }),
    evaluation: () => grid(own.coordinates),
    training: { epochs: { adam: 30_000, soap: 30_000 }, learningRate: own.learningRate, soapBetas: own.soapBetas },
  };
  check(own, system);
  return system;
}

const parameterOf = (given: Spec['parameters'][string]): PhysicalParameter =>
  typeof given === 'number'
    ? { value: given, about: '' }
    : { value: given.value, about: given.about ?? '', ...(given.positive ? { positive: true } : {}) };

/** `conditions[1].at: `. */
function placeOf(path: readonly PropertyKey[]): string {
  const text = path.reduce<string>(
    (sofar, key) => (typeof key === 'number' ? `${sofar}[${key}]` : `${sofar}${sofar ? '.' : ''}${String(key)}`),
    '',
  );
  return text ? `${text}: ` : '';
}

function check(spec: Spec, system: System): void {
  const { coordinates, extents = {}, networks, parameters, definitions, exact } = system;
  const fields = networks.flatMap((network) => [...network.fields]);
  const fail = (place: string, what: string): never => {
    throw new SystemError(`${place}: ${what}`);
  };
  const known = (place: string, given: string, all: readonly string[]) => {
    if (!all.includes(given)) fail(place, `there is no ${given}${nearest(given, all)}`);
  };
  if (coordinates.length < 1 || coordinates.length > 3)
    fail('coordinates', `1 to 3 are possible, not ${coordinates.length}`);
  for (const [key, [low, high]] of Object.entries(extents))
    if (!(low < high)) fail(`coordinates.${key}`, `it must end beyond where it begins, not run from ${low} to ${high}`);
  if (Object.keys(spec.residuals).length === 0) fail('residuals', 'there is no equation');
  const names = [...coordinates, ...fields, ...Object.keys(parameters), ...Object.keys(definitions)];
  const twice = names.find((each, k) => names.indexOf(each) !== k);
  if (twice !== undefined) fail(twice, 'the name is given twice');
  if (names.includes('pi')) fail('pi', 'the name stands for the number already');
  if (spec.coupling) known('coupling.parameter', spec.coupling.parameter, Object.keys(parameters));
  for (const field of Object.keys(exact)) known(`exact.${field}`, field, fields);
  const held = system.conditions.map(({ group }) => group);
  spec.conditions.forEach(({ at }, k) => {
    const place = `conditions[${k}].at`;
    const before = held.indexOf(held[k]!);
    if (before < k) fail(place, `conditions[${before}] is held there too; put their residuals together`);
    if (Object.keys(at).length === 0) fail(place, 'no coordinate is held');
    for (const [key, value] of Object.entries(at)) {
      known(place, key, coordinates);
      const [low, high] = extents[key]!;
      if (value < low || value > high) fail(`${place}.${key}`, `${value} is outside ${low} to ${high}`);
    }
  });

  const given = [...coordinates, ...Object.keys(parameters), ...Object.keys(definitions)];
  const references = Object.keys(exact).map((field) => `${field}_exact`);
  const equation = (place: string, text: string, allowed: readonly string[], mayUseFields: boolean): string[] => {
    const used = namesOf(place, text);
    for (const each of used) {
      const { field, derivative } = partsOf(each);
      if (mayUseFields && fields.includes(field)) {
        if (derivative !== '' && derivativeOf(system, derivative) === undefined)
          fail(place, `"${text}" uses ${each}; a derivative names coordinates (${coordinates.join(', ')}), or is lap`);
      } else if (!allowed.includes(each))
        fail(
          place,
          `"${text}" uses ${each}, which is not defined${nearest(each, [...allowed, ...(mayUseFields ? fields : [])])}`,
        );
    }
    return used;
  };
  for (const [key, text] of Object.entries(definitions)) equation(`definitions.${key}`, text, given, false);
  for (const [key, text] of Object.entries(exact)) equation(`exact.${key}`, text, given, false);
  const circle = circular(definitions);
  if (circle !== undefined) fail(`definitions.${circle}`, 'it is defined by itself');
  const conditions = spec.conditions.flatMap(({ residuals }, k) =>
    residuals.map((text, n) => [`conditions[${k}].residuals[${n}]`, text] as const),
  );
  const all = [
    ...Object.entries(spec.residuals).map(([key, text]) => [`residuals.${key}`, text] as const),
    ...conditions,
  ];
  for (const [place, text] of all) {
    const used = equation(place, text, [...given, ...references], true);
    if (!used.some((each) => fields.includes(partsOf(each).field)))
      fail(place, `"${text}" mentions no field; the fields are ${fields.join(', ')}`);
  }
}

function namesOf(place: string, text: string): string[] {
  try {
    return [...namesIn(text)];
  } catch (error) {
    if (error instanceof ExpressionError) throw new SystemError(`${place}: ${error.message}`);
    throw error;
  }
}

/** A definition that leads back to itself. */
function circular(definitions: Readonly<Record<string, string>>): string | undefined {
  const reaches = (from: string, seen: ReadonlySet<string>): boolean =>
    [...namesIn(definitions[from]!)]
      .filter((each) => Object.hasOwn(definitions, each))
      .some((each) => seen.has(each) || reaches(each, new Set([...seen, each])));
  return Object.keys(definitions).find((key) => reaches(key, new Set([key])));
}
