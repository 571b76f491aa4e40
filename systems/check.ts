/** What can be wrong in a definition beyond its form: names, places, values. Each mistake is one line with its place. */
import { ExpressionError, namesIn } from './expression.ts';
import { derivativeOf, partsOf } from './fields.ts';
import { readsLearned } from './learned.ts';
import { nearest } from './nearest.ts';
import { ALONG, SamplingError } from './sampling.ts';
import type { Spec } from './schema.ts';
import { SystemError } from './spec.ts';
import type { System } from './system.ts';
import { OUTPUT } from './transform.ts';

function fail(place: string, what: string): never {
  throw new SystemError(`${place}: ${what}`);
}

function mustBeOneOf(place: string, given: string, all: readonly string[]): void {
  if (!all.includes(given)) fail(place, `there is no ${given}${nearest(given, all)}`);
}

/** Throws {@link SystemError}. */
export function check(spec: Spec, system: System): void {
  checkNames(spec, system);
  spec.conditions.forEach((_, k) => {
    checkPlace(spec, system, k);
  });
  checkPoints(spec, system);
  for (const [k, each] of (spec.network.periodic ?? []).entries())
    mustBeOneOf(`network.periodic[${k}]`, each, system.coordinates);
  checkEquations(spec, system);
  try {
    system.points(startsOf(spec), 0);
    system.evaluation();
  } catch (error) {
    if (error instanceof SamplingError) fail('inside', error.message);
    throw error;
  }
}

const startsOf = ({ parameters }: Spec) =>
  Object.fromEntries(Object.entries(parameters).map(([name, { value }]) => [name, value]));

const fieldNames = ({ fields }: Spec) => (Array.isArray(fields) ? fields : Object.values(fields).flat());

function checkNames(spec: Spec, { coordinates, extents = {}, parameters, definitions, exact }: System): void {
  const fields = fieldNames(spec);
  if (coordinates.length < 1 || coordinates.length > 3)
    fail('coordinates', `1 to 3 are possible, not ${coordinates.length}`);
  for (const [key, [low, high]] of Object.entries(extents))
    if (!(low < high)) fail(`coordinates.${key}`, `it must end beyond where it begins, not run from ${low} to ${high}`);
  if (Object.keys(spec.residuals).length === 0) fail('residuals', 'there is no equation');
  const names = [...coordinates, ...fields, ...Object.keys(parameters), ...Object.keys(definitions)];
  const twice = names.find((each, k) => names.indexOf(each) !== k);
  if (twice !== undefined) fail(twice, 'the name is given twice');
  if (names.includes('pi')) fail('pi', 'the name stands for the number already');
  if (Object.keys(spec.transform).length > 0 && names.includes(OUTPUT))
    fail(OUTPUT, `in transform the name stands for what a network puts out; take another`);
  if (spec.coupling) mustBeOneOf('coupling.parameter', spec.coupling.parameter, Object.keys(parameters));
  for (const field of Object.keys(exact)) mustBeOneOf(`exact.${field}`, field, fields);
  for (const field of Object.keys(spec.transform)) mustBeOneOf(`transform.${field}`, field, fields);
}

/** Where coordinates are held: known ones, within their extents. */
function checkHeld(
  place: string,
  at: Readonly<Record<string, number | string>>,
  { coordinates, extents }: System,
): void {
  if (Object.keys(at).length === 0) fail(place, 'no coordinate is held');
  for (const [key, value] of Object.entries(at)) {
    mustBeOneOf(place, key, coordinates);
    const [low, high] = extents![key]!;
    if (typeof value === 'string') checkUses(`${place}.${key}`, value, [ALONG]);
    else if (value < low || value > high) fail(`${place}.${key}`, `${value} is outside ${low} to ${high}`);
  }
}

