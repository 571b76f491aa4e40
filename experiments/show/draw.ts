/** Pictures of fields with a training history, by the coordinates that the fields are over. */
import type { Coordinates } from '../../systems/index.ts';
import {
  type FieldPicture,
  fieldsPicture,
  type HistoryPicture,
  type PredictedField,
  surfacePicture,
} from './picture.ts';

type Field = FieldPicture | PredictedField;

/**
 * Fields over a line, or over a grid, of which points may be missing; of three coordinates the last is held where it is in
 * the middle. Returns SVG.
 */
export function draw(
  title: string,
  subtitle: string,
  points: Coordinates,
  fields: readonly Field[],
  history: HistoryPicture,
): string {
  const names = Object.keys(points);
  const [xName, yName, last] = names as [string, ...string[]];
  const x = points[xName]!;
  if (yName === undefined) return fieldsPicture({ title, subtitle, x, xName, fields, history });
  if (last !== undefined) {
    const layer = middleOf(points[last]!);
    const at = <A extends ArrayLike<number>>(values: A) => Float64Array.from(layer, (k) => values[k]!);
    const plane = { [xName]: at(x), [yName]: at(points[yName]!) };
    const shown = `${subtitle}, ${last} = ${Number(points[last]![layer[0]!]!.toPrecision(3))}`;
    return draw(
      title,
      shown,
      plane,
      fields.map((field) => mapped(field, at)),
      history,
    );
  }
  const y = points[yName]!;
  const [columns, rows] = [distinct(x), distinct(y)];
  const [nx, ny] = [columns.length, rows.length];
  const places = new Map(Array.from(x, (value, k) => [`${value} ${y[k]}`, k]));
  const at = Array.from({ length: nx * ny }, (_, k) => places.get(`${columns[k % nx]} ${rows[Math.floor(k / nx)]}`));
  const byRow = (values: ArrayLike<number>) =>
    Float64Array.from(at, (place) => (place === undefined ? Number.NaN : values[place]!));
  const turned = fields.map((field) => mapped(field, byRow));
  const all = {
    x: Float64Array.from(at, (_, k) => columns[k % nx]!),
    y: Float64Array.from(at, (_, k) => rows[Math.floor(k / nx)]!),
  };
  return surfacePicture({ title, subtitle, ...all, nx, ny, xName, yName, fields: turned, history });
}

const mapped = (field: Field, map: (values: ArrayLike<number>) => Float64Array): Field => ({
  ...field,
  prediction: map(field.prediction),
  ...('exact' in field ? { exact: map(field.exact) } : {}),
});

const distinct = (values: Float64Array): number[] => [...new Set(values)].sort((a, b) => a - b);

/** Where a coordinate has the middle of its values. */
function middleOf(values: Float64Array): number[] {
  const all = distinct(values);
  const middle = all[Math.floor(all.length / 2)];
  return [...values.keys()].filter((k) => values[k] === middle);
}
