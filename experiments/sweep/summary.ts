/** What is known of a finished run of a sweep: its summary.json. */
import { z } from 'zod';
import type { Errors } from '../training/trainer.ts';
import type { RunPlan } from './presets.ts';
import { type RunRecord, scoreOf } from './records.ts';

const number = z.number().nullable();
const named = z.record(z.string(), number);

/** Numbers are null where they are not finite. `error` is in the measure of `score`. */
export const summarySchema = z.object({
  id: z.string(),
  system: z.string(),
  coupling: z.object({ name: z.string(), value: z.number() }),
  params: z.record(z.string(), z.number()),
  optimizer: z.enum(['adam', 'soap']),
  weighting: z.enum(['none', 'grad-norm', 'lra']),
  seed: z.int(),
  epochs: z.int(),
  score: z.enum(['relative', 'rmse']),
  /** After the last epoch, on the evaluation points; `rmse` is the mean over the fields. */
  final: z.object({ error: number, l2: named, mean: number, rmse: number }),
  /** The smallest error seen: an oracle's. */
  best: z.object({ error: number, epoch: z.int() }),
  /** At the smallest sum of unweighted loss terms seen. */
  bestLoss: z.object({ loss: number, error: number, epoch: z.int() }),
  losses: named,
  weights: named,
  /** The epoch and term at which the run was lost, if it was. */
  diverged: z.object({ epoch: z.int(), term: z.string(), value: z.string() }).optional(),
  /** A step of the whole stack, milliseconds. */
  msPerStep: number,
  stackedWith: z.int(),
  dispatchesPerStep: z.int(),
  adapter: z.string(),
  /** The version that served each kernel call of the stack. */
  kernels: z.record(z.string(), z.string()).optional(),
  /** ISO 8601. */
  finished: z.string(),
});

export type Summary = z.infer<typeof summarySchema>;

/** What all runs of a stack have in common. */
export type StackFacts = Pick<
  Summary,
  'msPerStep' | 'stackedWith' | 'dispatchesPerStep' | 'adapter' | 'kernels' | 'finished'
>;

export function summaryOf(run: RunPlan, record: RunRecord, errors: Errors, facts: StackFacts): Summary {
  const { id, system, coupling, parameters: params, optimizer, weighting, seed, epochs, score } = run;
  const { best, bestLoss, diverged, history } = record;
  const last = history.at(-1);
  const lost = Object.fromEntries(Object.keys(errors.relative).map((field) => [field, null]));
  const final = diverged
    ? { error: null, l2: lost, mean: null, rmse: null }
    : {
        error: scoreOf(errors, score),
        l2: errors.relative,
        mean: errors.mean,
        rmse: scoreOf(errors, 'rmse'),
      };
  const about = { id, system, coupling, params, optimizer, weighting, seed, epochs, score };
  const reached = { final, best, bestLoss, losses: last?.losses ?? {}, weights: last?.weights ?? {} };
  return { ...about, ...reached, ...(diverged ? { diverged } : {}), ...facts };
}
