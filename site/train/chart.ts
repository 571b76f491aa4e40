/** Lines on a canvas, in the colours of the page. */
import { decades, ticks } from './ticks.ts';

export type Colour = 0 | 1 | 2 | 3;

export interface Series {
  readonly label: string;
  readonly x: ArrayLike<number>;
  readonly y: ArrayLike<number>;
  /** Number of the page's series colour; 0 is ink, for what others are compared with. */
  readonly colour: Colour;
  readonly dashed?: boolean;
}

const HEIGHT = 200;
const MARGIN = { left: 56, right: 10, top: 20, bottom: 24 };

/** A canvas that is as wide as its place, with an accessible name. */
export function chartCanvas(label: string): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', label);
  canvas.style.width = '100%';
  canvas.style.height = `${HEIGHT}px`;
  return canvas;
}

const colourOf = (style: CSSStyleDeclaration, colour: Colour) =>
  style.getPropertyValue(colour === 0 ? '--ink' : `--series-${colour}`).trim();

/** Fits the drawing to the canvas as shown, in device pixels; its width in CSS pixels, or nothing while it is hidden. */
function prepared(canvas: HTMLCanvasElement): { context: CanvasRenderingContext2D; width: number } | undefined {
  const width = canvas.clientWidth;
  const context = canvas.getContext('2d');
  if (!context || width === 0) return undefined;
  const scale = devicePixelRatio;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(HEIGHT * scale);
  context.setTransform(scale, 0, 0, scale, 0, 0);
  return { context, width };
}

function rangeOf(series: readonly Series[], of: 'x' | 'y', usable: (value: number) => boolean): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const each of series)
    for (const value of Array.from(each[of])) {
      if (!usable(value)) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  if (low > high) return of === 'y' ? [0.1, 1] : [0, 1];
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}

/** Without the rounding of a sum of steps. */
function label(value: number): string {
  const rounded = Number(value.toPrecision(6));
  const size = Math.abs(rounded);
  return size === 0 || (size >= 1e-3 && size < 1e5)
    ? String(rounded)
    : String(rounded.toExponential()).replace('e+', 'e');
}

/** Two digits. */
export const short = (value: number) => (value === 0 ? '0' : String(Number(value.toPrecision(2))));

/** Lines over x; `log`: y by its logarithm, what is not positive left out. */
export function drawLines(canvas: HTMLCanvasElement, series: readonly Series[], { log = false } = {}): void {
  const ready = prepared(canvas);
  if (!ready) return;
  const { context, width } = ready;
  const style = getComputedStyle(canvas);
  context.font = '11px system-ui, sans-serif';
  context.fillStyle = style.getPropertyValue('--muted').trim();
  context.strokeStyle = style.getPropertyValue('--line').trim();
  context.textAlign = 'center';
  if (series.every(({ x }) => x.length === 0)) {
    context.fillText('appears with the first step', width / 2, HEIGHT / 2);
    return;
  }
  const usable = (value: number) => Number.isFinite(value) && (!log || value > 0);
  const to = log ? Math.log10 : (value: number) => value;
  const across = rangeOf(series, 'x', Number.isFinite);
  const found = rangeOf(series, 'y', usable);
  const marks = log ? decades(...found) : ticks(...found, 5);
  const [low, high] = log ? [Math.min(found[0], marks[0]!), Math.max(found[1], marks.at(-1)!)] : found;
  const share = (value: number, [from, until]: readonly [number, number]) => (value - from) / (until - from);
  const x = (value: number) => MARGIN.left + share(value, across) * (width - MARGIN.left - MARGIN.right);
  const y = (value: number) =>
    HEIGHT - MARGIN.bottom - share(to(value), [to(low), to(high)]) * (HEIGHT - MARGIN.top - MARGIN.bottom);

  const rule = (from: readonly [number, number], until: readonly [number, number]) => {
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...until);
    context.stroke();
  };
  context.textAlign = 'right';
  for (const value of marks) {
    rule([MARGIN.left, y(value)], [width - MARGIN.right, y(value)]);
    context.fillText(label(value), MARGIN.left - 5, y(value) + 4);
  }
  context.textAlign = 'center';
  for (const value of ticks(...across, Math.min(6, Math.floor(width / 60)))) {
    rule([x(value), HEIGHT - MARGIN.bottom], [x(value), HEIGHT - MARGIN.bottom + 4]);
    context.fillText(label(value), x(value), HEIGHT - 8);
  }
  if (series.length > 1) drawNames(context, series, style, width);
  for (const { x: xs, y: ys, colour, dashed = false } of series) {
    context.strokeStyle = colourOf(style, colour);
    context.lineWidth = 1.8;
    context.setLineDash(dashed ? [5, 4] : []);
    context.beginPath();
    let drawing = false;
    for (let k = 0; k < xs.length; k++) {
      const value = ys[k]!;
      if (!usable(value)) drawing = false;
      else if (drawing) context.lineTo(x(xs[k]!), y(value));
      else {
        context.moveTo(x(xs[k]!), y(value));
        drawing = true;
      }
    }
    context.stroke();
  }
  context.setLineDash([]);
}

/** What each line is, above the lines, from the right. */
function drawNames(
  context: CanvasRenderingContext2D,
  series: readonly Series[],
  style: CSSStyleDeclaration,
  width: number,
): void {
  context.textAlign = 'right';
  let right = width - MARGIN.right;
  for (const { label: name, colour } of series.toReversed()) {
    context.fillStyle = colourOf(style, colour);
    context.fillText(name, right, 12);
    right -= context.measureText(name).width + 12;
  }
}
