/** The page "Train": coupled networks learn a system's equations on the visitor's GPU. */
import type { Optimizer } from '../../systems/index.ts';
import { onState, readState, writeState } from '../shared/address.ts';
import { deviceOr } from '../shared/device.ts';
import { byId, download, el, tableOf } from '../shared/dom.ts';
import { chartCanvas, drawLines, drawPlane, type Series } from './chart.ts';
import { controls } from './controls.ts';
import type { Order, Report, Standing } from './messages.ts';
import { addressOf, type Spec, specOf } from './spec.ts';

type Prepared = Extract<Report, { kind: 'prepared' }>;

let spec: Spec = specOf(readState());
let worker: Worker | undefined;
let prepared: Prepared | undefined;
let running = false;
const standings = new Map<Optimizer, Standing>();
const histories = new Map<Optimizer, { epoch: number[]; error: number[]; loss: number[] }>();

const play = el('button', { type: 'button', class: 'main', disabled: true, onclick: toggle }, 'Train');
const step = el('button', { type: 'button', disabled: true, onclick: () => order({ do: 'step' }) }, 'One step');
const reset = el('button', { type: 'button', disabled: true, onclick: () => change(spec) }, 'Reset');
const saves = el('span', { class: 'controls' });
const status = el('p', { class: 'status', role: 'status', id: 'status' });
const readings = el('div', { id: 'readings' });
const errorChart = chartCanvas('Relative error by epoch; figures in the table above');
const lossChart = chartCanvas('Sum of the loss terms by epoch; figures in the table above');
const fieldPlace = el('div', { class: 'grid two', id: 'fields' });
const residualPlace = el('div', { class: 'grid two', id: 'residuals' });
const panel = controls(() => spec, change);
const titled = (title: string, canvas: HTMLElement) => el('div', {}, el('h3', {}, title), canvas);

