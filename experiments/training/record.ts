/**
 * The record of a run, in `train` and `sweep` alike: config.json, metrics.jsonl and summary.json, described in
 * docs/run-folder.md. Each schema reads what earlier versions wrote, too.
 */
import { z } from 'zod';
import { activationNames } from '../../kernels/index.ts';
import { inFloat32 } from '../../systems/index.ts';
import {
  type GaussNewtonHyperparameters,
  gaussNewtonSchema,
  hyperparametersSchema,
  methods,
  weightings,
} from './hyperparameters.ts';

/** Of config.json and summary.json; files without it are of the first format, where train and sweep differed. */
export const FORMAT = 2;

/** Which error a run is judged by: mean over the fields of relative L2, or of absolute RMSE. */
export const scores = ['relative', 'rmse'] as const;
export type Score = (typeof scores)[number];
/** What of a system is changed: nothing; one boundary loss term for each field; that, and one network for all fields. */
export const variants = ['paper', 'split', 'shared'] as const;
export type Variant = (typeof variants)[number];

/** Null where it is not finite. */
const number = z.number().nullable();
const named = z.record(z.string(), number);
const format = z.literal(FORMAT);

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
/** A schema that first brings a file of the first format up to this one. */
const upgrading = <T extends z.ZodType>(upgrade: (old: Json) => Json, schema: T) =>
  z.preprocess((value) => (isObject(value) && value['format'] === undefined ? upgrade(value) : value), schema);

/** What PyTorch's generator takes, as far as 32 bits. */
export const seed = z
  .int()
  .nonnegative()
  .lt(2 ** 32);

/** A network without an activation has tanh. */
export const networkSchema = z.object({
  hidden: z.int().positive(),
  width: z.int().positive(),
  activation: z.enum(activationNames).optional(),
});

/** What config.json holds whatever the optimizer. */
const asked = z.object({
  format,
  system: z.string(),
  variant: z.enum(variants),
  parameters: z.record(z.string(), z.number().refine(inFloat32)),
  network: networkSchema,
  epochs: z.int().positive(),
  /** Of the initial weights and random points: runs that are trained together. */
  seeds: z.array(seed).min(1).readonly(),
  score: z.enum(scores),
  /** The version that serves each kernel call. */
  kernels: z.record(z.string(), z.string()).optional(),
  /** Of a run of a sweep: its name, what set its coupling, the stack it was trained in. */
  id: z.string().optional(),
  coupling: z.object({ name: z.string(), value: z.number() }).optional(),
  group: z.string().optional(),
});

/** config.json: everything that a run was asked to do, nothing left to defaults. */
export const configSchema = upgrading(
  // A run of a sweep had one `seed`, and only it had a score and a variant.
  ({ seed, ...old }) => ({
    ...{ format: FORMAT, score: 'relative', variant: 'paper' },
    ...(seed === undefined ? {} : { seeds: [seed] }),
    ...old,
  }),
  z.union([asked.extend(hyperparametersSchema.shape), asked.extend(gaussNewtonSchema.shape)]),
);
type Asked = Readonly<Omit<z.infer<typeof asked>, 'format'>>;
/** Everything resolved: what config.json holds besides its format. */
export type FirstOrderSettings = Asked & Readonly<z.infer<typeof hyperparametersSchema>>;
export type GaussNewtonRunSettings = Asked & GaussNewtonHyperparameters;
export type TrainSettings = FirstOrderSettings | GaussNewtonRunSettings;
export type Config = z.infer<typeof configSchema>;

/** A line of metrics.jsonl: one look at one run. Earlier versions of train left out weights and rmse. */
export const lineSchema = z.object({
  epoch: z.int(),
  /** Where several runs share a folder. */
  seed: z.int().optional(),
  /** Unweighted loss terms of the epoch, before its step. */
  losses: named,
  weights: named.default({}),
  /** After the epoch's step: relative L2 error by field, its mean, and the mean RMSE. */
  l2: named,
  mean: number,
  rmse: number.default(null),
  /** What the optimizer has to say, such as its damping; parameters that are learned. */
  facts: named.optional(),
});
export type Line = z.infer<typeof lineSchema>;