function checkPlace(spec: Spec, system: System, k: number): void {
  const { at, periodic, points } = spec.conditions[k]!;
  const place = `conditions[${k}]`;
  if ((at === undefined) === (periodic === undefined)) fail(place, 'it takes either at or periodic');
  if (at) checkHeld(`${place}.at`, at, system);
  if (periodic !== undefined) mustBeOneOf(`${place}.periodic`, periodic, system.coordinates);
  const { group } = system.conditions[k]!;
  const alike = (other: number) =>
    (['group', 'term', 'over', 'weight'] as const).every(
      (key) => system.conditions[other]![key] === system.conditions[k]![key],
    );
  for (let before = 0; before < k; before++) {
    if (alike(before))
      fail(at ? `${place}.at` : place, `conditions[${before}] is held there too; put their residuals together`);
    if (system.conditions[before]!.group === group && spec.conditions[before]!.points !== points)
      fail(`${place}.points`, `conditions[${before}] is held there too, with other points`);
  }
}

function checkPoints({ points, inside, parameters }: Spec, system: System): void {
  if (inside !== undefined) checkUses('inside', inside, system.coordinates);
  points.layers.forEach(({ at, depth }, k) => {
    const place = `points.layers[${k}]`;
    checkHeld(`${place}.at`, at, system);
    if (typeof depth === 'string') checkUses(`${place}.depth`, depth, Object.keys(parameters));
    else if (depth <= 0) fail(`${place}.depth`, `it must be positive, not ${depth}`);
  });
  if (points.adaptive && points.resample === undefined)
    fail('points.adaptive', 'say by resample after how many epochs points move');
  if (points.resample !== undefined && points.sampling === 'uniform' && !points.adaptive)
    fail('points.resample', 'uniform points are the same each time; take another sampling');
}

/** Throws where an expression uses a name that is neither allowed nor a field or its derivative. Returns the names. */
function checkUses(place: string, text: string, allowed: readonly string[], fields: readonly string[] = []): string[] {
  const used = namesOf(place, text);
  for (const each of used)
    if (!allowed.includes(each) && !fields.includes(partsOf(each).field))
      fail(place, `"${text}" uses ${each}, which is not defined${nearest(each, [...allowed, ...fields])}`);
  return used;
}

function checkEquations(spec: Spec, system: System): void {
  const { coordinates, parameters, definitions, exact } = system;
  const fields = fieldNames(spec);
  const given = [...coordinates, ...Object.keys(parameters), ...Object.keys(definitions)];
  for (const [key, text] of Object.entries(definitions)) checkUses(`definitions.${key}`, text, given);
  const computed = Object.keys(system.reference?.(startsOf(spec)) ?? {});
  for (const each of computed)
    if (!each.endsWith('_ref')) fail('reference', `${each} must end in _ref, which tells what is computed`);
  for (const [key, text] of Object.entries(exact)) checkUses(`exact.${key}`, text, [...given, ...computed]);
  for (const [key, text] of Object.entries(spec.transform)) {
    const used = checkUses(`transform.${key}`, text, [...given, OUTPUT]);
    if (!used.includes(OUTPUT)) fail(`transform.${key}`, `"${text}" does not mention N, what the network puts out`);
  }
  const circle = circular(definitions);
  if (circle !== undefined) fail(`definitions.${circle}`, 'it is defined by itself');
  for (const [field, text] of Object.entries(exact))
    for (const each of namesOf(`exact.${field}`, text))
      if (readsLearned(system, each))
        fail(`exact.${field}`, `${each} is learned, so it is not known here; write the value that it should come to`);

  const references = Object.keys(exact).map((field) => `${field}_exact`);
  const isField = (name: string) => fields.includes(partsOf(name).field);
  const equations = [
    ...Object.entries(spec.residuals).map(([key, text]) => [`residuals.${key}`, text] as const),
    ...spec.conditions.flatMap(({ residuals }, k) =>
      residuals.map((text, n) => [`conditions[${k}].residuals[${n}]`, text] as const),
    ),
  ];
  for (const [place, text] of equations) {
    const used = checkUses(place, text, [...given, ...references], fields);
    for (const each of used.filter(isField)) {
      const { derivative } = partsOf(each);
      if (derivative !== '' && derivativeOf(system, derivative) === undefined)
        fail(place, `"${text}" uses ${each}; a derivative names coordinates (${coordinates.join(', ')}), or is lap`);
    }
    if (!used.some(isField)) fail(place, `"${text}" mentions no field; the fields are ${fields.join(', ')}`);
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
