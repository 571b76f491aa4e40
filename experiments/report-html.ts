/** A report as one HTML page that needs nothing else: tables, lists, figures as SVG in place. */
import {
  type Cell,
  cellText,
  isFar,
  type MethodRow,
  type Report,
  ratioText,
  type SystemReport,
  scientific,
  statsText,
} from './report-data.ts';
import { degradations, facts, headOf, legend } from './report-markdown.ts';

export interface Figures {
  readonly coupling: string;
  readonly history?: string;
  readonly fields: readonly string[];
}

const STYLE = `
:root { color-scheme: light; --ink: #222; --grey: #666; --line: #d4d4d4; --far: #a33c00; --better: #005a8c; }
body { font: 15px/1.5 Helvetica, Arial, "DejaVu Sans", sans-serif; color: var(--ink); background: #fff; max-width: 1040px; margin: 2em auto; padding: 0 1.2em; }
h1 { font-size: 1.6em; } h2 { margin-top: 2.2em; border-bottom: 2px solid var(--ink); padding-bottom: .2em; }
h3 { margin: 1.6em 0 .4em; font-size: 1.05em; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15em 1.2em; } dt { color: var(--grey); } dd { margin: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { border: 1px solid var(--line); padding: .35em .6em; text-align: left; vertical-align: top; white-space: nowrap; }
thead th { background: #f3f3f3; } caption { caption-side: top; text-align: left; white-space: normal; padding: .3em 0; }
.published, .small, .none { color: var(--grey); } .none { font-style: italic; }
.far { font-weight: bold; color: var(--far); } .better { font-weight: bold; color: var(--better); }
.warning { border: 2px solid var(--far); padding: .5em .9em; margin: 1em 0; font-weight: bold; }
figure { margin: 1.2em 0; } figure svg { max-width: 100%; height: auto; }
code { font-size: .95em; background: #f3f3f3; padding: .05em .3em; }
@page { size: A4 landscape; margin: 12mm; }
@media print {
  body { max-width: none; margin: 0; font-size: 10pt; } table { font-size: 8pt; } .scroll { overflow: visible; }
  figure, tr, .warning { break-inside: avoid; } h2, h3 { break-after: avoid; }
  th, td { padding: .2em .35em; }
}`;

export function htmlOf(report: Report, figures: ReadonlyMap<string, Figures>): string {
  const title = `Sweep ${report.preset} beside the published results`;
  const rows = facts(report).map(([name, value]) => `<dt>${escaped(name)}</dt><dd>${prose(value)}</dd>`);
  const body = [
    `<h1>${escaped(title)}</h1>`,
    `<dl>${rows.join('')}</dl>`,
    ...report.systems.map((system) => section(system, figures.get(system.system))),
    list('Off by more than a factor of 3', report.far, 'No cell.'),
    list('Diverged', report.diverged, 'No run.'),
    list('Missing', report.missing, 'No run.'),
    ...(report.damaged.length > 0 ? [list('Damaged', report.damaged, '')] : []),
  ];
  return [
    '<!DOCTYPE html>',
    `<html lang="en"><head><meta charset="utf-8"><title>${escaped(title)}</title>`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<style>${STYLE}</style></head><body>`,
    ...body,
    '</body></html>\n',
  ].join('\n');
}

function section(system: SystemReport, figures: Figures | undefined): string {
  const { title, system: name, caveats, rows, couplings, coupling } = system;
  const warning =
    caveats.length > 0 ? `<p class="warning">Not the paper's setting: ${escaped(caveats.join('; '))}.</p>` : '';
  const caveat = caveats.length > 0 ? `Not the paper's setting (${caveats.join('; ')}). ` : '';
  const main = rows.map((row) => [row.name, ...row.cells.map(cellHtml)]);
  const other = rows.map((row) => [row.name, ...row.cells.map(otherHtml)]);
  return [
    `<h2>${escaped(title)} <span class="small">${escaped(name)}</span></h2>`,
    warning,
    grid(`${caveat}${legend(system)} ▲ worse, ▼ better by more than a factor of 3.`, headOf(system), main),
    system.inferred ? `<p class="small">Published columns: ${escaped(system.inferred)}.</p>` : '',
    '<h3>Degradation</h3>',
    grid(
      `${caveat}Final error at ${coupling} = ${couplings.at(-1)} over that at ${coupling} = ${couplings[0]}.`,
      ['method', 'ours', 'published'],
      rows.map((row) => [row.name, ...slopes(row)]),
    ),
    '<h3>Best error, and error at the smallest loss</h3>',
    grid(
      `${caveat}Smallest error seen in each run, an oracle's choice; then the error at the smallest unweighted loss.`,
      headOf(system),
      other,
    ),
    ...(figures ? figureList(figures, title) : []),
  ].join('\n');
}

function figureList({ coupling, history, fields }: Figures, title: string): string[] {
  return [
    figure(coupling, `${title}: error against coupling for each method; published values as hollow marks`),
    ...(history ? [figure(history, `${title}: loss and error over the epochs at the strongest coupling`)] : []),
    ...fields.map((svg) => figure(svg, `${title}: fields, their errors and loss terms of one run`)),
  ];
}

const figure = (svg: string, about: string) =>
  `<figure role="img" aria-label="${escaped(about)}">${inline(svg)}</figure>`;

/** SVG without what only a file of its own needs, able to shrink with the page. */
function inline(svg: string): string {
  const bare = svg.replace(/^<\?xml[^>]*\?>\s*/, '').replace(/^<!DOCTYPE[^>]*>\s*/, '');
  if (/^<svg[^>]*viewBox=/.test(bare)) return bare;
  return bare.replace(/^<svg([^>]*) width="(\d+)" height="(\d+)"/, '<svg$1 width="$2" height="$3" viewBox="0 0 $2 $3"');
}

function cellHtml({ final, published, ratio, planned, done, diverged }: Cell): string {
  const marks = [diverged > 0 ? `${diverged} diverged` : '', done < planned ? `${planned - done} missing` : ''];
  const remark = marks.filter(Boolean).join(', ');
  const ours = final
    ? `${statsText(final)}${remark ? ` <span class="none">${remark}</span>` : ''}`
    : `<span class="none">${done > 0 ? 'diverged' : 'missing'}</span>`;
  const theirs = `<span class="published">${published ? cellText(published) : 'not published'}</span>`;
  return [ours, theirs, ...(ratio === undefined ? [] : [ratioHtml(ratio)])].join('<br>');
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

const slopes = (row: MethodRow) => degradations(row).map(escaped);

function list(title: string, entries: readonly string[], none: string): string {
  const items = entries.map((entry) => `<li>${escaped(entry)}</li>`).join('');
  return `<h2>${escaped(title)}</h2>${entries.length > 0 ? `<ul>${items}</ul>` : `<p>${escaped(none)}</p>`}`;
}

/** Heads and captions are text, cells HTML. */
function grid(caption: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const top = head.map((text) => `<th scope="col">${escaped(text)}</th>`).join('');
  const body = rows.map(([name, ...cells]) => {
    const rest = cells.map((cell) => `<td>${cell}</td>`).join('');
    return `<tr><th scope="row">${escaped(name!)}</th>${rest}</tr>`;
  });
  return `<div class="scroll"><table><caption>${escaped(caption)}</caption><thead><tr>${top}</tr></thead><tbody>${body.join('')}</tbody></table></div>`;
}

const prose = (text: string) => escaped(text).replace(/`([^`]+)`/g, '<code>$1</code>');

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
