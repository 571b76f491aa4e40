/** Pictures of fields with a training history, by the coordinates that the fields are over. */
import type { Coordinates } from '../../systems/index.ts';
import { type FieldPicture, fieldsPicture, type HistoryPicture, surfacePicture } from './picture.ts';

/** Fields over a line, or over a grid whose last coordinate runs fastest. Returns SVG. */
export function draw(
  title: string,
  subtitle: string,
  points: Coordinates,
  fields: readonly FieldPicture[],
  history: HistoryPicture,
): string {
  const { x, y } = points as { x: Float64Array; y?: Float64Array };
  if (!y) return fieldsPicture({ title, subtitle, x, xName: 'x', fields, history });
  const ny = y.findIndex((value, k) => k > 0 && value === y[0]);
  const nx = x.length / ny;
  const byRow = (values: ArrayLike<number>) =>
    Float64Array.from({ length: x.length }, (_, k) => values[(k % nx) * ny + Math.floor(k / nx)]!);
  const turned = fields.map(({ prediction, exact, ...rest }) => ({
    ...rest,
    prediction: byRow(prediction),
    exact: byRow(exact),
  }));
  return surfacePicture({ title, subtitle, x: byRow(x), y: byRow(y), nx, ny, fields: turned, history });
}
