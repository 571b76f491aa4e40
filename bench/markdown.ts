/** What a run of the benchmark found, as Markdown: every part a table, the machine above. */
import type { BenchResult } from './bench.ts';
import type { KernelRow } from './kernels.ts';
import { noiseText } from './report.ts';
import { furtherTables, ms, rate, runtimeText, stepsTable, type Table, within } from './tables.ts';

export function markdown(result: BenchResult): string {
  const { machine, date, clock, kernels, steps, dispatch } = result;
  const { adapter, software, cpu, cores, platform } = machine;
  const tables = [
    ...(kernels && kernels.length > 0 ? [kernelsTable(kernels)] : []),
    ...(steps && steps.length > 0 ? [stepsTable(steps)] : []),
    ...furtherTables(result),
  ];
  return `${[
    `# tapir bench on ${adapter}`,
    [
      `- adapter: ${adapter}${software ? ' (software: the CPU plays the GPU)' : ''}`,
      `- machine: ${cpu}, ${cores} cores, ${platform}, ${runtimeText(machine)}`,
      `- ${date}; kernels by ${clock}, everything else by the wall clock; medians, then fastest .. 90th percentile`,
      `- a dispatch costs ${(dispatch.empty.medianNs / 1e3).toFixed(1)} us, one that waits for the one before ${(dispatch.dependent.medianNs / 1e3).toFixed(1)} us`,
      ...(result.roofline
        ? [
            `- roofline: ${rate(result.roofline.peakFlops / 1e9)} GFLOP/s in registers, ${rate(result.roofline.peakBandwidth / 1e9)} GB/s`,
          ]
        : []),
    ].join('\n'),
    noiseText(result),
    ...tables.map(section),
  ].join('\n\n')}\n`;
}

function section({ title, head, rows, right, notes }: Table): string {
  const line = (row: readonly string[]) => `| ${row.map((cell) => cell.trim().replaceAll('|', '\\|')).join(' | ')} |`;
  const across = (row: readonly string[]) =>
    row.length === 1 ? [`**${row[0]!.trim()}**`, ...head.slice(1).map(() => '')] : row;
  return [
    `## ${title}`,
    '',
    line(head),
    line(head.map((_, k) => (right.includes(k) ? '--:' : '---'))),
    ...rows.map((row) => line(across(row))),
    ...notes.map((note) => `\n${note}`),
  ].join('\n');
}

function kernelsTable(rows: readonly KernelRow[]): Table {
  return {
    title: 'kernels',
    head: ['kernel', 'origin', 'shapes', 'ms', 'min .. p90', 'cold', 'GFLOP/s', 'GB/s', 'of roof', 'bound by', 'error'],
    rows: rows.map(({ kernel, version, origin, shapes, figures, error, refused, skipped }) => {
      const name = [`${kernel}.${version}`, origin, shapes];
      if (!figures) return [...name, '', '', '', '', '', '', refused ? `REFUSED: ${refused}` : (skipped ?? ''), ''];
      const { time, cold, gflops, gbytes, share, boundBy } = figures;
      const numbers = [ms(time.medianNs), within(time, ms), cold ? ms(cold.medianNs) : '', rate(gflops), rate(gbytes)];
      return [...name, ...numbers, `${(100 * share).toFixed(1)} %`, boundBy, error.toExponential(1)];
    }),
    right: [3, 4, 5, 6, 7, 8],
    notes: ['cold: ms where the caches hold none of its data, where `--cold` asked for it.'],
  };
}
