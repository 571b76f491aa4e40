/** A report as one HTML page that needs nothing else: tables, lists, figures as SVG in place. */

import { escaped, figure, grid, page, prose } from '../show/html.ts';
import type { Reading } from './analysis.ts';
import {
  type Cell,
  cellText,
  isFar,
  type Report,
  ratioText,
  type SystemReport,
  scientific,
  statsText,
} from './data.ts';
import { besidePaper, degradations, facts, headOf, LATE, lateText, legend, slopeHead, titleOf } from './markdown.ts';

const FAR_MARKS = ' ▲ worse, ▼ better by more than a factor of 3.';

export interface Figures {
  readonly coupling: string;
  readonly history?: string;
  readonly fields: readonly string[];
}

export function htmlOf(
  report: Report,
  figures: ReadonlyMap<SystemReport, Figures>,
  readings: ReadonlyMap<SystemReport, readonly Reading[]>,
): string {
  const title = titleOf(report);
  const rows = facts(report).map(([name, value]) => `<dt>${escaped(name)}</dt><dd>${prose(value)}</dd>`);
  const body = [
    `<h1>${escaped(title)}</h1>`,
    `<dl>${rows.join('')}</dl>`,
    ...report.systems.map((system) => section(system, figures.get(system), readings.get(system) ?? [])),
    ...(besidePaper(report) ? [list('Published, and not in this sweep', report.uncovered, 'No cell.')] : []),
    ...(besidePaper(report) ? [list('Off by more than a factor of 3', report.far, 'No cell.')] : []),
    list('Diverged', report.diverged, 'No run.'),
    list('Missing', report.missing, 'No run.'),
    ...(report.damaged.length > 0 ? [list('Damaged', report.damaged, '')] : []),
  ];
  return page(title, body);
}

function section(system: SystemReport, figures: Figures | undefined, readings: readonly Reading[]): string {
  const { title, system: name, caveats, rows, couplings, coupling } = system;
  const warning =
    caveats.length > 0 ? `<p class="warning">Not the paper's setting: ${escaped(caveats.join('; '))}.</p>` : '';
  const caveat = caveats.length > 0 ? `Not the paper's setting (${caveats.join('; ')}). ` : '';
  const main = rows.map((row) => [row.name, ...row.cells.map((cell) => cellHtml(cell, system))]);
  const settled = rows.map((row) => [row.name, ...row.cells.map(lateHtml)]);
  const other = rows.map((row) => [row.name, ...row.cells.map(otherHtml)]);
  return [
    `<h2>${escaped(title)} <span class="small">${escaped(name)}</span></h2>`,
    warning,
    grid(`${caveat}${legend(system)}${system.beside ? FAR_MARKS : ''}`, headOf(system), main),
    system.inferred ? `<p class="small">Published columns: ${escaped(system.inferred)}.</p>` : '',
    '<h3>Degradation</h3>',
    grid(
      `${caveat}Final error at ${coupling} = ${couplings.at(-1)} over that at ${coupling} = ${couplings[0]}.`,
      slopeHead(system),
      rows.map((row) => [row.name, ...degradations(row, system).map(escaped)]),
    ),
    '<h3>Errors towards the end</h3>',
    grid(`${caveat}${LATE}`, headOf(system), settled),
    '<h3>Best error, and error at the smallest loss</h3>',
    grid(
      `${caveat}Smallest error seen in each run, an oracle's choice; then the error at the smallest unweighted loss.`,
      headOf(system),
      other,
    ),
    ...readings.flatMap(({ title: what, head, rows: lines, note }) => [
      `<h3>${escaped(what)}</h3>`,
      grid(
        escaped(note),
        head,
        lines.map((line) => line.map(escaped)),
      ),
    ]),
    ...(figures ? figureList(figures, system) : []),
  ].join('\n');
}

function figureList({ coupling, history, fields }: Figures, { title, beside }: SystemReport): string[] {
  const marks = beside ? '; published values as hollow marks' : '';
  return [
    figure(coupling, `${title}: error against coupling for each method${marks}`),
    ...(history
      ? [
          figure(
            history,
            `${title}: loss and error over the epochs, and over the seconds that they took, at the strongest coupling`,
          ),
        ]
      : []),
    ...fields.map((svg) => figure(svg, `${title}: fields, their errors and loss terms of one run`)),
  ];
}

function cellHtml({ final, published, ratio, planned, done, diverged }: Cell, { beside }: SystemReport): string {
  const marks = [diverged > 0 ? `${diverged} diverged` : '', done < planned ? `${planned - done} missing` : ''];
  const remark = marks.filter(Boolean).join(', ');
  const ours = final
    ? `${statsText(final)}${remark ? ` <span class="none">${remark}</span>` : ''}`
    : `<span class="none">${done > 0 ? 'diverged' : 'missing'}</span>`;
  const theirs = `<span class="published">${published ? cellText(published) : 'not published'}</span>`;
  return [ours, ...(beside ? [theirs] : []), ...(ratio === undefined ? [] : [ratioHtml(ratio)])].join('<br>');
}

function ratioHtml(ratio: number): string {
  if (!isFar(ratio)) return ratioText(ratio);
  return ratio > 1
    ? `<span class="far">${ratioText(ratio)} ▲</span>`
    : `<span class="better">${ratioText(ratio)} ▼</span>`;
}

function otherHtml({ best, bestLoss }: Cell): string {
  if (!best) return '<span class="none">missing</span>';
  return [statsText(best), ...(bestLoss ? [`<span class="small">${scientific(bestLoss.mean)}</span>`] : [])].join(
    '<br>',
  );
}

const lateHtml = (cell: Cell) => (cell.late ? escaped(lateText(cell)) : '<span class="none">missing</span>');

function list(title: string, entries: readonly string[], none: string): string {
  const items = entries.map((entry) => `<li>${escaped(entry)}</li>`).join('');
  return `<h2>${escaped(title)}</h2>${entries.length > 0 ? `<ul>${items}</ul>` : `<p>${escaped(none)}</p>`}`;
}
