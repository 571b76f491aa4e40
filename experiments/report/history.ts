/** Histories of the runs of a sweep, and what their errors are once training has settled. */
import { join } from 'node:path';
import { readText } from '../disk/files.ts';
import type { RunPlan } from '../sweep/presets.ts';
import { type Line, lineSchema } from '../training/record.ts';

/** Looks at a run, oldest first; none where it left none. */
export function historyOf(path: string, { id }: RunPlan): Line[] {
  return (readText(join(path, 'runs', id, 'metrics.jsonl')) ?? '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => lineSchema.parse(JSON.parse(line)));
}

/** The sum of unweighted loss terms; null where one is no number. */
export const lossOf = (losses: Line['losses']): number | null =>
  Object.values(losses).reduce<number | null>((sum, each) => (sum === null || each === null ? null : sum + each), 0);

/** The error that a run is judged by: where there is no reference solution, its loss. */
export function errorOf({ losses, l2, mean, rmse }: Line, { score }: Pick<RunPlan, 'score'>): number | null {
  if (Object.keys(l2).length === 0) return lossOf(losses);
  return score === 'rmse' ? rmse : mean;
}

/** Errors at the looks of the last sixth of a run's epochs: the final error is one draw from what these show. */
export const lateErrors = (history: readonly Line[], run: Pick<RunPlan, 'epochs' | 'score'>): number[] =>
  history.filter(({ epoch }) => epoch > (5 / 6) * run.epochs).flatMap((line) => errorOf(line, run) ?? []);

export interface Spread {
  readonly median: number;
  /** 10th and 90th percentile. */
  readonly low: number;
  readonly high: number;
}

export function spreadOf(values: readonly number[]): Spread | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))]!;
  return sorted.length > 0 ? { median: at(0.5), low: at(0.1), high: at(0.9) } : undefined;
}
