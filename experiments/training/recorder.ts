/** Observers that remember: what became of each run so far, and at which epoch it was lost. */
import { UserError } from '../../engine/index.ts';
import { type Errors, EVERY, type Facts, type Look, type Observer, type Snapshot } from './loop.ts';
import type { Line, Result, RunRecord, Score, Summary } from './results.ts';

export const emptyRecord = (): RunRecord => ({
  history: [],
  best: { error: null, mean: null, epoch: 0 },
  bestLoss: { loss: null, error: null, epoch: 0 },
});

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

const allFinite = (values: Readonly<Record<string, number>>) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, finite(value)]));

/** Whether every number of a state is finite. */
export const hasFiniteState = ({ values }: Snapshot): boolean =>
  Object.values(values).every((each) => each.every(Number.isFinite));

const meanOf = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

/** The error of a run in its measure. */
export function scoreOf({ relative, rmse }: Pick<Errors, 'relative' | 'rmse'>, score: Score): number {
  return meanOf(Object.values(score === 'rmse' ? rmse : relative));
}

/** One run's numbers. */
export const ofRun = (facts: Facts, run: number): Record<string, number> =>
  Object.fromEntries(Object.entries(facts).map(([name, values]) => [name, values[run]!]));

/** A run's row of [R,K], by loss term. */
export const byTerm = (terms: readonly string[], values: ArrayLike<number>, run: number): Record<string, number> =>
  Object.fromEntries(terms.map((term, k) => [term, values[run * terms.length + k]!]));

interface Recorded {
  /** One for each run, in order; changed in place. */
  readonly records: readonly RunRecord[];
  readonly terms: readonly string[];
  readonly score: Score;
}

/**
 * Marks runs with a loss term or an error that is no number. Ends the training when the `first` run is lost, or the
 * `last` one.
 */
export function watchDivergence({ records, terms, score }: Recorded, patience: 'first' | 'last'): Observer {
  const [R, K] = [records.length, terms.length];
  return ({ from, epoch, losses, errors }) => {
    for (let at = 0; at < losses.length; at++) {
      const record = records[Math.floor(at / K) % R]!;
      if (record.diverged || Number.isFinite(losses[at]!)) continue;
      record.diverged = { epoch: from + Math.floor(at / (R * K)) + 1, term: terms[at % K]!, value: String(losses[at]) };
    }
    records.forEach((record, r) => {
      if (Object.keys(errors[r]!.relative).length === 0) return;
      const error = scoreOf(errors[r]!, score);
      if (!record.diverged && !Number.isFinite(error)) record.diverged = { epoch, term: 'error', value: String(error) };
    });
    const lost = records.filter(({ diverged }) => diverged).length;
    return lost === R || (patience === 'first' && lost > 0) ? 'stop' : undefined;
  };
}

/** Ends the training once no run's error is above a target, and knows where that was. */
export function untilTarget(target: number, score: Score): { observer: Observer; reached: () => Summary['reached'] } {
  let reached: Summary['reached'];
  const observer: Observer = ({ epoch, errors }) => {
    const error = Math.max(...errors.map((each) => scoreOf(each, score)));
    if (!(error <= target)) return undefined;
    reached = { epoch, error };
    return 'stop';
  };
  return { observer, reached: () => reached };
}

/** `loss term Ru of seed 7 is Infinity at epoch 1`: the run that was lost first, if any was. */
export function firstLost(
  records: readonly RunRecord[],
  runs: readonly { readonly seed: number }[],
): string | undefined {
  const lost = records.flatMap(({ diverged }, r) => (diverged ? [{ ...diverged, seed: runs[r]!.seed }] : []));
  const [first] = lost.sort((a, b) => a.epoch - b.epoch);
  if (!first) return undefined;
  const what = first.term === 'error' ? 'the error' : `loss term ${first.term}`;
  return `${what}${runs.length > 1 ? ` of seed ${first.seed}` : ''} is ${first.value} at epoch ${first.epoch}`;
}

/** A loss or an error that is no number any more. */
export class DivergenceError extends UserError {
  override readonly name = 'DivergenceError';
  override readonly exitCode = 1;
  /** What the run came to, where it left something. */
  readonly summary: Summary | undefined;
  constructor(message: string, summary?: Summary) {
    super(message, { remedy: 'a smaller --lr may do better' });
    this.summary = summary;
  }
}

