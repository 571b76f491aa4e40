/** Times of passes over tapes of rising length, as a table, a figure and data in one folder. */

import { join } from 'node:path';
import { replaceFile } from '../experiments/disk/atomic.ts';
import { type Box, curve, Figure, logarithmic, WIDTH } from '../experiments/show/figure.ts';
import {
  exponentOf,
  measureScaling,
  type ScalingPass,
  type ScalingPoint,
  scalingCases,
  scalingPasses,
} from './scaling.ts';

const SIZES = [300, 1000, 3000, 10_000, 30_000, 100_000];
const COLORS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#222222'];
/** Below so many operations fixed costs and the compiler of JavaScript decide, not the pass. */
const FITTED_FROM = 9000;

/** The points of one line and its exponent. */
interface Line {
  readonly case: string;
  readonly pass: ScalingPass;
  readonly points: readonly ScalingPoint[];
  readonly exponent: number;
}

export function linesOf(points: readonly ScalingPoint[]): Line[] {
  return scalingCases.flatMap(({ name }) =>
    scalingPasses.flatMap((pass): Line[] => {
      const own = points.filter((point) => point.case === name && point.pass === pass);
      const fitted = own.filter(({ operations }) => operations >= FITTED_FROM);
      return own.length === 0 ? [] : [{ case: name, pass, points: own, exponent: exponentOf(fitted) }];
    }),
  );
}

/** Writes `scaling.json`, `scaling.md` and `scaling.svg`; `most` leaves out longer tapes. */
export function report(folder: string, most = Number.POSITIVE_INFINITY): void {
  const say = ({ case: name, pass, operations, seconds }: ScalingPoint) =>
    process.stderr.write(`${name}: ${pass} of ${operations} operations took ${seconds.toFixed(3)} s\n`);
  const sizes = SIZES.filter((size) => size <= most);
  // The first rounds are slower, while JavaScript is being compiled.
  measureScaling([300, 3000]);
  const lines = linesOf(measureScaling(sizes, { say }));
  replaceFile(join(folder, 'scaling.json'), `${JSON.stringify({ fittedFrom: FITTED_FROM, lines }, null, 1)}\n`);
  replaceFile(join(folder, 'scaling.md'), markdown(lines));
  replaceFile(join(folder, 'scaling.svg'), figure(lines));
}

export function markdown(lines: readonly Line[]): string {
  const rows = lines.map(({ case: name, pass, points, exponent }) => {
    const last = points.at(-1)!;
    return `| ${name} | ${pass} | ${last.operations} | ${last.seconds.toPrecision(3)} | ${exponent.toFixed(2)} |`;
  });
  return [
    '# Time of each pass against the number of operations',
    '',
    `Seconds of processor time on the longest tape, and the exponent fitted from ${FITTED_FROM} operations: 1 is linear.`,
    'Measured by `npm run scaling`.',
    '',
    '| tape | pass | operations | seconds | exponent |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

export function figure(lines: readonly Line[]): string {
  const picture = new Figure(
    'Time of each pass against the number of operations',
    'seconds of processor time; a slope of one decade a decade is linear',
    480,
  );
  const gap = 60;
  const width = (WIDTH - 90 - gap * (scalingCases.length - 1)) / scalingCases.length;
  const all = lines.flatMap(({ points }) => points);
  const axes = {
    x: logarithmic(all.map(({ operations }) => operations)),
    y: logarithmic(all.map(({ seconds }) => seconds)),
  };
  const legend = scalingPasses.map((pass, k) => curve(pass, [], COLORS[k]!, 2));
  scalingCases.forEach(({ name }, at) => {
    const box: Box = { left: 60 + at * (width + gap), top: 110, width, height: 290 };
    picture.heading(box, name, '');
    const own = lines.filter((line) => line.case === name);
    const curves = own.map(({ pass, points }) =>
      curve(
        pass,
        points.map(({ operations, seconds }) => [operations, seconds] as const),
        COLORS[scalingPasses.indexOf(pass)]!,
        2,
      ),
    );
    picture.lines(box, curves, axes);
  });
  picture.legend(legend, { left: 60, top: 440 });
  return picture.svg();
}
