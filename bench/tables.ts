/** Laplacian, stack and peers as tables: one description for text and for Markdown. */
import type { BenchResult } from './bench.ts';
import type { Ratio } from './interleave.ts';
import { jobText } from './job-text.ts';
import type { LaplacianRow } from './laplacian.ts';
import type { StackRow } from './stack.ts';
import { type StepRow, trainText } from './steps.ts';
import type { Spread } from './timing.ts';

export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Columns flush right. */
  readonly right: readonly number[];
  /** What the columns mean, a line each. */
  readonly notes: readonly string[];
}

/** Where a benchmark ran: a browser, or Node with Dawn. */
export const runtimeText = ({ browser, node, webgpu }: BenchResult['machine']): string =>
  browser ?? `Node ${node?.slice(1)}, webgpu ${webgpu}`;
/** A load average; browsers know none. */
export const loadText = (load: number | undefined): string => (load === undefined ? 'unknown' : load.toFixed(1));

/** Milliseconds to three digits or so. */
export const ms = (ns: number): string => {
  const value = ns / 1e6;
  const decimals = [100, 10, 1, 0.1].findIndex((least) => value >= least);
  return value.toFixed(decimals < 0 ? 4 : decimals);
};
export const rate = (value: number): string =>
  value >= 1000 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
export const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
export const within = (time: Spread, show: (ns: number) => string): string =>
  `${show(time.minNs)} .. ${show(time.p90Ns)}`;

const times = (value: number) => `${value.toFixed(value >= 9.95 ? 0 : value >= 0.995 ? 1 : 2)} x`;
const both = (ratio: Ratio | undefined) => (ratio ? [times(ratio.fastest), times(ratio.medians)] : ['', '']);

function intervalText(ratio: Ratio | undefined): string {
  if (!ratio?.interval) return both(ratio)[1]!;
  const [low, high] = ratio.interval.map((value) => value.toFixed(value >= 9.95 ? 0 : value >= 0.995 ? 1 : 2));
  return `${low} .. ${high}`;
}

export function laplacianTable(rows: readonly LaplacianRow[]): Table {
  return {
    title: 'second derivative of both networks of thermoelasticity at its points',
    head: ['laplacian', '', 'ms', 'min .. p90', 'fastest', 'median', 'dispatches', 'MiB', 'error'],
    rows: rows.map(({ way, what, time, slower, dispatches, bytes, error, refused }) => [
      way,
      what,
      time ? ms(time.medianNs) : '',
      refused ? `REFUSED` : time ? within(time, ms) : '',
      ...both(slower),
      String(dispatches),
      mebibytes(bytes),
      error.toExponential(1),
    ]),
    right: [2, 3, 4, 5, 6, 7],
    notes: [
      'fastest, median: how often slower than the fused kernel, turn by turn. MiB: of device memory.',
      'error: ||gpu - float64|| / ||float64||; beyond its tolerance a way is REFUSED and not timed.',
    ],
  };
}

export function stepsTable(rows: readonly StepRow[]): Table {
  return {
    title: 'training steps',
    head: ['training step', '', 'networks', 'points', 'ms', 'min .. p90', 'train', 'dispatches', 'GFLOP/s', 'MiB'],
    rows: rows.map((row) => {
      const { origin, optimizer, networks, points, time, dispatches, flops, bytes } = row;
      return [
        origin,
        optimizer,
        String(networks),
        String(points),
        ms(time.medianNs),
        within(time, ms),
        trainText(row),
        String(dispatches),
        rate(flops / time.minNs),
        mebibytes(bytes),
      ];
    }),
    right: [2, 3, 4, 5, 6, 7, 8, 9],
    notes: [
      'train: a step as `train` takes it, looks and records and all, of the time of a bare one, in turn with it.',
    ],
  };
}

