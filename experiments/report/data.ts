/** What a sweep found, held beside the paper: statistics over seeds, ratios, what is missing and what is far off. */
import { join } from 'node:path';
import { systemNamed } from '../../systems/index.ts';
import { readText } from '../disk/files.ts';
import { readSweep, type SweepRecord } from '../sweep/folder.ts';
import { type Preset, presetNamed, publishedEpochs, type RunPlan } from '../sweep/presets.ts';
import { type Method, methodName, type PublishedCell, published, publishedCell } from '../sweep/published.ts';
import { type Line, type Summary, summarySchema } from '../training/record.ts';
import { historyOf, lateErrors, lossOf, type Spread, spreadOf } from './history.ts';
import { ownPreset, type Series, seriesOf } from './series.ts';

/** Mean and deviation over seeds; a single one has no deviation. */
export interface Stats {
  readonly mean: number;
  /** Of the sample: ddof 1. */
  readonly std?: number;
  readonly n: number;
}

export function statsOf(values: readonly number[]): Stats | undefined {
  const n = values.length;
  if (n === 0) return undefined;
  const mean = values.reduce((a, b) => a + b, 0) / n;
  if (n === 1) return { mean, n };
  return { mean, std: Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1)), n };
}

export interface Cell {
  readonly coupling: number;
  /** Runs in the plan, finished, and of those lost. */
  readonly planned: number;
  readonly done: number;
  readonly diverged: number;
  readonly final?: Stats;
  readonly best?: Stats;
  readonly bestLoss?: Stats;
  /** Of the errors in the last sixth of the epochs, all seeds together. */
  readonly late?: Spread;
  readonly published?: PublishedCell;
  /** Ours over published. */
  readonly ratio?: number;
}

export interface MethodRow extends Method {
  readonly name: string;
  readonly cells: readonly Cell[];
  /** Final error at the strongest coupling over that at the weakest. */
  readonly degradation?: number;
  readonly publishedDegradation?: number;
}

export interface SystemReport {
  readonly system: string;
  readonly title: string;
  /** Ids of its runs. */
  readonly ids: readonly string[];
  /** Whether the paper reports this system, or it is a user's own. */
  readonly beside: boolean;
  readonly coupling: string;
  /** From weakest to strongest. */
  readonly couplings: readonly number[];
  readonly measure: string;
  readonly rows: readonly MethodRow[];
  /** In what these runs differ from the paper's. */
  readonly caveats: readonly string[];
  /** How sure it is that the published couplings are these. */
  readonly inferred?: string;
}

export interface Report {
  readonly preset: string;
  readonly about: string;
  readonly command: string;
  readonly created: string;
  /** First and last day on which a run finished, or neither. */
  readonly days: readonly string[];
  readonly adapters: readonly string[];
  readonly planned: number;
  readonly done: number;
  readonly systems: readonly SystemReport[];
  /** Cells beyond a factor of {@link FAR}, in words. */
  readonly far: readonly string[];
  readonly missing: readonly string[];
  /** Published cells of its systems that no run of the plan covers, by method. */
  readonly uncovered: readonly string[];
  readonly diverged: readonly string[];
  /** Runs whose summary cannot be read. */
  readonly damaged: readonly string[];
}

/** A ratio beyond this, either way, is listed. */
export const FAR = 3;
export const isFar = (ratio: number): boolean => ratio > FAR || ratio < 1 / FAR;

export interface Found {
  readonly record: SweepRecord;
  readonly summaries: ReadonlyMap<string, Summary>;
  /** Of the same runs. */
  readonly histories: ReadonlyMap<string, readonly Line[]>;
  readonly damaged: readonly string[];
}

/** Every finished run of a sweep folder. Throws UsageError where there is no sweep. */
export function readRuns(path: string): Found {
  const record = readSweep(path);
  const summaries = new Map<string, Summary>();
  const histories = new Map<string, readonly Line[]>();
  const damaged: string[] = [];
  for (const run of record.runs) {
    const { id } = run;
    const text = readText(join(path, 'runs', id, 'summary.json'));
    if (text === undefined) continue;
    try {
      const summary = summarySchema.parse(JSON.parse(text));
      histories.set(id, historyOf(path, run));
      summaries.set(id, summary);
    } catch {
      damaged.push(id);
    }
  }
  return { record, summaries, histories, damaged };
}

