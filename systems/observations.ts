/** What was measured, as conditions of its own: each field of the table is to have the values given at the points given. */
import { CsvError, parseCsv } from './csv.ts';
import { nearest } from './nearest.ts';
import type { Spec } from './schema.ts';
import { SystemError } from './spec.ts';
import type { Condition, Coordinates } from './system.ts';

interface Observation {
  readonly condition: Condition;
  readonly points: Coordinates;
  /** Values by `FIELD_data`. */
  readonly columns: Readonly<Record<string, Float64Array>>;
}

/** Throws {@link SystemError}. */
export function observationsOf(
  { observations, coordinates, fields }: Spec,
  readText: ((path: string) => string | undefined) | undefined,
): Observation[] {
  const measurable = Array.isArray(fields) ? fields : Object.values(fields).flat();
  return observations.map(({ file, values, term, weight }, k) => {
    const place = `observations[${k}]`;
    const fail = (what: string): never => {
      throw new SystemError(`${place}${what}`);
    };
    if ((file === undefined) === (values === undefined)) fail(': give either a file or values');
    const where = file === undefined ? '.values: ' : `.file: ${file}: `;
    const table = file === undefined ? columnsOf(values!) : readTable(file, readText, (what) => fail(what));
    const missing = Object.keys(coordinates).find((name) => !Object.hasOwn(table, name));
    if (missing !== undefined) fail(`${where}there is no column ${missing}${nearest(missing, Object.keys(table))}`);
    const all = [...Object.keys(coordinates), ...measurable];
    const unknown = Object.keys(table).find((name) => !all.includes(name));
    if (unknown !== undefined) fail(`${where}${unknown} is neither coordinate nor field${nearest(unknown, all)}`);
    const measured = measurable.filter((name) => Object.hasOwn(table, name));
    if (measured.length === 0) fail(`${where}there is no column of a field; the fields are ${measurable.join(', ')}`);
    const sizes = new Set(Object.values(table).map(({ length }) => length));
    if (sizes.size > 1 || sizes.has(0)) fail(`${where}the columns must be of one length, and not empty`);
    for (const [name, [low, high]] of Object.entries(coordinates)) {
      const outside = table[name]!.find((value) => value < low || value > high);
      if (outside !== undefined) fail(`${where}${name} = ${outside} is outside ${low} to ${high}`);
    }
    return {
      condition: {
        ...{ group: observations.length === 1 ? 'data' : `data ${k + 1}`, term, over: 'mean' },
        ...(weight === undefined ? {} : { weight }),
        residuals: measured.map((name) => `${name} - ${name}_data`),
      },
      points: Object.fromEntries(Object.keys(coordinates).map((name) => [name, table[name]!])),
      columns: Object.fromEntries(measured.map((name) => [`${name}_data`, table[name]!])),
    };
  });
}

const columnsOf = (values: Readonly<Record<string, readonly number[]>>) =>
  Object.fromEntries(Object.entries(values).map(([name, column]) => [name, Float64Array.from(column)]));

function readTable(
  file: string,
  readText: ((path: string) => string | undefined) | undefined,
  fail: (what: string) => never,
): Record<string, Float64Array> {
  if (!readText)
    return fail(
      '.file: a program gives values; a file is read where the definition itself is what a system file exports',
    );
  try {
    const text = readText(file);
    return text === undefined ? fail(`.file: there is no file ${file}`) : parseCsv(text);
  } catch (error) {
    if (error instanceof CsvError) return fail(`.file: ${file}: ${error.message}`);
    throw error;
  }
}
