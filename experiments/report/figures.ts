/** Figures of a report as SVG: error against coupling, histories by method, fields of single runs. */
import { join } from 'node:path';
import { countOf, fieldsOf, knownValues } from '../../systems/index.ts';
import { exists } from '../disk/files.ts';
import { readSafetensors, SafetensorsError } from '../disk/safetensors.ts';
import { draw } from '../show/draw.ts';
import { type Box, curve, Figure, type Lines, linear, logarithmic, type Point, WIDTH } from '../show/figure.ts';
import type { FieldPicture, PredictedField } from '../show/picture.ts';
import { type RunPlan, systemOf } from '../sweep/presets.ts';
import { type Method, methodName } from '../sweep/published.ts';
import type { Line, Summary } from '../training/record.ts';
import type { Found, MethodRow, Stats, SystemReport } from './data.ts';
import { errorOf, lossOf } from './history.ts';

/** Okabe and Ito's colours: SOAP cool and in full lines, Adam warm and dashed, Gauss-Newton black; the symbol tells the weighting. */
const COLOURS = {
  'gauss-newton': { none: '#000000', lra: '#000000', 'grad-norm': '#000000' },
  adam: { none: '#E69F00', lra: '#CC79A7', 'grad-norm': '#D55E00' },
  soap: { none: '#56B4E9', lra: '#009E73', 'grad-norm': '#0072B2' },
};
const SYMBOLS = { none: 'triangle', lra: 'rect', 'grad-norm': 'circle' };
const TOP = 112;
const PANEL = { height: 300, left: 70, width: 395, gap: 85 };

const BELOW = PANEL.height + 90;

const box = (k: number, row = 0): Box => ({
  left: PANEL.left + k * (PANEL.width + PANEL.gap),
  top: TOP + row * BELOW,
  width: PANEL.width,
  height: PANEL.height,
});

interface Mark extends Method {
  readonly data: readonly Point[];
}

function marked({ data, ...method }: Mark) {
  const { optimizer, weighting } = method;
  const type = optimizer === 'adam' ? [6, 4] : 'solid';
  const plain = curve(methodName(method), data, COLOURS[optimizer][weighting], 1.8, type);
  return { ...plain, showSymbol: true, symbol: SYMBOLS[weighting], symbolSize: 8, connectNulls: true };
}

/** Final and best error of each method against coupling, published values as hollow marks. */
export function couplingFigure(report: SystemReport): string {
  const { title, coupling, couplings, rows, measure } = report;
  const figure = new Figure(`${title}: error against coupling`, measure, TOP + PANEL.height + 110);
  const along = (row: MethodRow, pick: (k: number) => number | undefined): Mark => ({
    ...row,
    data: couplings.map((value, k): Point => [value, pick(k) ?? null]),
  });
  const ours = rows.map((row) => marked(along(row, (k) => row.cells[k]!.final?.mean)));
  const best = rows.map((row) => marked(along(row, (k) => row.cells[k]!.best?.mean)));
  const theirs = rows.map((row) => {
    const { lineStyle, symbol, name, ...rest } = marked(along(row, (k) => row.cells[k]!.published?.mean));
    const hollow = `empty${symbol[0]!.toUpperCase()}${symbol.slice(1)}`;
    return {
      ...rest,
      name: `${name} published`,
      symbol: hollow,
      lineStyle: { ...lineStyle, width: 0.8, type: 'dotted' },
    };
  });
  const bars = rows.map((row) => whiskers(row, couplings));
  const shown = theirs.some(({ data }) => data.some(([, value]) => value !== null));
  const x = couplingAxis(coupling, couplings);
  const values = [...ours, ...best, ...theirs].flatMap(({ data }) => data.flatMap(([, value]) => value ?? []));
  const axes = { x, y: logarithmic(values) };
  const note = 'bars: ± one deviation';
  figure.heading(box(0), `final error${shown ? ' (hollow: published)' : ''}`, note);
  figure.lines(box(0), [...theirs, ...bars, ...ours], axes);
  figure.heading(box(1), 'best error of the run (oracle)', '');
  figure.lines(box(1), best, axes);
  figure.legend(ours, { left: PANEL.left - 8, width: WIDTH - 80, top: TOP + PANEL.height + 60, itemHeight: 8 });
  return figure.svg();
}

/** Vertical lines from mean - deviation to mean + deviation, where that can be drawn on a log axis. */
function whiskers({ optimizer, weighting, name, cells }: MethodRow, couplings: readonly number[]) {
  const ends = ({ mean, std = 0 }: Stats): [number, number] => [mean > std ? mean - std : mean / 3, mean + std];
  const data = couplings.flatMap((value, k): Point[] => {
    const { final } = cells[k]!;
    if (!final?.std) return [];
    const [low, high] = ends(final);
    return [
      [value, low],
      [value, high],
      [value, null],
    ];
  });
  return curve(`${name} deviation`, data, COLOURS[optimizer][weighting], 1);
}

/** Weak coupling on the left, whichever way its parameter runs. */
function couplingAxis(name: string, couplings: readonly number[]) {
  const [least, most] = [Math.min(...couplings), Math.max(...couplings)];
  const margin = 1.25;
  const plain = linear(name) as { axisLabel: object; axisTick: object };
  const formatter = (value: number) => String(Number(value.toPrecision(3)));
  return {
    ...plain,
    type: 'log',
    min: least / margin,
    max: most * margin,
    inverse: couplings[0]! > couplings.at(-1)!,
    axisTick: { ...plain.axisTick, customValues: couplings },
    axisLabel: { ...plain.axisLabel, customValues: couplings, formatter },
    splitLine: { show: false },
  };
}