export function reportOf(found: Found): Report {
  const { record, summaries, damaged } = found;
  const preset = record.own === undefined ? presetNamed(record.preset) : ownPreset(record);
  const systems = seriesOf(record.runs).map((series) => systemReport(series, found, preset));
  const all = [...summaries.values()];
  const days = all.flatMap(({ finished }) => finished?.slice(0, 10) ?? []).sort();
  return {
    preset: record.preset,
    about: preset.about,
    command: record.command,
    created: record.created,
    days: days.length > 0 ? [...new Set([days[0]!, days.at(-1)!])] : [],
    adapters: [...new Set(all.map(({ adapter }) => adapter))],
    planned: record.runs.length,
    done: summaries.size,
    systems,
    far: systems.flatMap(farCells),
    uncovered: preset.published ? uncoveredCells(systems) : [],
    missing: record.runs.filter(({ id }) => !summaries.has(id)).map(({ id }) => id),
    diverged: [...summaries].flatMap(([id, { diverged }]) =>
      diverged ? `${id}: ${diverged.term} is ${diverged.value} at epoch ${diverged.epoch}` : [],
    ),
    damaged,
  };
}

function systemReport(
  { runs, label }: Series,
  found: Found,
  { published: compare, own }: Pick<Preset, 'published' | 'own'>,
): SystemReport {
  const { system: name, coupling, score } = runs[0]!;
  const couplings = [...new Set(runs.map((run) => run.coupling.value))];
  const methods = [...new Map(runs.map((run) => [methodName(run), run])).values()];
  const rows = methods.map(({ optimizer, weighting }): MethodRow => {
    const own = runs.filter((run) => run.optimizer === optimizer && run.weighting === weighting);
    const cells = couplings.map((value) => {
      const printed = compare ? publishedCell(name, { optimizer, weighting }, value) : undefined;
      return cellOf(
        value,
        own.filter((run) => run.coupling.value === value),
        found,
        printed,
      );
    });
    const ours = quotient(cells.at(-1)?.final?.mean, cells[0]?.final?.mean);
    const theirs = quotient(cells.at(-1)?.published?.mean, cells[0]?.published?.mean);
    const ends = couplings.length > 1;
    return {
      ...{ optimizer, weighting, name: methodName({ optimizer, weighting }), cells },
      ...(ends && ours !== undefined ? { degradation: ours } : {}),
      ...(ends && theirs !== undefined ? { publishedDegradation: theirs } : {}),
    };
  });
  const system = systemNamed(name);
  const title = label === '' ? system.title : `${system.title}, ${label}`;
  const measure =
    Object.keys(system.exact).length === 0
      ? 'sum of the unweighted loss terms'
      : score === 'rmse'
        ? 'mean absolute RMSE of the fields'
        : 'mean relative L2 error of the fields';
  const inferred = compare ? published[name]?.inferred : undefined;
  const beside = own === undefined;
  const caveats = beside ? caveatsOf(runs) : [];
  const about = { system: name, title, ids: runs.map(({ id }) => id), beside, coupling: coupling.name, couplings };
  return { ...about, measure, rows, caveats, ...(inferred ? { inferred } : {}) };
}

/** Of the paper's three 1D tables and the flow's, what no run was planned for. */
function uncoveredCells(systems: readonly SystemReport[]): string[] {
  return Object.entries(published).flatMap(([name, { couplings, rows }]) =>
    rows.flatMap((method) => {
      const own = systems.filter(({ system }) => system === name).flatMap((each) => each.rows);
      const planned = own
        .filter((row) => row.name === methodName(method))
        .flatMap(({ cells }) => cells.map(({ coupling }) => coupling));
      const absent = couplings.filter((value) => !planned.includes(value));
      if (absent.length === 0) return [];
      const where = absent.length === couplings.length ? 'every coupling' : absent.join(', ');
      return `${name}, ${methodName(method)}: ${systemNamed(name).coupling.parameter} = ${where}`;
    }),
  );
}