const results = el(
  'div',
  {},
  el(
    'section',
    { class: 'panel', 'aria-label': 'Training' },
    el('div', { class: 'controls' }, play, step, reset, saves),
    status,
    readings,
    el('div', { class: 'grid two' }, titled('Error', errorChart), titled('Loss', lossChart)),
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

function order(what: Order): void {
  worker?.postMessage(what);
}

function change(next: Spec): void {
  spec = next;
  writeState(addressOf(spec));
  panel.show(spec);
  prepare();
}

function prepare(): void {
  prepared = undefined;
  standings.clear();
  histories.clear();
  setRunning(false);
  for (const button of [play, step, reset]) button.disabled = true;
  readings.replaceChildren();
  status.textContent = 'Compiling..';
  order({ do: 'prepare', spec });
}

function setRunning(now: boolean): void {
  running = now;
  play.textContent = running ? 'Pause' : 'Train';
  step.disabled = running || !prepared;
}

/** A pause holds once the worker says so: the slice under way is finished first. */
function toggle(): void {
  order({ do: running ? 'pause' : 'go' });
  if (running) play.disabled = true;
  else setRunning(true);
}

function take(report: Report): void {
  switch (report.kind) {
    case 'doing':
      status.textContent = `Working: ${report.text}`;
      break;
    case 'prepared':
      prepared = report;
      status.textContent = `Ready on ${report.adapter}: ${report.dispatchesPerStep} dispatches a step.`;
      for (const button of [play, step, reset]) button.disabled = false;
      saves.replaceChildren(
        ...report.optimizers.map((optimizer) =>
          el('button', { type: 'button', onclick: () => order({ do: 'save', optimizer }) }, `Download ${optimizer}`),
        ),
      );
      layOut(report);
      break;
    case 'standing':
      note(report.standing);
      break;
    case 'paused':
      draw();
      setRunning(false);
      play.disabled = !prepared;
      break;
    case 'saved':
      download(report.name, report.bytes, 'application/x-tar');
      break;
    case 'failed':
      setRunning(false);
      play.disabled = !prepared;
      status.textContent = `Stopped: ${report.message}`;
      reset.disabled = false;
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

const canvases = new Map<string, HTMLCanvasElement>();

/** One chart for each field and residual; of fields in the plane one for each contestant and one for the reference. */
function layOut({ exact, optimizers, evaluation }: Prepared): void {
  canvases.clear();
  const chart = (key: string, title: string) => {
    const canvas = chartCanvas(title);
    canvases.set(key, canvas);
    return titled(title, canvas);
  };
  const plane = Object.keys(evaluation).length > 1;
  fieldPlace.replaceChildren(
    ...Object.keys(exact).flatMap((name) =>
      plane
        ? [
            ...optimizers.map((optimizer) => chart(`field ${name} ${optimizer}`, `${name}, ${optimizer}`)),
            chart(`exact ${name}`, `${name}, reference`),
          ]
        : [chart(`field ${name}`, `${name}: reference dashed`)],
    ),
  );
  residualPlace.replaceChildren();
}

function layOutResiduals(names: readonly string[]): void {
  const titles = names.flatMap((name) =>
    prepared && Object.keys(prepared.evaluation).length > 1
      ? prepared.optimizers.map((optimizer) => [`residual ${name} ${optimizer}`, `${name}, ${optimizer}`] as const)
      : [[`residual ${name}`, name] as const],
  );
  residualPlace.replaceChildren(
    ...titles.map(([key, title]) => {
      const canvas = chartCanvas(`Residual ${title}`);
      canvases.set(key, canvas);
      return titled(title, canvas);
    }),
  );
}

const colourOf = (optimizer: Optimizer) => (optimizer === 'soap' ? 1 : 2);

function draw(): void {
  const all = [...standings.values()];
  const [any] = all;
  if (!prepared || !any) return;
  if (!residualPlace.hasChildNodes()) layOutResiduals(any.residuals.map(({ name }) => name));
  drawReadings(all);
  const lines = (of: 'error' | 'loss'): Series[] =>
    [...histories].map(([optimizer, history]) => ({
      label: optimizer,
      x: history.epoch,
      y: history[of],
      colour: colourOf(optimizer),
    }));
  drawLines(errorChart, lines('error'), { log: true });
  drawLines(lossChart, lines('loss'), { log: true });
  const { evaluation, interior, exact } = prepared;
  const [along, across] = Object.keys(evaluation);
  for (const [name, reference] of Object.entries(exact)) {
    const found = all.map((each) => ({ each, values: each.fields.find((field) => field.name === name)!.values }));
    if (across === undefined) {
      const x = evaluation[along!]!;
      const series = found.map(
        ({ each, values }): Series => ({ label: each.optimizer, x, y: values, colour: colourOf(each.optimizer) }),
      );
      const canvas = canvases.get(`field ${name}`);
      if (canvas) drawLines(canvas, [...series, { label: 'reference', x, y: reference, colour: 0, dashed: true }]);
      continue;
    }
    const [x, y] = [evaluation[along!]!, evaluation[across]!];
    for (const { each, values } of found) {
      const canvas = canvases.get(`field ${name} ${each.optimizer}`);
      if (canvas) drawPlane(canvas, x, y, values, reference);
    }
    const canvas = canvases.get(`exact ${name}`);
    if (canvas) drawPlane(canvas, x, y, reference);
  }
  for (const { name } of any.residuals) {
    const found = all.map((each) => ({
      each,
      values: each.residuals.find((residual) => residual.name === name)!.values,
    }));
    if (across === undefined) {
      const canvas = canvases.get(`residual ${name}`);
      const series = found.map(
        ({ each, values }): Series => ({
          label: each.optimizer,
          x: interior[along!]!,
          y: values,
          colour: colourOf(each.optimizer),
        }),
      );
      if (canvas) drawLines(canvas, series);
      continue;
    }
    for (const { each, values } of found) {
      const canvas = canvases.get(`residual ${name} ${each.optimizer}`);
      if (canvas) drawPlane(canvas, interior[along!]!, interior[across]!, values);
    }
  }
}

function drawReadings(all: readonly Standing[]): void {
  const terms = Object.keys(all[0]!.losses);
  const fields = Object.keys(all[0]!.l2);
  const head = [
    'optimizer',
    'epoch',
    'error',
    ...fields.map((name) => `error of ${name}`),
    'ms a step',
    ...terms.map((name) => `loss ${name}`),
    ...terms.map((name) => `weight ${name}`),
  ];
  const percent = (value: number) => `${(100 * value).toPrecision(3)} %`;
  const rows = all.map(({ optimizer, epoch, mean, l2, msPerStep, losses, weights }) => [
    el('span', { class: `name-${colourOf(optimizer)}` }, optimizer),
    String(epoch),
    percent(mean),
    ...fields.map((name) => percent(l2[name]!)),
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
onState(() => change(specOf(readState())));
panel.show(spec);

const device = await deviceOr(status);
if (device) {
  worker = new Worker(new URL('train-worker.js', import.meta.url), { type: 'module' });
  worker.addEventListener('message', ({ data }: MessageEvent<Report>) => take(data));
  worker.addEventListener('error', ({ message }) => take({ kind: 'failed', message: message || 'the worker stopped' }));
  prepare();
} else showRecorded();
