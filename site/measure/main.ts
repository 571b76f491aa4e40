/** The page "Measure": roofline and kernels of the visitor's GPU, and the golden cases on it. */
import type { BenchResult } from '../../bench/bench.ts';
import type { KernelRow } from '../../bench/kernels.ts';
import { markdown } from '../../bench/markdown.ts';
import type { Roofline } from '../../bench/roofline.ts';
import { ms, rate, within } from '../../bench/tables.ts';
import { deviceOr } from '../shared/device.ts';
import { byId, download, el, tableOf } from '../shared/dom.ts';
import type { Order, Report } from './messages.ts';
import { rooflinePlot } from './plot.ts';

const quick = el('button', { type: 'button', class: 'main', disabled: true }, 'Measure quickly');
const thorough = el('button', { type: 'button', disabled: true }, 'Measure thoroughly');
const check = el('button', { type: 'button', disabled: true }, 'Verify golden cases');
const status = el('p', { class: 'status', role: 'status', id: 'status' });
const exports = [
  el('button', { type: 'button', disabled: true, onclick: () => copy(markdown(result!)) }, 'Copy as Markdown'),
  el('button', { type: 'button', disabled: true, onclick: () => copy(json(result!)) }, 'Copy as JSON'),
  el(
    'button',
    { type: 'button', disabled: true, onclick: () => download('tapir-bench.json', json(result!), 'application/json') },
    'Download JSON',
  ),
];
const adapter = el('p', { id: 'adapter' });
const rooflinePlace = el('div', { id: 'roofline', class: 'plot' });
const kernelPlace = el('div', { id: 'kernels' });
const casePlace = el('div', { id: 'cases' });

byId('app', HTMLDivElement).append(
  el(
    'section',
    { class: 'panel', 'aria-label': 'What to measure' },
    adapter,
    el('div', { class: 'controls' }, quick, thorough, check),
    status,
    el('div', { class: 'controls' }, ...exports),
    el(
      'p',
      { class: 'muted' },
      'Every version of every kernel is held against its meaning in float64 first; one that is wrong is not timed. ' +
        'The JSON is what ',
      el('code', {}, 'tapir bench compare A.json B.json'),
      ' reads.',
    ),
  ),
  el('section', { class: 'panel', 'aria-label': 'Roofline' }, el('h2', {}, 'Roofline'), rooflinePlace),
  el('section', { class: 'panel', 'aria-label': 'Kernels' }, el('h2', {}, 'Kernels'), kernelPlace),
  el('section', { class: 'panel', 'aria-label': 'Golden cases' }, el('h2', {}, 'Golden cases'), casePlace),
);

let result: BenchResult | undefined;
let roofline: Roofline | undefined;
let rows: readonly KernelRow[] = [];
let worker: Worker | undefined;

const json = (of: BenchResult) => `${JSON.stringify(of, null, 1)}\n`;

async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    status.textContent = 'Copied.';
  } catch {
    status.textContent = 'This browser does not let the page copy; download the JSON instead.';
  }
}

function order(what: Order): void {
  for (const button of [quick, thorough, check]) button.disabled = true;
  status.textContent = 'Starting..';
  worker ??= start();
  worker.postMessage(what);
}

function start(): Worker {
  const made = new Worker(new URL('measure-worker.js', import.meta.url), { type: 'module' });
  made.addEventListener('message', ({ data }: MessageEvent<Report>) => take(data));
  made.addEventListener('error', ({ message }) => take({ kind: 'failed', message: message || 'the worker stopped' }));
  return made;
}

function idle(text: string): void {
  status.textContent = text;
  for (const button of [quick, thorough, check]) button.disabled = false;
}

function take(report: Report): void {
  switch (report.kind) {
    case 'doing':
      status.textContent = `Working: ${report.text}`;
      break;
    case 'roofline':
      roofline = report.roofline;
      rows = [];
      drawMeasured();
      break;
    case 'kernels':
      rows = [...rows, ...report.rows];
      drawMeasured();
      break;
    case 'measured':
      result = report.result;
      for (const button of exports) button.disabled = false;
      idle('Measured.');
      break;
    case 'case':
      drawCase(report.result);
      break;
    case 'verified':
      idle('Verified.');
      break;
    case 'failed':
      idle(`Stopped: ${report.message}`);
  }
}

function drawRoofline(): void {
  if (roofline) rooflinePlace.replaceChildren(rooflinePlot(roofline, rows, rooflinePlace.clientWidth));
}

function drawMeasured(): void {
  if (!roofline) return;
  drawRoofline();
  const head = ['kernel', 'at', 'ms', 'min .. p90', 'GFLOP/s', 'GB/s', 'of roof', 'bound by', 'error'];
  const cells = rows.map(({ kernel, version, origin, figures, error, refused, skipped }) => {
    const name = [`${kernel}.${version}`, origin];
    if (!figures) return [...name, '', '', '', '', '', refused ? `REFUSED: ${refused}` : (skipped ?? ''), ''];
    const { time, gflops, gbytes, share, boundBy } = figures;
    const numbers = [ms(time.medianNs), within(time, ms), rate(gflops), rate(gbytes), `${(100 * share).toFixed(0)} %`];
    return [...name, ...numbers, boundBy, error.toExponential(1)];
  });
  kernelPlace.replaceChildren(tableOf('Kernels by size and version', head, cells, [2, 3, 4, 5, 6, 8]));
}

const verified: string[][] = [];

function drawCase({ file, ok, quantities }: Extract<Report, { kind: 'case' }>['result']): void {
  if (verified.some(([name]) => name === file)) verified.length = 0;
  const worst = quantities.reduce((a, b) => (a.relativeError / a.tolerance > b.relativeError / b.tolerance ? a : b));
  verified.push([
    file,
    ok ? 'ok' : 'FAILED',
    String(quantities.length),
    worst.name,
    worst.relativeError.toExponential(1),
    worst.tolerance.toExponential(0),
  ]);
  const head = ['case', '', 'quantities', 'closest to its tolerance', 'error', 'tolerance'];
  casePlace.replaceChildren(tableOf('Against PyTorch in float64', head, verified, [2, 4, 5]));
}

async function showRecorded(): Promise<void> {
  const recorded = (await (await fetch('recorded/bench-llvmpipe.json')).json()) as BenchResult;
  roofline = recorded.roofline;
  rows = recorded.kernels ?? [];
  drawMeasured();
  kernelPlace.prepend(
    el('p', { class: 'notice' }, `Recorded on ${recorded.machine.adapter}, ${recorded.date.slice(0, 10)}.`),
  );
}

quick.addEventListener('click', () => order({ do: 'measure', quick: true }));
thorough.addEventListener('click', () => order({ do: 'measure', quick: false }));
check.addEventListener('click', () => order({ do: 'verify' }));
addEventListener('resize', drawRoofline);

const device = await deviceOr(adapter);
if (device) {
  const { name, software, features } = device.info;
  adapter.textContent = `${name || 'This GPU'}${software ? ' (software: the CPU plays the GPU)' : ''}; ${features.join(', ') || 'no optional features'}.`;
  idle('Nothing measured yet. Quick takes seconds on a GPU, thorough a few minutes.');
  rooflinePlace.replaceChildren(el('p', { class: 'muted' }, 'The roofline appears here once it is measured.'));
  casePlace.replaceChildren(
    el(
      'p',
      { class: 'muted' },
      'Losses, gradients and trajectories computed by PyTorch in float64 from the equations.',
    ),
  );
} else await showRecorded();
