/** What a run of the benchmark found, as text of at most 100 columns. */
import { pinsPassedOver } from '../experiments/adapter/choices.ts';
import { table } from '../experiments/show/table.ts';
import { memoryText } from '../experiments/training/plans.ts';
import type { BenchResult } from './bench.ts';
import type { KernelRow } from './kernels.ts';
import type { Ceiling, Roofline } from './roofline.ts';
import type { StepRow } from './steps.ts';
import { furtherTables, loadText, ms, rate, runtimeText, stepsTable, textOf, within } from './tables.ts';

export function report(result: BenchResult): string {
  const { roofline, kernels, steps } = result;
  return [
    heading(result),
    dispatchText(result),
    ...(roofline ? [rooflineText(roofline)] : []),
    ...(kernels && kernels.length > 0 ? [kernelsText(kernels, result)] : []),
    ...(steps && steps.length > 0 ? [stepsText(steps, result)] : []),
    ...furtherTables(result).map(textOf),
    noiseText(result),
  ].join('\n\n');
}

const us = (ns: number) => `${(ns / 1e3).toFixed(1)} us`;
const size = (bytes: number) => `${bytes / 2 ** 20} MiB`;

function heading({ machine, clock, quick }: BenchResult): string {
  const { adapter, software, cpu, cores, platform } = machine;
  return [
    `adapter  ${adapter}${software ? ' (software: the CPU plays the GPU)' : ''}`,
    `machine  ${cpu}, ${cores} cores, ${platform}, ${runtimeText(machine)}`,
    `time     by ${clock}; median, then fastest .. 90th percentile${quick ? '; --quick: few samples' : ''}`,
    'rates    of the fastest sample, kernels and roofline alike',
  ].join('\n');
}

function dispatchText({ dispatch }: BenchResult): string {
  const rows = [
    ['empty', dispatch.empty],
    ['dependent', dispatch.dependent],
    ['submission', dispatch.submission],
  ] as const;
  const about = {
    empty: 'nothing, among 2000 dispatches of one submission',
    dependent: 'the same, each reading what the one before wrote',
    submission: 'one empty dispatch submitted and waited for',
  };
  return table(
    ['dispatch', 'median', 'min .. p90', 'what (by the wall clock)'],
    rows.map(([name, time]) => [name, us(time.medianNs), within(time, us), about[name]]),
    [1, 2],
  );
}

function rooflineText({ compute, memory }: Roofline): string {
  const row = (ceiling: Ceiling, what: string, unit: string) => [
    ceiling.name,
    what,
    `${rate(ceiling.perSecond / 1e9)} ${unit}`,
    ms(ceiling.time.medianNs),
    within(ceiling.time, ms),
  ];
  const rows = [
    ...compute.map((ceiling) => row(ceiling, 'registers', 'GFLOP/s')),
    ...memory.map((ceiling) => row(ceiling, size(ceiling.workingSet), 'GB/s')),
  ];
  return table(['roofline', 'working set', 'rate', 'ms', 'min .. p90'], rows, [1, 2, 3, 4]);
}

function kernelsText(rows: readonly KernelRow[], { roofline }: BenchResult): string {
  const anyCold = rows.some(({ figures }) => figures?.cold);
  const cells = rows.map(({ version, figures, error, refused, skipped }) => {
    const head = `  ${version}`;
    if (!figures)
      return [
        head,
        '',
        '',
        ...(anyCold ? [''] : []),
        '',
        '',
        '',
        '',
        '',
        refused ? `REFUSED: ${refused}` : (skipped ?? ''),
      ];
    const { time, cold, gflops, gbytes, intensity, share, boundBy } = figures;
    return [
      head,
      ms(time.medianNs),
      within(time, ms),
      ...(anyCold ? [cold ? ms(cold.medianNs) : ''] : []),
      rate(gflops),
      rate(gbytes),
      intensity.toFixed(1),
      `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`,
      boundBy,
      error.toExponential(1),
    ];
  });
  const head = [
    'kernel',
    'ms',
    'min .. p90',
    ...(anyCold ? ['cold'] : []),
    'GFLOP/s',
    'GB/s',
    'FLOP/B',
    'of roof',
    'roof',
    'error',
  ];
  const [first, ...lines] = table(head, cells, [1, 2, 3, 4, 5, 6, ...(anyCold ? [7] : [])]).split('\n');
  const title = (row: KernelRow) => `${row.kernel}, ${row.origin}: ${row.shapes}`;
  const grouped = lines.flatMap((line, k) =>
    k === 0 || title(rows[k]!) !== title(rows[k - 1]!) ? [title(rows[k]!), line] : [line],
  );
  const peak = `${rate(roofline!.peakFlops / 1e9)} GFLOP/s`;
  return [
    first,
    ...grouped,
    '',
    'error: ||kernel - float64|| / ||float64|| at this very size; beyond its tolerance it is not timed.',
    ...(anyCold ? ['cold: ms where the caches hold none of its data, one execution at a time.'] : []),
    `of roof: the time that ${peak} and the copy of that working set allow, over the fastest time.`,
  ].join('\n');
}

const SHOWN = 8;

function stepsText(rows: readonly StepRow[], { pins = {} }: BenchResult): string {
  const { head, rows: cells, right, notes } = stepsTable(rows);
  return [
    [table(head, cells, right), ...notes].join('\n'),
    ...pinsPassedOver(Object.assign({}, ...rows.map(({ kernels }) => kernels)), pins),
    rows.map(({ origin, optimizer, memory }) => `${origin}, ${optimizer}: ${memoryText(memory)}`).join('\n'),
    ...rows.filter(({ scopes }) => scopes.length > 0).map(scopesText),
  ].join('\n\n');
}

function scopesText({ origin, optimizer, scopes }: StepRow): string {
  const total = scopes.reduce((sum, { ns }) => sum + ns, 0);
  const line = (scope: string, kernel: string, dispatches: number, ns: number) => [
    `  ${scope.length > 46 ? `${scope.slice(0, 43)}...` : scope || '-'}`,
    kernel,
    String(dispatches),
    ms(ns),
    `${((100 * ns) / total).toFixed(0)} %`,
  ];
  const shown = scopes.slice(0, SHOWN).map((each) => line(each.scope, each.kernel, each.dispatches, each.ns));
  const rest = scopes.slice(SHOWN);
  const sum = (of: 'ns' | 'dispatches') => rest.reduce((all, each) => all + each[of], 0);
  if (rest.length > 0) shown.push(line('the rest', '', sum('dispatches'), sum('ns')));
  return table([`${origin}, ${optimizer}`, 'kernel', 'dispatches', 'ms', 'share'], shown, [2, 3, 4]);
}

/** What to think of these times: what else ran, how far the peak moved. */
export function noiseText({ load, machine, roofline, peakAtEnd }: BenchResult): string {
  const busy = load !== undefined && load > 0.5;
  const moved = roofline && peakAtEnd ? Math.round(100 * (peakAtEnd / roofline.peakFlops - 1)) : 0;
  return [
    `Load average before the run: ${loadText(load)} on ${machine.cores} cores${busy ? '; something else was running' : ''}.`,
    ...(busy ? ['Sharing the cores costs a program of few threads more than one of many: ratios lean.'] : []),
    ...(moved === 0 ? [] : [`The peak of the roofline, measured again at the end, moved by ${moved} %.`]),
    'Compare figures of one run; between runs, differences within min .. p90 are noise.',
  ].join('\n');
}
