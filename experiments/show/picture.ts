/** Pictures of a trained system as SVG: its fields against the exact ones, and how training got there. */
import {
  type Box,
  curve,
  Figure,
  INK,
  type Lines,
  limits,
  linear,
  logarithmic,
  type Point,
  powerOf,
  powerOfTen,
  WIDTH,
} from './figure.ts';
import { type ColourMap, rasterOf } from './raster.ts';

/** A field that there is no reference solution of. */
export interface PredictedField {
  readonly name: string;
  readonly prediction: ArrayLike<number>;
}

export interface FieldPicture extends PredictedField {
  readonly exact: ArrayLike<number>;
  /** Relative L2 error, 1 for 100 %. */
  readonly relativeError: number;
}

/** Loss terms and mean relative error, each as long as `epoch`. */
export interface HistoryPicture {
  readonly epoch: readonly number[];
  readonly terms: Readonly<Record<string, readonly number[]>>;
  readonly error: readonly number[];
}

type Range = [low: number, high: number];
type Colours = [range: Range, map: ColourMap];

interface Caption {
  readonly title: string;
  readonly subtitle: string;
  readonly history: HistoryPicture;
}

export interface FieldsPicture extends Caption {
  /** As long as every prediction and exact field. */
  readonly x: ArrayLike<number>;
  readonly xName: string;
  readonly fields: readonly (FieldPicture | PredictedField)[];
}

export interface SurfacePicture extends Caption {
  /** The points' coordinates: nx * ny of each, x varying fastest, both rising. */
  readonly x: ArrayLike<number>;
  readonly y: ArrayLike<number>;
  readonly nx: number;
  readonly ny: number;
  readonly xName?: string;
  readonly yName?: string;
  readonly fields: readonly (FieldPicture | PredictedField)[];
}

/** Okabe and Ito's colours but yellow, which is too light for a line. */
const PALETTE = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000'];
const SKY = '#56B4E9';
const VERMILLION = '#D55E00';
const DASHES = ['solid', [6, 3], [2, 2]];
const HEAD = 84;
const ROW = { height: 190, pitch: 272, title: 32 };

/** Each field of a 1D system over its exact solution beside the difference; below, the history. Returns SVG. */
export function fieldsPicture({ title, subtitle, x, xName, fields, history }: FieldsPicture): string {
  const bottom = HEAD + fields.length * ROW.pitch;
  const figure = new Figure(title, subtitle, historyEnd(bottom, history));
  const order = Array.from(x, (_, i) => i).sort((a, b) => x[a]! - x[b]!);
  const along = (value: (i: number) => number): Point[] => order.map((i) => [x[i]!, finite(value(i))]);
  fields.forEach((field, row) => {
    const top = HEAD + row * ROW.pitch + ROW.title;
    const [solution, error] = boxes(top);
    const prediction = along((i) => field.prediction[i]!);
    const predicted = curve('prediction', prediction, SKY, 4);
    const draw = (box: Box, name: string, lines: Lines, note = '') => {
      const power = powerOf(lines.flatMap(({ data }) => data.map(([, value]) => value ?? 0)));
      figure.heading(box, power ? `${name} (${powerOfTen(power)})` : name, note);
      figure.lines(box, lines, { x: linear(xName), y: linear('', power) });
    };
    if (!('exact' in field)) {
      draw(solution, field.name, [predicted], 'no reference solution');
      return;
    }
    const exact = along((i) => field.exact[i]!);
    const difference = along((i) => field.prediction[i]! - field.exact[i]!);
    const curves = [predicted, curve('exact', exact, INK, 1.4, [6, 4])];
    draw(solution, field.name, curves, `relative L² error ${percent(field.relativeError)}`);
    draw(error, 'prediction − exact', [curve('difference', difference, VERMILLION, 1.6)]);
    if (row === 0) figure.legend(curves, { right: 36, top: 44 });
  });
  drawHistory(figure, bottom, history);
  return figure.svg();
}