/** The runs that figures show of a system: at a coupling, the strongest where it has not that one; first seed, one for each method. */
function shown({ record, summaries }: Found, { ids, couplings }: SystemReport, asked?: number): RunPlan[] {
  const coupling = couplings.find((value) => value === asked) ?? couplings.at(-1);
  const own = record.runs.filter((run) => ids.includes(run.id) && run.coupling.value === coupling);
  const there = own.filter(({ id }) => summaries.has(id));
  return [...new Map(there.toReversed().map((run) => [methodName(run), run])).values()].reverse();
}

/** Seconds that a step of a run took: its share of the stack that it was trained in. */
const secondsPerStep = ({ msPerStep, stackedWith }: Summary): number | null =>
  msPerStep === null ? null : msPerStep / 1000 / (stackedWith + 1);

/** Sum of the loss terms and error over the epochs and over the time that they took, a line for each method. Undefined where nothing has finished. */
export function historyFigure(found: Found, report: SystemReport, asked?: number): string | undefined {
  const runs = shown(found, report, asked);
  if (runs.length === 0) return undefined;
  const { coupling, seed } = runs[0]!;
  const bottom = TOP + BELOW + PANEL.height;
  const figure = new Figure(
    `${report.title}: histories`,
    `${coupling.name} = ${coupling.value}, seed ${seed}; ${report.measure}`,
    bottom + 110,
  );
  const told = runs.map((run) => {
    const summary = found.summaries.get(run.id)!;
    return { run, history: found.histories.get(run.id) ?? [], seconds: secondsPerStep(summary) };
  });
  // A step of Gauss-Newton is another thing than an epoch of the others: on a linear axis one of the two is a point.
  const decades = runs.some(({ optimizer }) => optimizer === 'gauss-newton');
  const draw = (row: number, name: string, along: (line: Line, seconds: number | null) => number | null): Lines => {
    const panel = (k: number, heading: string, pick: (line: Line, run: RunPlan) => number | null): Lines => {
      const curves = told.map(({ run, history, seconds }) => {
        const data = history.flatMap((line): Point[] => {
          const x = along(line, seconds);
          return x === null ? [] : [[x, positive(pick(line, run))]];
        });
        return { ...marked({ ...run, data }), symbol: data.length === 1 ? 'circle' : 'none' };
      });
      const points = curves.flatMap(({ data }) => data);
      const values = points.flatMap(([, value]) => value ?? []);
      const x = decades
        ? logarithmic(
            points.map(([at]) => at),
            name,
          )
        : { ...linear(name), min: 0 };
      figure.heading(box(k, row), heading, '');
      figure.lines(box(k, row), curves, { x, y: logarithmic(values) });
      return curves;
    };
    panel(0, 'unweighted loss', ({ losses }) => lossOf(losses));
    return panel(1, 'error', errorOf);
  };
  const curves = draw(0, decades ? 'step' : 'epoch', ({ epoch }) => epoch);
  draw(1, 'seconds', ({ epoch }, seconds) => (seconds === null ? null : epoch * seconds));
  figure.legend(curves, { left: PANEL.left - 8, width: WIDTH - 80, top: bottom + 60, itemHeight: 8 });
  return figure.svg();
}

const positive = (value: number | null) => (value !== null && value > 0 ? value : null);

/** The runs with grad-norm at a coupling, as in {@link historyFigure}: those whose fields are shown, SOAP first; all of them where none has it. */
export function fieldRuns(found: Found, report: SystemReport, coupling?: number): RunPlan[] {
  const all = shown(found, report, coupling).toReversed();
  const balanced = all.filter(({ weighting }) => weighting === 'grad-norm');
  return balanced.length > 0 ? balanced : all;
}

/** What a run left of its fields, beside the exact ones; undefined where it left none. Throws SafetensorsError. */
export function fieldsOfRun(
  path: string,
  { summaries }: Found,
  run: RunPlan,
): (FieldPicture | PredictedField)[] | undefined {
  const file = join(path, 'runs', run.id, 'fields.safetensors');
  if (!exists(file)) return undefined;
  const system = systemOf(run);
  const points = system.evaluation();
  const { tensors } = readSafetensors(file);
  return fieldsOf(system).flatMap((name) => {
    const found = tensors.get(name);
    if (found === undefined) return [];
    if (found.dtype !== 'F32' || found.data.length !== countOf(points))
      throw new SafetensorsError(`${file}: ${name} must be ${countOf(points)} numbers in F32`);
    const prediction = { name, prediction: found.data };
    if (system.exact[name] === undefined) return [prediction];
    const exact = knownValues(system, `${name}_exact`, run.parameters, points);
    return [{ ...prediction, exact, relativeError: summaries.get(run.id)?.final.l2[name] ?? Number.NaN }];
  });
}

/** `epsilon = 0.05, SOAP+GN, seed 42, 30000 epochs`. */
export function describeRun(run: RunPlan): string {
  const { coupling, seed, epochs } = run;
  return [`${coupling.name} = ${coupling.value}`, methodName(run), `seed ${seed}`, `${epochs} epochs`].join(', ');
}

/** Fields, errors and loss terms of a run. */
export function fieldFigure(
  { histories }: Found,
  run: RunPlan,
  fields: readonly (FieldPicture | PredictedField)[],
): string {
  const system = systemOf(run);
  const history = histories.get(run.id) ?? [];
  const terms = Object.keys(history[0]?.losses ?? {});
  const of = (pick: (line: Line) => number | null | undefined) => history.map((line) => pick(line) ?? Number.NaN);
  return draw(system.title, describeRun(run), system.evaluation(), fields, {
    epoch: history.map(({ epoch }) => epoch),
    terms: Object.fromEntries(terms.map((term) => [term, of(({ losses }) => losses[term])])),
    error: of(({ mean }) => mean),
  });
}
