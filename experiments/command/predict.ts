/** `tapir predict`: fields of a run that has ended, at points or on a grid, as files of other programs. */
import { Command } from 'commander';
import { type Coordinates, countOf, grid, parseCsv, type System } from '../../systems/index.ts';
import { replaceFile } from '../disk/atomic.ts';
import { readText } from '../disk/files.ts';
import { csvText, npyBytes, type Table, vtiText, vtuText } from '../disk/grids.ts';
import { loadRun } from '../training/saved-run.ts';
import { UsageError } from '../training/settings.ts';
import { known } from './known.ts';
import { path, seed } from './options.ts';
import { say } from './output.ts';

interface PredictOptions {
  readonly system?: string;
  readonly points?: string;
  readonly grid?: readonly number[];
  readonly of?: readonly string[];
  readonly seed?: number;
  readonly out?: string;
}

/** Points along each coordinate: `200x100`. */
function counts(text: string): number[] {
  const all = text.split('x').map(Number);
  if (!/^\d+(x\d+){0,2}$/.test(text) || all.some((count) => count < 1))
    throw new UsageError(`--grid takes the points along each coordinate, 200x100 say, not ${text}`);
  return all;
}

const formats = ['csv', 'npy', 'vti', 'vtu'] as const;

export function predictCommand(): Command {
  return new Command('predict')
    .argument('<run>', 'folder of a run that has ended', path('the folder'))
    .description('fields of a run, in float64, at points or on a grid')
    .option('--system <file>', 'the file of a system of your own', path('--system'))
    .option('--points <file>', 'CSV file with a column for each coordinate', path('--points'))
    .option('--grid <n>', 'a regular grid over the whole box: 200x100', counts)
    .option('--of <names>', 'fields and derivatives: u,u.xx (default: all fields)', (text: string) => text.split(','))
    .option('--seed <n>', 'of which seed (default: the first)', seed)
    .option('--out <file>', `${formats.join(', ')} by its ending (default: RUN/prediction.csv)`, path('--out'))
    .action(async (folder: string, options: PredictOptions) => {
      if (options.system !== undefined) await known(options.system);
      const out = options.out ?? `${folder}/prediction.csv`;
      const format = formats.find((each) => out.endsWith(`.${each}`));
      if (!format)
        throw new UsageError(`--out must end in ${formats.map((each) => `.${each}`).join(', ')}, not ${out}`);
      if (format === 'vti' && !options.grid)
        throw new UsageError('--out: a .vti file holds a grid; give --grid, or take .vtu');
      const run = loadRun(folder, { seed: options.seed });
      const coordinates = pointsOf(run.problem.system, options);
      const table = { coordinates, values: run.predict(coordinates, options.of) };
      replaceFile(out, encoded(format, table, options.grid));
      say(`${out}: ${Object.keys(table.values).join(', ')} at ${countOf(coordinates)} points`, {});
    });
}

function encoded(format: (typeof formats)[number], table: Table, shape: readonly number[] = []): string | Uint8Array {
  switch (format) {
    case 'csv':
      return csvText(table);
    case 'npy':
      return npyBytes(table);
    case 'vti':
      return vtiText({ ...table, grid: shape });
    case 'vtu':
      return vtuText(table);
  }
}

function pointsOf({ coordinates, extents = {} }: System, options: PredictOptions): Record<string, Float64Array> {
  const { points, grid: shape } = options;
  if ((points === undefined) === (shape === undefined)) throw new UsageError('give either --points or --grid');
  const box = Object.fromEntries(coordinates.map((name) => [name, extents[name] ?? ([0, 1] as const)]));
  if (shape) {
    if (shape.length !== coordinates.length)
      throw new UsageError(`--grid must have ${coordinates.length} numbers, one for each of ${coordinates.join(', ')}`);
    return { ...grid(box, undefined, shape) };
  }
  const text = readText(points!);
  if (text === undefined) throw new UsageError(`--points: there is no file ${points}`);
  const columns: Coordinates = parseCsv(text);
  const missing = coordinates.find((name) => !Object.hasOwn(columns, name));
  if (missing !== undefined) throw new UsageError(`--points: ${points} has no column ${missing}`);
  return Object.fromEntries(coordinates.map((name) => [name, columns[name]!]));
}
