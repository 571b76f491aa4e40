/** The page "Train": coupled networks learn a system's equations on the visitor's GPU. */
import type { Method } from '../../experiments/training/hyperparameters.ts';
import { onState, readState, writeState } from '../shared/address.ts';
import { deviceOr } from '../shared/device.ts';
import { byId, download, el, tableOf } from '../shared/dom.ts';
import { thin } from '../shared/thin.ts';
import { chartCanvas, drawLines, type Series } from './chart.ts';
import { controls } from './controls.ts';
import { colours, type Figures, figuresFor, names, titled } from './figures.ts';
import type { Order, Prepared, Report, Standing } from './messages.ts';
import { addressOf, type Spec, specOf } from './spec.ts';

/** Points that a chart of the history holds; beyond, every second one goes. */
const MOST_POINTS = 2000;

let spec: Spec = specOf(readState());
let worker: Worker | undefined;
let prepared: Prepared | undefined;
let figures: Figures | undefined;
let running = false;
/** Numbers the runs: what is reported of an earlier one no longer matters. */
let run = 0;
const standings = new Map<Method, Standing>();
const histories = new Map<Method, { epoch: number[]; error: number[]; loss: number[] }>();

const play = el('button', { type: 'button', class: 'main', disabled: true, onclick: toggle }, 'Train');
const step = el('button', { type: 'button', disabled: true, onclick: oneStep }, 'One step');
const reset = el('button', { type: 'button', disabled: true, onclick: () => change(spec) }, 'Reset');
const saves = el('span', { class: 'controls' });
const status = el('p', { class: 'status', role: 'status', id: 'status' });
const readings = el('div', { id: 'readings' });
const errorChart = chartCanvas('Relative error by epoch; figures in the table above');
const lossChart = chartCanvas('Sum of the loss terms by epoch; figures in the table above');
const fieldPlace = el('div', { class: 'grid two', id: 'fields' });
const residualPlace = el('div', { class: 'grid two', id: 'residuals' });
const panel = controls(() => spec, change);

const results = el(
  'div',
  {},
  el(
    'section',
    { class: 'panel', 'aria-label': 'Training' },
    el('div', { class: 'controls' }, play, step, reset, saves),
    status,
    readings,
    el('div', { class: 'grid two' }, titled('Error by epoch', errorChart), titled('Loss by epoch', lossChart)),
  ),
  el('section', { class: 'panel', 'aria-label': 'Fields' }, el('h2', {}, 'Fields and their reference'), fieldPlace),
  el(
    'section',
    { class: 'panel', 'aria-label': 'Residuals' },
    el('h2', {}, 'Residuals over the domain'),
    residualPlace,
  ),
);
byId('app', HTMLDivElement).append(el('div', { class: 'grid side' }, panel.element, results));

function order(what: Order, hand: Transferable[] = []): void {
  worker?.postMessage(what, hand);
}

/** What the worker draws into is its own from now on. */
function layOut(now: Prepared): void {
  figures = figuresFor(now, fieldPlace, residualPlace);
  const canvases = figures.pictures;
  if (Object.keys(canvases).length > 0) order({ do: 'draw', run, canvases }, Object.values(canvases));
  draw();
}

function change(next: Spec): void {
  spec = next;
  writeState(addressOf(spec));
  panel.show(spec);
  prepare();
}

/** Asks for the run of the spec, from its start. Without a GPU the recorded results stay as they are. */
function prepare(): void {
  if (!worker) return;
  run++;
  standings.clear();
  histories.clear();
  setPrepared(undefined);
  reset.disabled = true;
  figures = undefined;
  readings.replaceChildren();
  draw();
  status.textContent = 'Compiling..';
  order({ do: 'prepare', run, spec });
}

function setPrepared(now: Prepared | undefined): void {
  prepared = now;
  setRunning(false);
  saves.replaceChildren(
    ...(now?.optimizers ?? []).map((optimizer) =>
      el('button', { type: 'button', onclick: () => order({ do: 'save', optimizer }) }, `Download ${names[optimizer]}`),
    ),
  );
}

function setRunning(now: boolean): void {
  running = now;
  play.textContent = running ? 'Pause' : 'Train';
  play.disabled = !prepared;
  step.disabled = running || !prepared;
}

/** A pause holds once the worker says so: the slice under way is finished first. */
function toggle(): void {
  order({ do: running ? 'pause' : 'go' });
  if (running) play.disabled = true;
  else setRunning(true);
}

