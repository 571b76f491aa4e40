/** What long use costs, as data and a figure in one folder: a trial is measured anew, the others stay as they were. */
import { join } from 'node:path';
import { replaceFile } from '../experiments/disk/atomic.ts';
import { readText } from '../experiments/disk/files.ts';
import { type Box, curve, Figure, linear, type Point, WIDTH } from '../experiments/show/figure.ts';
import { COUNTS, type Course, endure, type Growth, growthOf, type Sample, type Trial, trials } from './endurance.ts';

const TITLES: Readonly<Record<Trial, string>> = {
  epochs: 'epochs of one training, with its files',
  programs: 'programs compiled, run and destroyed, each with code of its own',
  devices: 'devices opened, used and closed',
};

/** What a trial may have more of in its last quarter than in its second. */
export const LEEWAY: Growth = { resident: 16e6, heap: 4e6, handles: 0, threads: 0 };

interface Measured extends Course {
  readonly growth: Growth;
}

/** Runs a trial, and writes `endurance.json` and `endurance.svg`. Returns what grew beyond {@link LEEWAY}, in words. */
export async function report(folder: string, trial: Trial, count = COUNTS[trial]): Promise<string[]> {
  const say = ({ count: done, resident, heap, handles, threads }: Sample) =>
    process.stderr.write(
      `${done} ${trial}: ${megabytes(resident)} MB resident, ${megabytes(heap)} MB heap, ${handles} handles, ${threads} threads\n`,
    );
  const course = await endure(trial, count, say);
  const file = join(folder, 'endurance.json');
  const before = JSON.parse(readText(file) ?? '[]') as Measured[];
  const own = { ...course, samples: course.samples.map(rounded), growth: growthOf(course) };
  const all = trials.flatMap((each) => (each === trial ? [own] : before.filter((old) => old.trial === each)));
  replaceFile(file, `${JSON.stringify(all)}\n`);
  replaceFile(join(folder, 'endurance.svg'), figure(all));
  return (Object.keys(LEEWAY) as (keyof Growth)[])
    .filter((key) => own.growth[key] > LEEWAY[key])
    .map((key) => `${key} of ${count} ${trial} grew by ${own.growth[key]} from the second quarter to the last`);
}

const rounded = (sample: Sample): Sample => ({ ...sample, seconds: Math.round(10 * sample.seconds) / 10 });
const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);

const COLOURS = ['#0072b2', '#d55e00'];

export function figure(courses: readonly Course[]): string {
  const rows = courses.length;
  const [gap, height] = [70, 150];
  const adapters = [...new Set(courses.map(({ adapter }) => adapter))].join('; ');
  const picture = new Figure('Memory and handles in long use', adapters, 100 + rows * (height + 90) + 20);
  const width = (WIDTH - 110 - gap) / 2;
  const axes = { x: linear(''), y: { ...linear(''), min: 0 } };
  courses.forEach(({ trial, samples }, row) => {
    const line = (name: string, colour: number, pick: (sample: Sample) => number) =>
      curve(
        name,
        samples.map((sample): Point => [sample.count, pick(sample)]),
        COLOURS[colour]!,
        1.6,
      );
    const panels = [
      [
        line('resident, MB', 0, ({ resident }) => resident / 1e6),
        line("JavaScript's heap, MB", 1, ({ heap }) => heap / 1e6),
      ],
      [line('handles', 0, ({ handles }) => handles), line('threads', 1, ({ threads }) => threads)],
    ];
    panels.forEach((curves, k) => {
      const box: Box = { left: 60 + k * (width + gap), top: 120 + row * (height + 90), width, height };
      picture.heading(box, k === 0 ? TITLES[trial] : '', '');
      picture.lines(box, curves, axes);
      picture.legend(curves, { left: box.left, top: box.top + height + 30 });
    });
  });
  return picture.svg();
}