export function stackTable(rows: readonly StackRow[]): Table {
  return {
    title: 'runs stacked',
    head: ['stack', '', 'runs', 'ms a step', 'min .. p90', 'steps of a run / s', 'fastest', 'median', 'MiB'],
    rows: rows.map(({ system, optimizer, height, time, stepsPerSecond, gain, bytes }) => [
      system,
      optimizer,
      String(height),
      ms(time.medianNs),
      within(time, ms),
      rate(stepsPerSecond),
      ...both(gain),
      mebibytes(bytes),
    ]),
    right: [2, 3, 4, 5, 6, 7, 8],
    notes: ['fastest, median: how often faster than as many single runs one after the other, turn by turn.'],
  };
}

export function peersTable({ ours, rows }: NonNullable<BenchResult['peers']>): Table {
  const named = new Set<string>();
  const cells = rows.flatMap((row): string[][] => {
    const { peer, job, variant, ours: own, theirs, oursCpu, theirsCpu, ratio, unfair, difference, firstNs } = row;
    const across = [jobText(job), `  ${peer}`];
    const title = across.filter((_, k) => !named.has(across.slice(0, k + 1).join())).map((line) => [line]);
    named.add(across[0]!).add(across.join());
    if (variant === '') return [...title.slice(0, -1), [`  ${peer}: ${row.absent}`]];
    if (title.length > 0 && unfair !== undefined) title.push([`    UNFAIR, no ratio: ${unfair}`]);
    const why = row.refused ? `REFUSED: ${row.refused}` : row.absent;
    if (why) return [...title, [`    ${variant}: ${why}`]];
    return [
      ...title,
      [
        `    ${variant}`,
        ms(theirs!.minNs),
        ms(theirs!.medianNs),
        theirsCpu ? ms(theirsCpu.medianNs) : '',
        ms(own!.minNs),
        ms(own!.medianNs),
        oursCpu ? ms(oursCpu.medianNs) : '',
        ...(unfair === undefined ? [both(ratio)[0]!, intervalText(ratio)] : ['unfair', '']),
        firstNs === undefined ? '' : (firstNs / 1e9).toFixed(1),
        difference!.toExponential(0),
      ],
    ];
  });
  return {
    title: 'other programs at the same work',
    head: ['peer', 'ms', 'median', 'CPU', 'Tapir', 'median', 'CPU', 'Tapir is', '', '1st, s', 'apart'],
    rows: cells,
    right: [1, 2, 3, 4, 5, 6, 7, 8, 9],
    notes: [
      ...ours.map(
        ({ job, dispatches, error }) =>
          `Tapir, ${jobText(job)}: ${dispatches} dispatches${error === undefined ? '' : `, ${error.toExponential(1)} from float64 in losses and gradient`}.`,
      ),
      'ms: a call by the clock, the fastest and the median; a peer and Tapir take turns.',
      'CPU: milliseconds of processor time, all threads together, median.',
      'Tapir is .. faster by the fastest, then by medians (95 % interval from 5 samples on).',
      'apart: losses and gradient from ours; a peer whose numbers are not ours is REFUSED and not timed.',
      '1st: the first call, with compiling.',
    ],
  };
}

/** Tables of the parts beyond roofline, kernels and steps. */
export function furtherTables({ laplacian, stack, peers }: BenchResult): Table[] {
  return [
    ...(laplacian ? [laplacianTable(laplacian)] : []),
    ...(stack ? [stackTable(stack)] : []),
    ...(peers ? [peersTable(peers)] : []),
  ];
}

/** Aligned columns; a row of one cell runs across. */
export function textOf({ head, rows, right, notes }: Table): string {
  const full = [head, ...rows.filter((row) => row.length > 1)];
  const widths = head.map((_, column) => Math.max(...full.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) =>
    row.length === 1
      ? row[0]!
      : row
          .map((cell, k) => (right.includes(k) ? cell.padStart(widths[k]!) : cell.padEnd(widths[k]!)))
          .join('  ')
          .trimEnd();
  return [...[head, ...rows].map(line), '', ...notes].join('\n');
}
