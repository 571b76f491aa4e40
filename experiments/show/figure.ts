/** A picture in the making, drawn by ECharts: boxes with axes and what lies in them. */
import { LineChart } from 'echarts/charts';
import { GraphicComponent, GridComponent, LegendComponent, TitleComponent } from 'echarts/components';
import { init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { type ColourMap, colourBar } from './raster.ts';

use([LineChart, GridComponent, LegendComponent, TitleComponent, GraphicComponent, SVGRenderer]);

/** In pixels from the picture's upper left corner. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

type Options = Record<string, unknown>;
/** A gap in the line where null. */
export type Point = readonly [number, number | null];
export type Lines = readonly (Options & { readonly name: string; readonly data: readonly Point[] })[];

export const WIDTH = 980;
export const INK = '#222222';
const GREY = '#666666';
/** Without quotation marks: ECharts does not escape them in attributes. */
const FONT = 'Helvetica, Arial, DejaVu Sans, sans-serif';

export class Figure {
  readonly #height: number;
  readonly #titles: Options[];
  readonly #grids: Options[] = [];
  readonly #x: Options[] = [];
  readonly #y: Options[] = [];
  readonly #series: Options[] = [];
  readonly #legends: Options[] = [];
  readonly #graphics: Options[] = [];

  constructor(title: string, subtitle: string, height: number) {
    this.#height = height;
    const wide = (width: number) => ({ width, overflow: 'truncate' });
    this.#titles = [
      {
        text: title,
        subtext: subtitle,
        left: 20,
        top: 14,
        itemGap: 7,
        textStyle: { ...font(19, INK, 'bold'), ...wide(WIDTH - 140) },
        subtextStyle: { ...font(13, GREY), ...wide(WIDTH - 330) },
      },
    ];
  }

  /** Above `box`: `name` from its left edge, `note` up to its right one. */
  heading({ left, top, width }: Box, name: string, note: string): void {
    const add = (text: string, x: number, textAlign: string, style: Options) => {
      if (text) this.#titles.push({ text, left: x, top: top - 27, padding: 0, textAlign, textStyle: style });
    };
    add(name, left, 'left', font(14, INK, 'bold'));
    add(note, left + width, 'right', font(13, GREY));
  }

  /** Empty axes. */
  frame(box: Box, axes: { readonly x: Options; readonly y: Options }): void {
    const gridIndex = this.#grids.length;
    this.#grids.push({ ...box, containLabel: false, outerBoundsMode: 'none' });
    this.#x.push({ ...axes.x, gridIndex });
    this.#y.push({ ...axes.y, gridIndex });
    const shape = { x: box.left, y: box.top, width: box.width, height: box.height };
    this.#graphics.push({ type: 'rect', shape, style: { fill: 'none', stroke: INK, lineWidth: 1 }, z: 5 });
    // Without a series ECharts leaves an axis out.
    const index = { xAxisIndex: gridIndex, yAxisIndex: gridIndex };
    this.#series.push({ type: 'line', data: [], ...index });
  }

  lines(box: Box, curves: Lines, axes: { readonly x: Options; readonly y: Options }): void {
    this.frame(box, axes);
    const at = this.#grids.length - 1;
    for (const curve of curves) this.#series.push({ ...curve, type: 'line', xAxisIndex: at, yAxisIndex: at });
    const empty = curves.every(({ data }) => data.every(([, value]) => value === null));
    if (empty) this.text(box, 'no values');
  }

  image({ left, top, width, height }: Box, image: string): void {
    this.#graphics.push({ type: 'image', style: { image, x: left, y: top, width, height }, z: 1 });
  }

  /** Beside `box`. */
  colourBar({ left, top, width, height }: Box, range: readonly [number, number], map: ColourMap): void {
    const bar = { left: left + width + 14, top, width: 14, height };
    const power = powerOf(range);
    this.image(bar, colourBar(map, [bar.width, height]));
    const y = { ...linear('', power), ...limits(range, power), position: 'right', splitLine: { show: false } };
    this.frame(bar, { x: { type: 'value', show: false }, y });
    if (power) this.heading({ ...bar, left: bar.left - 4, width: 60 }, '', `×${powerOfTen(power)}`);
  }

  text({ left, top, width, height }: Box, text: string): void {
    const place = { x: left + width / 2, y: top + height / 2, textAlign: 'center', textVerticalAlign: 'middle' };
    this.#graphics.push({ type: 'text', style: { ...place, text, fill: GREY, font: `italic 13px ${FONT}` }, z: 6 });
  }

  legend(curves: Lines, place: Options): void {
    const data = curves.map(({ name, lineStyle }) => ({ name, lineStyle }));
    const look = {
      icon: 'inherit',
      itemWidth: 26,
      itemHeight: 2,
      itemGap: 22,
      padding: 0,
      selectedMode: false,
      textStyle: font(12.5, INK),
    };
    if (data.length > 0) this.#legends.push({ data, ...look, ...place });
  }

  svg(): string {
    const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: this.#height });
    chart.setOption({
      animation: false,
      backgroundColor: '#ffffff',
      textStyle: { fontFamily: FONT },
      title: this.#titles,
      grid: this.#grids,
      xAxis: this.#x,
      yAxis: this.#y,
      series: this.#series,
      legend: this.#legends,
      graphic: this.#graphics,
    });
    const svg = chart.renderToSVGString();
    chart.dispose();
    return portable(svg);
  }
}

