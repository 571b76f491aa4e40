/** What is remembered of each run of a stack while it trains: history, best errors, the epoch at which it was lost. */
import { z } from 'zod';
import type { Errors } from '../training/trainer.ts';
import type { RunPlan, Score } from './presets.ts';

/** Epochs between looks at the errors. */
export const EVERY = 25;
/** How many looks a history keeps at most. */
const KEPT = 400;

const number = z.number().nullable();
export const lineSchema = z.object({
  epoch: z.int(),
  /** Unweighted loss terms of the epoch, before its step; null where not a number. */
  losses: z.record(z.string(), number),
  weights: z.record(z.string(), number),
  /** After the epoch's step. */
  l2: z.record(z.string(), number),
  mean: number,
  rmse: number,
});
const recordSchema = z.object({
  history: z.array(lineSchema),
  best: z.object({ error: number, epoch: z.int() }),
  bestLoss: z.object({ loss: number, error: number, epoch: z.int() }),
  diverged: z.object({ epoch: z.int(), term: z.string(), value: z.string() }).optional(),
});

/** One look at a run. */
export type Line = z.infer<typeof lineSchema>;
/** A run so far. Errors are in the measure that the run is scored by. */
export type RunRecord = z.infer<typeof recordSchema>;
export const recordsSchema = z.array(recordSchema);

export const emptyRecord = (): RunRecord => ({
  history: [],
  best: { error: null, epoch: 0 },
  bestLoss: { loss: null, error: null, epoch: 0 },
});

/** Epochs between the looks that a history of this length keeps; the last epoch is always kept. */
export const strideOf = (epochs: number): number => EVERY * Math.max(1, Math.ceil(epochs / EVERY / KEPT));

const keepsAt = (epoch: number, epochs: number) => epoch % strideOf(epochs) === 0 || epoch === epochs;

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

const meanOf = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

/** The error of a run in its measure. */
export function scoreOf({ relative, rmse }: Pick<Errors, 'relative' | 'rmse'>, score: Score): number {
  return meanOf(Object.values(score === 'rmse' ? rmse : relative));
}

export interface Look {
  readonly epoch: number;
  readonly losses: Readonly<Record<string, number>>;
  readonly weights: Readonly<Record<string, number>>;
  readonly errors: Errors;
}

/** Takes note of a look at a run. A run without finite error is lost from here on. */
export function note(record: RunRecord, { epochs, score }: RunPlan, { epoch, losses, weights, errors }: Look): void {
  const error = scoreOf(errors, score);
  const loss = Object.values(losses).reduce((a, b) => a + b, 0);
  if (!Number.isFinite(error)) {
    record.diverged = { epoch, term: 'error', value: String(error) };
    return;
  }
  if (error < (record.best.error ?? Number.POSITIVE_INFINITY)) record.best = { error, epoch };
  if (loss < (record.bestLoss.loss ?? Number.POSITIVE_INFINITY)) record.bestLoss = { loss, error, epoch };
  if (!keepsAt(epoch, epochs)) return;
  const all = (values: Readonly<Record<string, number>>) =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [name, finite(value)]));
  record.history.push({
    epoch,
    losses: all(losses),
    weights: all(weights),
    l2: all(errors.relative),
    mean: errors.mean,
    rmse: meanOf(Object.values(errors.rmse)),
  });
}

/** Marks the runs among `losses` [steps,R,K] that have a loss that is no number; steps begin after epoch `from`. */
export function noteDivergence(
  records: readonly RunRecord[],
  losses: Float32Array,
  terms: readonly string[],
  from: number,
): void {
  const [R, K] = [records.length, terms.length];
  for (let at = 0; at < losses.length; at++) {
    const record = records[Math.floor(at / K) % R]!;
    if (record.diverged || Number.isFinite(losses[at]!)) continue;
    const epoch = from + Math.floor(at / (R * K)) + 1;
    record.diverged = { epoch, term: terms[at % K]!, value: String(losses[at]) };
  }
}