/** Prediction, exact solution and their distance of each field of a 2D system; below, the history. Returns SVG. */
export function surfacePicture(picture: SurfacePicture): string {
  const { title, subtitle, x, y, nx, ny, xName = 'x', yName = 'y', fields, history } = picture;
  const [xRange, yRange] = [rangeOf(x), rangeOf(y)];
  const width = 216;
  const height = Math.round(
    width * Math.min(Math.max((yRange[1] - yRange[0]) / (xRange[1] - xRange[0]) || 1, 0.4), 1.2),
  );
  const pitch = height + 92;
  const bottom = HEAD + fields.length * pitch;
  const figure = new Figure(title, subtitle, historyEnd(bottom, history));
  fields.forEach((field, row) => {
    const { name, prediction } = field;
    const box = (left: number): Box => ({ left, top: HEAD + row * pitch + ROW.title, width, height });
    const shared = rangeOf([...Array.from(prediction), ...('exact' in field ? Array.from(field.exact) : [])]);
    const draw = (at: Box, values: ArrayLike<number>, [range, map]: Colours, [heading, note]: [string, string]) => {
      figure.heading(at, heading, note);
      figure.image(at, rasterOf({ values, nx, ny }, range, map, [at.width, at.height]));
      figure.frame(at, { x: { ...linear(xName), ...limits(xRange) }, y: { ...linear(yName), ...limits(yRange) } });
    };
    const [first, second, third] = [box(62), box(336), box(676)];
    draw(first, prediction, [shared, 'viridis'], [name, 'prediction']);
    if (!('exact' in field)) {
      figure.colourBar(first, shared, 'viridis');
      return;
    }
    const { exact, relativeError } = field;
    const distance = Float64Array.from(prediction, (value, i) => Math.abs(value - exact[i]!));
    const farthest: Range = [0, rangeOf(distance)[1]];
    draw(second, exact, [shared, 'viridis'], ['', 'exact']);
    figure.colourBar(second, shared, 'viridis');
    draw(third, distance, [farthest, 'inferno'], ['absolute error', `rel. L² ${percent(relativeError)}`]);
    figure.colourBar(third, farthest, 'inferno');
  });
  drawHistory(figure, bottom, history);
  return figure.svg();
}

function boxes(top: number): [wide: Box, narrow: Box] {
  return [
    { left: 70, width: 480, top, height: ROW.height },
    { left: 640, width: 310, top, height: ROW.height },
  ];
}

function drawHistory(figure: Figure, top: number, { epoch, terms, error }: HistoryPicture): void {
  const [losses, errors] = boxes(top + ROW.title);
  const series = (values: readonly number[]): Point[] =>
    epoch.map((at, i) => [at, (values[i] ?? 0) > 0 ? finite(values[i]!) : null]);
  const curves = Object.entries(terms).map(([name, values], k) => {
    const dash = DASHES[Math.floor(k / PALETTE.length) % DASHES.length]!;
    return curve(name, series(values), PALETTE[k % PALETTE.length]!, 1.4, dash);
  });
  const panels = [
    { box: losses, heading: 'loss terms', curves },
    { box: errors, heading: 'mean relative L² error', curves: [curve('error', series(error), INK, 1.6)] },
  ];
  for (const { box, heading, curves } of panels) {
    figure.heading(box, heading, '');
    const values = curves.flatMap(({ data }) => data.flatMap(([, value]) => value ?? []));
    const last = Math.max(1, ...epoch.slice(-1));
    figure.lines(box, curves, { x: { ...linear('epoch'), min: 0, max: last }, y: logarithmic(values) });
  }
  figure.legend(curves, {
    left: losses.left - 8,
    width: WIDTH - 80,
    top: losses.top + losses.height + 52,
  });
}

/** Where a picture ends whose history begins at `top`: its legend may take several lines. */
function historyEnd(top: number, { terms }: HistoryPicture): number {
  const needed = Object.keys(terms).reduce((total, name) => total + 53 + 6 * name.length, 0);
  return top + ROW.pitch + 4 + 36 * Math.ceil(needed / (WIDTH - 80));
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

function rangeOf(values: ArrayLike<number>): Range {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of Array.from(values).filter(Number.isFinite))
    [low, high] = [Math.min(low, value), Math.max(high, value)];
  return low <= high ? [low, high] : [0, 1];
}

function percent(fraction: number): string {
  const value = 100 * fraction;
  if (!Number.isFinite(value)) return 'not a number';
  if (value !== 0 && (value < 0.001 || value >= 1e5)) {
    const power = Math.floor(Math.log10(value));
    return `${(value / 10 ** power).toFixed(1)}·${powerOfTen(power)} %`;
  }
  return `${Number(value.toPrecision(3))} %`;
}
