/** A report as Markdown: tables and lists; the figures are on the HTML page. */
import type { Reading } from './analysis.ts';
import {
  type Cell,
  cellText,
  isFar,
  type MethodRow,
  type Report,
  ratioText,
  type SystemReport,
  spreadText,
  statsText,
} from './data.ts';

export function markdownOf(
  report: Report,
  page: string,
  readings: ReadonlyMap<SystemReport, readonly Reading[]>,
): string {
  const parts = [
    `# ${plain(titleOf(report))}`,
    facts(report)
      .map(([name, value]) => `- ${name}: ${plain(value)}`)
      .join('\n'),
    `Figures are in [${page}](${page}).`,
    ...report.systems.map((system) => systemText(system, readings.get(system) ?? [])),
    ...(besidePaper(report) ? [list('Published, and not in this sweep', report.uncovered, 'No cell.')] : []),
    ...(besidePaper(report) ? [list('Off by more than a factor of 3', report.far, 'No cell.')] : []),
    list('Diverged', report.diverged, 'No run.'),
    list('Missing', report.missing, 'No run.'),
    ...(report.damaged.length > 0 ? [list('Damaged', report.damaged, '')] : []),
  ];
  return `${parts.join('\n\n')}\n`;
}

/** Whether any of it is a system that the paper reports. */
export const besidePaper = ({ systems }: Report): boolean => systems.some(({ beside }) => beside);

export const titleOf = (report: Report): string =>
  `Sweep ${report.preset}${besidePaper(report) ? ' beside the published results' : ''}`;

/** What was run, where, when. */
export function facts(report: Report): [string, string][] {
  const { preset, about, command, days, adapters, planned, done, diverged } = report;
  return [
    ['preset', `${preset}: ${about}`],
    ['command', `\`${command}\``],
    ['adapter', adapters.join('; ') || 'none yet'],
    ['finished', days.join(' to ') || 'nothing yet'],
    ['runs', `${done} of ${planned}${diverged.length > 0 ? `, ${diverged.length} of them diverged` : ''}`],
  ];
}

export function headOf({ couplings, coupling }: SystemReport): string[] {
  return ['method', ...couplings.map((value) => `${coupling} = ${value}`)];
}

/** What a table's numbers are. */
export const legend = ({ measure, beside }: SystemReport): string =>
  beside
    ? `Final ${measure}: ours, mean ± standard deviation (ddof 1) over n seeds; then the published value; then the ratio of ours to it.`
    : `Final ${measure}: mean ± standard deviation (ddof 1) over n seeds.`;

/** Head of the table of degradations. */
export const slopeHead = ({ beside }: SystemReport): string[] =>
  beside ? ['method', 'ours', 'published'] : ['method', 'ratio'];

function systemText(system: SystemReport, readings: readonly Reading[]): string {
  const { title, caveats, rows } = system;
  const warning = caveats.length > 0 ? [`> **Not the paper's setting: ${caveats.join('; ')}.**`] : [];
  const main = rows.map(({ name, cells }) => [name, ...cells.map((cell) => lines(cell, system).join('<br>'))]);
  const slopes = rows.map((row) => [row.name, ...degradations(row, system)]);
  const settled = rows.map(({ name, cells }) => [name, ...cells.map(lateText)]);
  const others = rows.map(({ name, cells }) => [name, ...cells.map((cell) => otherLines(cell).join('<br>'))]);
  return [
    `## ${plain(title)} (\`${system.system}\`)`,
    ...warning,
    legend(system),
    grid(headOf(system), main),
    ...(system.inferred ? [`Published columns: ${system.inferred}.`] : []),
    `Degradation: final error at ${system.coupling} = ${system.couplings.at(-1)} over that at ${system.couplings[0]}.`,
    grid(slopeHead(system), slopes),
    LATE,
    grid(headOf(system), settled),
    "Best error seen (an oracle's choice), then the error at the smallest unweighted loss.",
    grid(headOf(system), others),
    ...readings.flatMap(({ title: what, head, rows: lines, note }) => [`### ${what}`, note, grid(head, lines)]),
  ].join('\n\n');
}

/** What the table of late errors shows. */
export const LATE =
  'Errors in the last sixth of the epochs, all seeds together: median (10th to 90th percentile). The final error is one draw from these for each seed.';

export const lateText = ({ late }: Cell): string => (late ? spreadText(late) : 'missing');

export function degradations({ degradation, publishedDegradation }: MethodRow, { beside }: SystemReport): string[] {
  const ours = degradation === undefined ? 'missing' : ratioText(degradation);
  if (!beside) return [ours];
  return [ours, publishedDegradation === undefined ? '–' : ratioText(publishedDegradation)];
}

/** Ours, published, ratio of a cell. */
export function lines(cell: Cell, { beside }: Pick<SystemReport, 'beside'>): string[] {
  const { final, published, ratio } = cell;
  return [
    final ? statsText(final) + remark(cell) : absent(cell),
    ...(beside ? [published ? `published ${cellText(published)}` : 'not published'] : []),
    ...(ratio === undefined ? [] : [`${ratioText(ratio)}${isFar(ratio) ? (ratio > 1 ? ' ▲' : ' ▼') : ''}`]),
  ];
}

/** Best error and error at best loss of a cell. */
export function otherLines({ best, bestLoss }: Cell): string[] {
  return [best ? `best ${statsText(best)}` : 'missing', ...(bestLoss ? [`at best loss ${statsText(bestLoss)}`] : [])];
}

function remark({ diverged, done, planned }: Cell): string {
  const missing = planned - done;
  return [diverged > 0 ? `, ${diverged} diverged` : '', missing > 0 ? `, ${missing} missing` : ''].join('');
}

const absent = ({ diverged, done }: Cell) => (done > 0 ? `diverged (all ${diverged})` : 'missing');

/** Text that is no HTML and ends no line, table cell or code. */
const plain = (text: string) =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('|', '&#124;')
    .replaceAll(/\s+/g, ' ');

function list(title: string, entries: readonly string[], none: string): string {
  return [`## ${title}`, entries.length > 0 ? entries.map((entry) => `- ${plain(entry)}`).join('\n') : none].join(
    '\n\n',
  );
}

function grid(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