function cellOf(
  coupling: number,
  runs: readonly RunPlan[],
  { summaries, histories }: Found,
  published: PublishedCell | undefined,
): Cell {
  const found = runs.flatMap(({ id }) => summaries.get(id) ?? []);
  const alive = found.filter(({ diverged }) => !diverged);
  const over = (pick: (summary: Summary) => number | null) => statsOf(alive.flatMap((each) => pick(each) ?? []));
  const judged = ({ final, losses }: Summary) => (Object.keys(final.l2).length === 0 ? lossOf(losses) : final.error);
  const final = over(judged);
  const best = over((each) => each.best.error ?? each.bestLoss.loss);
  const bestLoss = over((each) => each.bestLoss.error);
  const settled = spreadOf(
    runs
      .filter(({ id }) => summaries.has(id) && !summaries.get(id)!.diverged)
      .flatMap((run) => lateErrors(histories.get(run.id) ?? [], run)),
  );
  const ratio = quotient(final?.mean, published?.mean);
  return {
    ...{ coupling, planned: runs.length, done: found.length, diverged: found.length - alive.length },
    ...(final ? { final } : {}),
    ...(best ? { best } : {}),
    ...(bestLoss ? { bestLoss } : {}),
    ...(settled ? { late: settled } : {}),
    ...(published ? { published } : {}),
    ...(ratio !== undefined ? { ratio } : {}),
  };
}

const quotient = (a: number | undefined, b: number | undefined) =>
  a !== undefined && b !== undefined && b > 0 ? a / b : undefined;

/** In what the runs of a system differ from the paper's, in words. */
function caveatsOf(runs: readonly RunPlan[]): string[] {
  const system = systemNamed(runs[0]!.system);
  const { hidden, width } = runs[0]!.network;
  const { architecture, training } = system;
  const found: string[] = [];
  for (const optimizer of ['adam', 'soap'] as const) {
    const epochs = runs.find((run) => run.optimizer === optimizer)?.epochs;
    const theirs = publishedEpochs(system.name, optimizer);
    if (epochs !== undefined && epochs < theirs)
      found.push(
        `${methodName({ optimizer, weighting: 'none' })}: ${count(epochs)} epochs, the paper took ${count(theirs)}`,
      );
  }
  if (hidden !== architecture.hidden || width !== architecture.width)
    found.push(`networks of ${hidden} x ${width}, the paper's have ${architecture.hidden} x ${architecture.width}`);
  const learningRate = runs.flatMap((run) => ('learningRate' in run ? [run.learningRate] : []))[0];
  if (learningRate !== undefined && learningRate !== training.learningRate)
    found.push(`learning rate ${learningRate}, the paper's is ${training.learningRate}`);
  return found;
}

export const count = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ',');

/** Cells far from the paper, worst first. */
function farCells({ system, coupling, rows }: SystemReport): string[] {
  return rows
    .flatMap(({ name, cells }) => cells.map((cell) => ({ name, cell })))
    .filter(({ cell: { ratio } }) => ratio !== undefined && isFar(ratio))
    .sort((a, b) => b.cell.ratio! - a.cell.ratio!)
    .map(({ name, cell: { coupling: value, final, published, ratio } }) => {
      const verdict = ratio! > 1 ? `${ratioText(ratio!)} of the published error` : `${ratioText(ratio!)} of it: better`;
      return `${system}, ${name}, ${coupling} = ${value}: ${statsText(final!)}, published ${cellText(published!)}; ${verdict}`;
    });
}

export const scientific = (value: number): string => value.toExponential(2).replace('e+0', 'e0');

export function statsText({ mean, std, n }: Stats): string {
  return `${scientific(mean)}${std === undefined ? '' : ` ± ${scientific(std)}`} (n = ${n})`;
}

export const spreadText = ({ median, low, high }: Spread): string =>
  `${scientific(median)} (${scientific(low)} to ${scientific(high)})`;

export const cellText = ({ mean, std }: PublishedCell): string => `${scientific(mean)} ± ${scientific(std)}`;

/** `5.2x`; two digits that count, whatever the size. */
export const ratioText = (ratio: number): string =>
  `${ratio >= 100 || ratio < 0.01 ? ratio.toExponential(1).replace('e+', 'e') : Number(ratio.toPrecision(2))}x`;
