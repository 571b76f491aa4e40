/** The roofline as a picture: what the adapter can do at best over operations a byte, and where each kernel is under it. */
import type { KernelRow } from '../../bench/kernels.ts';
import { bandwidthFor, type Roofline } from '../../bench/roofline.ts';

const [NARROWEST, WIDEST, HEIGHT] = [300, 800, 340];
const MARGIN = { left: 62, right: 14, top: 14, bottom: 50 };
const SVG = 'http://www.w3.org/2000/svg';

function svg(tag: string, attributes: Readonly<Record<string, string | number>>, text?: string): SVGElement {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  if (text !== undefined) element.textContent = text;
  return element;
}

/** Powers of ten in a range. */
const decades = (low: number, high: number) =>
  Array.from({ length: Math.round(Math.log10(high / low)) + 1 }, (_, k) => low * 10 ** k);

/** `space`: pixels that there are across. */
export function rooflinePlot(roofline: Roofline, rows: readonly KernelRow[], space: number): SVGElement {
  const width = Math.min(WIDEST, Math.max(NARROWEST, space));
  const points = rows.flatMap(({ kernel, version, origin, figures }) =>
    figures && figures.flops > 0 ? [{ name: `${kernel}.${version}, ${origin}`, ...figures }] : [],
  );
  const peak = roofline.peakFlops / 1e9;
  const bandwidth = bandwidthFor(roofline, Number.POSITIVE_INFINITY) / 1e9;
  const ridge = peak / bandwidth;
  const floor = (value: number) => 10 ** Math.floor(Math.log10(value));
  const ceiling = (value: number) => 10 ** Math.ceil(Math.log10(value));
  const low = { x: floor(Math.min(0.1, ...points.map(({ intensity }) => intensity))), y: 0 };
  const high = {
    x: ceiling(Math.max(10 * ridge, ...points.map(({ intensity }) => intensity))),
    y: ceiling(Math.max(peak, ...points.map(({ gflops }) => gflops))),
  };
  low.y = Math.min(floor(low.x * bandwidth), floor(Math.min(peak, ...points.map(({ gflops }) => gflops))));
  const along = (value: number, from: number, to: number) => Math.log(value / from) / Math.log(to / from);
  const x = (value: number) => MARGIN.left + along(value, low.x, high.x) * (width - MARGIN.left - MARGIN.right);
  const y = (value: number) =>
    HEIGHT - MARGIN.bottom - along(value, low.y, high.y) * (HEIGHT - MARGIN.top - MARGIN.bottom);

  const picture = svg('svg', {
    viewBox: `0 0 ${width} ${HEIGHT}`,
    width,
    height: HEIGHT,
    role: 'img',
    'aria-label': `Roofline: ${peak.toFixed(1)} GFLOP/s in registers, ${bandwidth.toFixed(1)} GB/s; ${points.length} kernels under it, figures in the table below`,
    class: 'figure',
  });
  for (const value of decades(low.x, high.x)) {
    picture.append(
      svg('line', { x1: x(value), x2: x(value), y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom, class: 'rule' }),
    );
    picture.append(
      svg('text', { x: x(value), y: HEIGHT - MARGIN.bottom + 20, 'text-anchor': 'middle' }, String(value)),
    );
  }
  for (const value of decades(low.y, high.y)) {
    picture.append(
      svg('line', { x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value), class: 'rule' }),
    );
    picture.append(
      svg('text', { x: MARGIN.left - 6, y: y(value) + 4, 'text-anchor': 'end' }, String(Number(value.toPrecision(1)))),
    );
  }
  const title = { x: (MARGIN.left + width - MARGIN.right) / 2, y: HEIGHT - 8, 'text-anchor': 'middle' };
  picture.append(svg('text', title, 'operations a byte'));
  picture.append(
    svg(
      'text',
      { x: 14, y: HEIGHT / 2, transform: `rotate(-90 14 ${HEIGHT / 2})`, 'text-anchor': 'middle' },
      'GFLOP/s',
    ),
  );
  const start = Math.max(low.x, low.y / bandwidth);
  const roof = [
    [start, start * bandwidth],
    [ridge, peak],
    [high.x, peak],
  ].map(([at, value]) => `${x(at!)},${y(value!)}`);
  picture.append(svg('polyline', { points: roof.join(' '), class: 'roof' }));
  for (const { name, intensity, gflops, share } of points) {
    const dot = svg('circle', { cx: x(intensity), cy: y(gflops), r: 5, class: 'kernel' });
    dot.append(svg('title', {}, `${name}: ${gflops.toFixed(2)} GFLOP/s, ${(100 * share).toFixed(0)} % of the roof`));
    picture.append(dot);
  }
  return picture;
}