const lostSchema = z.object({ epoch: z.int(), term: z.string(), value: z.string() });
/** Where a run was lost: the epoch, and the loss term, or `error`, that was no number. */
export type Lost = z.infer<typeof lostSchema>;

/** The smallest error seen, an oracle's, in the measure of the score, and the mean relative error with it. */
const bestSchema = z.object({ error: number, mean: number.default(null), epoch: z.int() });
/** At the smallest sum of unweighted loss terms seen. */
const bestLossSchema = z.object({ loss: number, error: number, epoch: z.int() });

/** What is remembered of a run under way. */
export const recordSchema = z.object({
  history: z.array(lineSchema),
  best: bestSchema,
  bestLoss: bestLossSchema,
  diverged: lostSchema.optional(),
});
export type RunRecord = z.infer<typeof recordSchema>;

const resultSchema = z.object({
  seed: z.int(),
  /** After the last epoch, at the evaluation points; `error` is in the measure of the score. Null where the run was lost. */
  final: z.object({ error: number, l2: named, mean: number, rmse: named }),
  best: bestSchema,
  bestLoss: bestLossSchema,
  losses: named,
  weights: named,
  /** Parameters that were learned. */
  learned: named.optional(),
  diverged: lostSchema.optional(),
});
/** What became of one run. */
export type Result = z.infer<typeof resultSchema>;

/** summary.json: what became of the runs of a folder; the results at the top are those of the first. */
export const summarySchema = upgrading(
  upgradeSummary,
  resultSchema.extend({
    format,
    id: z.string().optional(),
    system: z.string(),
    coupling: z.object({ name: z.string(), value: z.number() }).optional(),
    params: z.record(z.string(), z.number()),
    optimizer: z.enum(methods),
    weighting: z.enum(weightings),
    score: z.enum(scores),
    epochs: z.int(),
    /** Of a step of all runs that were trained together, milliseconds; null where this process took none. */
    msPerStep: number,
    stackedWith: z.int(),
    dispatchesPerStep: z.int(),
    /** Bytes of device memory by what they hold. */
    memory: z
      .object({
        total: z.number(),
        parameters: z.number(),
        optimizerState: z.number(),
        activations: z.number(),
        data: z.number(),
      })
      .optional(),
    adapter: z.string(),
    kernels: z.record(z.string(), z.string()).optional(),
    /** ISO 8601; unknown of runs of the first format of train. */
    finished: z.string().optional(),
    out: z.string().optional(),
    /** Why the run ended before its time, if it did. */
    stopped: z.string().optional(),
    /** Where several runs share a folder: each of them. */
    runs: z.array(resultSchema).optional(),
  }),
);
export type Summary = z.infer<typeof summarySchema>;

function upgradeSummary(old: Json): Json {
  const { runs } = old;
  const stackedWith = Array.isArray(runs) ? runs.length - 1 : 0;
  return {
    ...{ format: FORMAT, score: 'relative', stackedWith },
    ...old,
    ...upgradeResult(old),
    ...(Array.isArray(runs) ? { runs: runs.map((run: unknown) => (isObject(run) ? upgradeResult(run) : run)) } : {}),
  };
}

/** Train had no `error`, no `bestLoss`; sweep had the mean of `rmse` alone, and of the best no `mean`. */
function upgradeResult(old: Json): Json {
  const { final, best } = old;
  if (!isObject(final) || !isObject(best)) return old;
  const rmse = isObject(final['rmse']) ? final['rmse'] : {};
  const known = old['score'] !== 'rmse' && best['error'] !== undefined ? { mean: best['error'] } : {};
  return {
    bestLoss: { loss: null, error: null, epoch: 0 },
    ...old,
    final: { error: final['mean'], ...final, rmse },
    best: { error: best['mean'], ...known, ...best },
  };
}

/** The lines of metrics.jsonl. Throws ZodError. */
export const parseLines = (lines: readonly unknown[]): Line[] => z.array(lineSchema).parse(lines);