/** Ends as a pause does. */
function oneStep(): void {
  order({ do: 'step' });
  for (const button of [play, step]) button.disabled = true;
}

function take(report: Report): void {
  if (report.run !== run && report.kind !== 'saved') return;
  switch (report.kind) {
    case 'saved':
      download(report.name, report.bytes, 'application/x-tar');
      break;
    case 'doing':
      status.textContent = `Working: ${report.text}`;
      break;
    case 'prepared':
      setPrepared(report);
      reset.disabled = false;
      status.textContent = `Ready on ${report.adapter}: ${report.dispatchesPerStep} dispatches a step.`;
      layOut(report);
      break;
    case 'standing':
      note(report.standing);
      break;
    case 'paused':
      draw();
      setRunning(false);
      break;
    case 'failed':
      if (report.lost) setPrepared(undefined);
      else setRunning(false);
      reset.disabled = false;
      status.textContent = `Stopped: ${report.message}`;
  }
}

function note(standing: Standing): void {
  if (!prepared) return;
  standings.set(standing.optimizer, standing);
  const history = histories.get(standing.optimizer) ?? { epoch: [], error: [], loss: [] };
  histories.set(standing.optimizer, history);
  history.epoch.push(standing.epoch);
  history.error.push(standing.mean);
  history.loss.push(Object.values(standing.losses).reduce((a, b) => a + b, 0));
  for (const column of Object.values(history)) thin(column, MOST_POINTS);
  drawSoon();
}

let due = false;
function drawSoon(): void {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    draw();
  });
}

function draw(): void {
  const all = [...standings.values()];
  if (all.length > 0) drawReadings(all);
  const lines = (of: 'error' | 'loss'): Series[] =>
    [...histories].map(([method, history]) => ({
      label: names[method],
      x: history.epoch,
      y: history[of],
      colour: colours[method],
    }));
  drawLines(errorChart, lines('error'), { log: true });
  drawLines(lossChart, lines('loss'), { log: true });
  figures?.draw(all);
}

function drawReadings(all: readonly Standing[]): void {
  const terms = Object.keys(all[0]!.losses);
  const compared = Object.keys(all[0]!.l2);
  const head = [
    'optimizer',
    'epoch',
    ...(compared.length > 0 ? ['error'] : []),
    ...compared.map((name) => `error of ${name}`),
    'ms a step',
    ...terms.map((name) => `loss ${name}`),
    ...terms.map((name) => `weight ${name}`),
  ];
  const percent = (value: number) => `${(100 * value).toPrecision(3)} %`;
  const rows = all.map(({ optimizer, epoch, mean, l2, msPerStep, losses, weights }) => [
    el('span', { class: `name-${colours[optimizer]}` }, names[optimizer]),
    String(epoch),
    ...(compared.length > 0 ? [percent(mean)] : []),
    ...compared.map((name) => percent(l2[name]!)),
    msPerStep === null ? '' : msPerStep.toFixed(2),
    ...terms.map((name) => losses[name]!.toExponential(2)),
    ...terms.map((name) => weights[name]!.toPrecision(3)),
  ]);
  const right = head.flatMap((_, k) => (k > 0 ? [k] : []));
  readings.replaceChildren(tableOf('Where training stands: relative L2 errors', head, rows, right));
}

function showRecorded(): void {
  const picture = el('img', {
    src: 'recorded/thermoelasticity.svg',
    alt: 'Thermoelasticity by coupling and optimizer, as trained with the command line',
    loading: 'lazy',
  });
  results.replaceChildren(
    status,
    el(
      'section',
      { class: 'panel', id: 'recorded' },
      el('h2', {}, 'Recorded: thermoelasticity, Adam and SOAP at five couplings'),
      picture,
    ),
  );
}

addEventListener('resize', drawSoon);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawSoon);
onState(() => change(specOf(readState())));
panel.show(spec);

const device = await deviceOr(status);
if (device) {
  worker = new Worker(new URL('train-worker.js', import.meta.url), { type: 'module' });
  worker.addEventListener('message', ({ data }: MessageEvent<Report>) => take(data));
  worker.addEventListener('error', ({ message }) =>
    take({ kind: 'failed', message: message || 'the worker stopped', lost: true, run }),
  );
  prepare();
} else showRecorded();
