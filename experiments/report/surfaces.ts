/** Fields and errors of a 2D run as lit surfaces, drawn by the GPU and put into one SVG. */
import type { Device } from '../../engine/index.ts';
import type { Coordinates } from '../../systems/index.ts';
import { type Box, Figure } from '../show/figure.ts';
import type { FieldPicture } from '../show/picture.ts';
import type { ColourMap } from '../show/raster.ts';
import { projected, type Size, surfaceImage } from '../show/surface.ts';

const HEAD = 100;
const PITCH = 300;
const SHOWN: Size = [360, 252];
/** Pixels of an image for one of the figure. */
const FINE = 1.75;

/** Names of the two coordinates, and the number of values of the second, which varies fastest. */
function axesOf(points: Coordinates): { readonly names: readonly [string, string]; readonly fastest: number } {
  const names = Object.keys(points) as [string, string];
  const last = points[names[1]]!;
  return { names, fastest: last.findIndex((value, k) => k > 0 && value === last[0]) };
}

/** Prediction and absolute error of each field as surfaces over the plane. Returns SVG. Throws GpuError. */
export async function surfacesFigure(
  device: Device,
  title: string,
  subtitle: string,
  points: Coordinates,
  fields: readonly FieldPicture[],
): Promise<string> {
  const figure = new Figure(`${title}: surfaces`, subtitle, HEAD + fields.length * PITCH);
  const {
    names: [x, y],
    fastest: ny,
  } = axesOf(points);
  const draw = async (box: Box, values: Float64Array, map: ColourMap, heading: string, note: string) => {
    const nx = values.length / ny;
    const range = rangeOf(values);
    const size: Size = [Math.round(FINE * SHOWN[0]), Math.round(FINE * SHOWN[1])];
    figure.heading(box, heading, note);
    figure.image(box, await surfaceImage(device, { values, nx, ny, range, map }, size));
    for (const [name, at] of [
      [x, [0, -1.12, 0]],
      [y, [1.12, 0, 0]],
    ] as const) {
      const [left, top] = projected(at, SHOWN);
      figure.text({ left: box.left + left, top: box.top + top, width: 0, height: 0 }, name);
    }
    figure.colourBar({ ...box, top: box.top + 20, height: box.height - 40 }, range, map);
  };
  for (const [row, { name, prediction, exact }] of fields.entries()) {
    const box = (left: number): Box => ({ left, top: HEAD + row * PITCH + 28, width: SHOWN[0], height: SHOWN[1] });
    const distance = Float64Array.from(prediction, (value, k) => Math.abs(value - exact[k]!));
    await draw(box(40), Float64Array.from(prediction), 'viridis', name, 'prediction');
    await draw(box(530), distance, 'inferno', 'absolute error', '');
  }
  return figure.svg();
}

function rangeOf(values: Float64Array): [number, number] {
  const finite = values.filter(Number.isFinite);
  if (finite.length === 0) return [0, 1];
  return [finite.reduce((a, b) => Math.min(a, b)), finite.reduce((a, b) => Math.max(a, b))];
}
