/** The roofline as a picture: what the adapter can do at an arithmetic intensity, and where every kernel's versions lie. */
import { type Box, curve, Figure, type Lines, logarithmic, type Point, WIDTH } from '../experiments/show/figure.ts';
import type { BenchResult } from './bench.ts';
import type { KernelRow } from './kernels.ts';
import type { Ceiling, Roofline } from './roofline.ts';

const HEIGHT = 640;
const BOX: Box = { left: 90, top: 110, width: WIDTH - 140, height: HEIGHT - 240 };
const ROOFS = '#888888';
const DASHES = ['solid', 'dashed', 'dotted'];
const COLOURS = ['#1f6fb4', '#c0392b', '#2e8b57', '#8e44ad', '#d68910', '#117a8b', '#6e4b2a', '#d6336c', '#4b5320'];

type Timed = KernelRow & { readonly figures: NonNullable<KernelRow['figures']> };

/** GFLOP/s that arithmetic and a copy at `bandwidth` bytes/s allow at an intensity of operations for a byte. */
export const roofAt = ({ peakFlops }: Roofline, bandwidth: number, intensity: number): number =>
  Math.min(peakFlops, bandwidth * intensity) / 1e9;

/** The fastest copy of every working set, the smallest first. */
function fastestCopies({ memory }: Roofline): Ceiling[] {
  const sizes = [...new Set(memory.map(({ workingSet }) => workingSet))].sort((a, b) => a - b);
  return sizes.map((size) => {
    const own = memory.filter(({ workingSet }) => workingSet === size);
    return own.reduce((best, each) => (each.perSecond > best.perSecond ? each : best));
  });
}

/** SVG. Throws where nothing was timed. */
export function rooflinePicture({ roofline, kernels = [], machine, date }: BenchResult): string {
  const timed = kernels.filter((row): row is Timed => row.figures !== undefined && row.figures.flops > 0);
  if (!roofline || timed.length === 0) throw new Error('a roofline takes kernels that were timed: measure kernels');
  const intensities = timed.map(({ figures }) => figures.intensity);
  const [low, high] = [Math.min(...intensities) / 2, Math.max(...intensities) * 2];
  const copies = fastestCopies(roofline);
  const knees = copies.map(({ perSecond }) => roofline.peakFlops / perSecond);
  const at = [low, ...knees.filter((x) => x > low && x < high), high].sort((a, b) => a - b);
  const roofs = copies.map(({ perSecond, workingSet }, k) => {
    const name = `${(perSecond / 1e9).toFixed(1)} GB/s, copy of ${(workingSet / 2 ** 20).toFixed(0)} MiB`;
    const data = at.map((x): Point => [x, roofAt(roofline, perSecond, x)]);
    return curve(name, data, ROOFS, 1.2, DASHES[k % DASHES.length]);
  });
  const names = [...new Set(timed.map(({ kernel }) => kernel))];
  const points: Lines = names.map((name, k) => {
    const colour = COLOURS[k % COLOURS.length]!;
    const own = timed.filter(({ kernel }) => kernel === name);
    return {
      ...curve(name, [], colour, 0),
      data: own.map(({ figures }): Point => [figures.intensity, figures.gflops]),
      showSymbol: true,
      symbol: 'circle',
      symbolSize: 7,
      itemStyle: { color: colour },
      label: {
        show: true,
        position: 'right',
        fontSize: 10,
        color: colour,
        formatter: ({ dataIndex }: { dataIndex: number }) => own[dataIndex]!.version,
      },
    };
  });
  const peak = `${(roofline.peakFlops / 1e9).toFixed(0)} GFLOP/s in registers`;
  const figure = new Figure('Roofline', `${machine.adapter}; ${peak}; ${date.slice(0, 10)}`, HEIGHT);
  figure.heading(BOX, 'GFLOP/s of the fastest sample', 'operations for a byte');
  const heights = [...roofs, ...points].flatMap(({ data }) => data.map(([, y]) => y!));
  figure.lines(BOX, [...roofs, ...points], { x: logarithmic(at), y: logarithmic(heights) });
  figure.legend(
    points.map((each) => ({ ...each, lineStyle: { color: (each['itemStyle'] as { color: string }).color, width: 3 } })),
    { left: BOX.left, top: HEIGHT - 90, width: BOX.width },
  );
  figure.legend(roofs, { left: BOX.left, top: HEIGHT - 40, width: BOX.width });
  return figure.svg();
}

/** The same as a page that a browser opens, with the figures under it. */
export function rooflinePage(result: BenchResult): string {
  const rows = (result.kernels ?? []).flatMap(({ kernel, version, origin, shapes, figures }) => {
    if (!figures) return [];
    const { intensity, gflops, share, boundBy } = figures;
    const numbers = [intensity.toFixed(1), gflops.toFixed(2), `${(100 * share).toFixed(1)} %`];
    const cells = [`${kernel}.${version}`, origin, shapes, ...numbers, boundBy];
    return [`<tr>${cells.map((each) => `<td>${escaped(each)}</td>`).join('')}</tr>`];
  });
  const head = ['kernel', 'origin', 'shapes', 'FLOP/B', 'GFLOP/s', 'of roof', 'bound by'];
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Roofline</title>
<style>body{font:14px sans-serif;margin:2em}td,th{padding:2px 12px;text-align:left}</style>
${rooflinePicture(result)}
<table><tr>${head.map((each) => `<th>${each}</th>`).join('')}</tr>
${rows.join('\n')}
</table></html>
`;
}

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
