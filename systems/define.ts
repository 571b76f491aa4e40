/** Systems as a user writes them, made into what the built-in ones are. */
import { check } from './check.ts';
import { numbersOf } from './expression.ts';
import { observationsOf } from './observations.ts';
import { type AtPoints, candidates, draw, grid, type Held, type Layer } from './sampling.ts';
import { type Spec, type SpecInput, schema } from './schema.ts';
import { SystemError, type SystemSpec } from './spec.ts';
import { countOf, type Parameters, type PhysicalParameter, type System } from './system.ts';

export interface DefineOptions {
  /** The text of a file that the definition names; undefined where there is none. */
  readonly readText?: (path: string) => string | undefined;
}

/** Throws {@link SystemError}. */
export function defineSystem(spec: SystemSpec, options: DefineOptions = {}): System {
  const parsed = schema.safeParse(spec satisfies SpecInput);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const message = issue!.message.replace('received undefined', 'but it is missing');
    throw new SystemError(`${placeOf(issue!.path)}${message}`);
  }
  const own = parsed.data;
  const coordinates = Object.keys(own.coordinates);
  const networks = Array.isArray(own.fields)
    ? own.fields.map((field) => ({ name: field, fields: [field] }))
    : Object.entries(own.fields).map(([network, fields]) => ({ name: network, fields }));
  const parameters = Object.fromEntries(
    Object.entries(own.parameters).map(([key, value]) => [key, parameterOf(value)]),
  );
  const places = own.conditions.map((condition) => placeOfCondition(own, condition));
  const observed = observationsOf(own, options.readText);
  const inside = own.inside === undefined ? undefined : atPoints(own.inside);
  const { interior: count, sampling, layers, resample, adaptive } = own.points;
  const box = own.coordinates;
  const adapting = adaptive && {
    ...adaptive,
    draw: (seed: number, round: number, size: number) => candidates(box, seed, size, inside, round),
  };
  const system: System = {
    name: own.name,
    title: own.title ?? own.name,
    coordinates,
    extents: box,
    networks,
    architecture: own.network,
    parameters,
    coupling: own.coupling ?? { parameter: Object.keys(parameters)[0] ?? '', values: [] },
    definitions: own.definitions,
    exact: own.exact,
    ...(own.reference ? { reference: own.reference } : {}),
    ...(Object.keys(own.transform).length > 0 ? { transform: own.transform } : {}),
    residuals: own.residuals,
    conditions: [
      ...own.conditions.map(({ over, residuals, term, weight }, k) => ({
        ...groupsOfPlace(places[k]!),
        ...{ over, residuals, ...(term === undefined ? {} : { term }), ...(weight === undefined ? {} : { weight }) },
      })),
      ...observed.map(({ condition }) => condition),
    ],
    ...(observed.length > 0
      ? { observed: Object.fromEntries(observed.map(({ condition, columns }) => [condition.group, columns])) }
      : {}),
    points: (values, seed, round) => ({
      ...draw(
        box,
        seed,
        { interior: { count, sampling, layers: depthsOf(layers, values) }, held: places, inside },
        round,
      ),
      ...Object.fromEntries(observed.map(({ condition, points }) => [condition.group, points])),
    }),
    ...(resample === undefined ? {} : { resampling: { every: resample, ...(adapting ? { adaptive: adapting } : {}) } }),
    evaluation: () => grid(box, inside),
    training: { epochs: { adam: 30_000, soap: 30_000 }, learningRate: own.learningRate, soapBetas: own.soapBetas },
  };
  check(own, system);
  return system;
}

/** Values of an expression of coordinates, or of `s`. */
const atPoints =
  (text: string): AtPoints =>
  (points) =>
    numbersOf(text, points, countOf(points));

const depthsOf = (layers: Spec['points']['layers'], parameters: Parameters): Layer[] =>
  layers.map(({ at, depth }) => ({
    at,
    depth: typeof depth === 'number' ? depth : numbersOf(depth, parameters, 1)[0]!,
  }));

/** Groups are named after what is held: `x = 0, t = 1`. */
function placeOfCondition({ coordinates }: Spec, { at = {}, periodic, points }: Spec['conditions'][number]): Held {
  const held = Object.entries(at).map(
    ([key, value]) => [key, typeof value === 'number' ? value : atPoints(value)] as const,
  );
  const name = Object.keys(coordinates)
    .flatMap((key) => (key in at ? [`${key} = ${at[key]}`] : []))
    .join(', ');
  if (periodic === undefined) return { groups: [{ group: name, at: Object.fromEntries(held) }], points };
  const ends = coordinates[periodic] ?? [0, 0];
  return {
    groups: ends.map((value) => ({ group: `${periodic} = ${value}, periodic`, at: { [periodic]: value } })),
    points,
  };
}

const groupsOfPlace = ({ groups: [first, second] }: Held) => ({
  group: first!.group,
  ...(second ? { pairedWith: second.group } : {}),
});

const parameterOf = ({ value, about, positive, trainable }: Spec['parameters'][string]): PhysicalParameter => ({
  ...{ value, about },
  ...(positive ? { positive } : {}),
  ...(trainable ? { trainable } : {}),
});

/** `conditions[1].at: `. */
function placeOf(path: readonly PropertyKey[]): string {
  const text = path.reduce<string>(
    (sofar, key) => (typeof key === 'number' ? `${sofar}[${key}]` : `${sofar}${sofar ? '.' : ''}${String(key)}`),
    '',
  );
  return text ? `${text}: ` : '';
}