export function curve(name: string, data: readonly Point[], color: string, width: number, type: unknown = 'solid') {
  const alone = data.filter(([, value]) => value !== null).length === 1;
  const lineStyle = { color, width, type, cap: 'butt', join: 'round' };
  return {
    name,
    data,
    color,
    lineStyle,
    itemStyle: { color },
    showSymbol: alone,
    symbolSize: 5,
    symbol: 'circle',
    silent: true,
  };
}

function font(fontSize: number, color: string, fontWeight = 'normal'): Options {
  return { fontSize, color, fontWeight, fontFamily: FONT };
}

/** An axis around its values, labelled in units of 10 to the `power`. */
export function linear(name: string, power = 0): Options {
  const line = { lineStyle: { color: INK, width: 1 } };
  return {
    type: 'value',
    name,
    nameLocation: 'middle',
    nameGap: name.length > 0 ? 28 : 0,
    nameTextStyle: font(13, INK),
    scale: true,
    axisLine: { show: false, onZero: false },
    axisTick: { show: true, length: 4, ...line },
    axisLabel: { ...font(12, INK), formatter: (value: number) => label(value / 10 ** power), hideOverlap: true },
    splitLine: { show: true, lineStyle: { color: '#e9e9e9', width: 1 } },
    splitNumber: 5,
  };
}

/** An axis of whole decades around `values`. */
export function logarithmic(values: readonly number[], name = ''): Options {
  const exponents = values.filter((value) => value > 0).map(Math.log10);
  const [least, most] = exponents.length > 0 ? [Math.min(...exponents), Math.max(...exponents)] : [0, 0];
  const [low, high] = [Math.floor(least - 0.05), Math.ceil(most + 0.05)];
  const formatter = (value: number) => powerOfTen(Math.round(Math.log10(value)));
  return { ...linear(name), type: 'log', min: 10 ** low, max: 10 ** high, axisLabel: { ...font(12, INK), formatter } };
}

/** What makes an axis end exactly there, with ticks at round values. */
export function limits([min, end]: readonly [number, number], power = 0): Options {
  const max = end > min ? end : min + (Math.abs(min) || 1);
  const rough = (max - min) / 4;
  const decade = 10 ** Math.floor(Math.log10(rough));
  const step = decade * ([1, 2, 5].find((factor) => factor * decade >= rough * 0.8) ?? 10);
  const first = Math.ceil(min / step - 1e-6);
  const customValues = Array.from({ length: Math.floor(max / step + 1e-6) - first + 1 }, (_, i) => (first + i) * step);
  const { axisTick, axisLabel } = linear('', power) as Record<string, Options>;
  return { min, max, axisTick: { ...axisTick, customValues }, axisLabel: { ...axisLabel, customValues } };
}

/** The power of ten to show values in; 0 where they need none. */
export function powerOf(values: readonly number[]): number {
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const power = largest > 0 ? Math.floor(Math.log10(largest)) : 0;
  return power >= -1 && power <= 3 ? 0 : power;
}

export function powerOfTen(power: number): string {
  return `10${[...String(power)].map((digit) => (digit === '-' ? '⁻' : '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(digit)])).join('')}`;
}

function label(value: number): string {
  return String(Number(value.toPrecision(6))).replace('-', '−');
}

/** Without what only serves a pointer, and with texts centred in a way that all readers of SVG know. */
function portable(svg: string): string {
  return svg
    .replace(/<style >.*?<\/style>\n?/s, '')
    .replace(/ (?:class|pointer-events|ecmeta_\w+)="[\w-]*"/g, '')
    .replaceAll('<text dominant-baseline="central"', '<text dy="0.35em"');
}