export interface RecordOptions extends Recorded {
  /** Whether the look at this epoch enters the history: every one unless stated. */
  readonly keeps?: (epoch: number) => boolean;
  /** Told of each line that enters a history. */
  readonly append?: (line: Line, run: number) => void;
}

/** Takes note of the runs that are not lost. */
export function recording({ records, terms, score, keeps = () => true, append }: RecordOptions): Observer {
  return (look) => {
    records.forEach((record, r) => {
      if (record.diverged) return;
      const line = lineOf(look, terms, r);
      noteBest(record, line, scoreOf(look.errors[r]!, score));
      if (!keeps(look.epoch)) return;
      record.history.push(line);
      append?.(line, r);
    });
    return undefined;
  };
}

function lineOf({ epoch, losses, weights, errors, facts }: Look, terms: readonly string[], run: number): Line {
  const { relative, rmse, mean } = errors[run]!;
  const last = losses.subarray(losses.length - errors.length * terms.length);
  const said = allFinite(ofRun(facts, run));
  return {
    epoch,
    losses: allFinite(byTerm(terms, last, run)),
    weights: allFinite(byTerm(terms, weights, run)),
    l2: allFinite(relative),
    mean: finite(mean),
    rmse: finite(meanOf(Object.values(rmse))),
    ...(Object.keys(said).length > 0 ? { facts: said } : {}),
  };
}

function noteBest(record: RunRecord, { epoch, losses, mean }: Line, error: number): void {
  const loss = Object.values(losses).reduce<number>((sum, value) => sum + (value ?? Number.NaN), 0);
  if (error < (record.best.error ?? Number.POSITIVE_INFINITY)) record.best = { error, mean, epoch };
  if (loss < (record.bestLoss.loss ?? Number.POSITIVE_INFINITY)) record.bestLoss = { loss, error, epoch };
}

/** The record that the lines of one run add up to, where every look was kept. */
export function recordFrom(lines: readonly Line[], score: Score): RunRecord {
  const record = emptyRecord();
  for (const line of lines) {
    record.history.push(line);
    const error = score === 'rmse' ? line.rmse : line.mean;
    if (error !== null) noteBest(record, line, error);
  }
  return record;
}

/** How many looks a thinned history keeps at most. */
const KEPT = 400;

/** Epochs between the looks that a thinned history of so many epochs keeps. */
export const strideOf = (epochs: number, every = EVERY): number =>
  every * Math.max(1, Math.ceil(epochs / every / KEPT));

/** Keeps a few hundred looks at a run of so many epochs, which come every so many, the last among them. */
export const thinned =
  (epochs: number, every = EVERY) =>
  (epoch: number): boolean =>
    epoch % strideOf(epochs, every) === 0 || epoch === epochs;

/** How a run stands. */
interface Standing {
  readonly errors: Errors;
  readonly weights: Readonly<Record<string, number>>;
  /** Parameters that are learned. */
  readonly learned?: Readonly<Record<string, number>>;
}

/** What became of a run: its record, and how it stands now unless it is lost. */
export function resultOf(
  seed: number,
  { history, best, bestLoss, diverged }: RunRecord,
  score: Score,
  now: Standing | undefined,
  fields: readonly string[],
): Result {
  const last = history.at(-1);
  const lost = Object.fromEntries(fields.map((field) => [field, null]));
  const final = now
    ? {
        error: finite(scoreOf(now.errors, score)),
        l2: allFinite(now.errors.relative),
        mean: finite(now.errors.mean),
        rmse: allFinite(now.errors.rmse),
      }
    : { error: null, l2: lost, mean: null, rmse: lost };
  const weights = now ? allFinite(now.weights) : (last?.weights ?? {});
  const { learned = {} } = now ?? {};
  return {
    ...{ seed, final, best, bestLoss, losses: last?.losses ?? {}, weights },
    ...(Object.keys(learned).length > 0 ? { learned: allFinite(learned) } : {}),
    ...(diverged ? { diverged } : {}),
  };
}
