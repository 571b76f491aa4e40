/**
 * The record of a run, in `train` and `sweep` alike: config.json, metrics.jsonl and summary.json, described in
 * docs/run-folder.md. Each schema reads what earlier versions wrote, too; {@link ./results.ts} has the types.
 */
import { z } from 'zod';
import { activationNames } from '../../kernels/index.ts';
import { blockings } from '../../optim/index.ts';
import { inFloat32, networkKinds } from '../../systems/index.ts';
import { gramPlaces, optimizers, precisions, quasiNewton, trainable, weightings } from './hyperparameters.ts';
import { type Config, FORMAT, type Line, type RunRecord, type Summary, scores, variants } from './results.ts';

export * from './results.ts';

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
  kind: z.enum(networkKinds).optional(),
  fourier: z.object({ count: z.int().positive(), scale: z.number().positive() }).optional(),
  periodic: z.array(z.string()).readonly().optional(),
});

/** Numbers that float32 holds. */
const positive = z.number().positive().refine(inFloat32);
const share = z.number().min(0).lt(1);

const warmup = z.int().nonnegative();
const schedule = z.discriminatedUnion('name', [
  z.object({ name: z.literal('constant'), warmup }),
  z.object({ name: z.literal('exponential'), warmup, factor: z.number().positive().max(1), every: z.int().positive() }),
  z.object({ name: z.literal('cosine'), warmup, final: z.number().min(0).max(1), steps: z.int().positive() }),
]);

export const hyperparametersSchema = z.object({
  optimizer: z.enum(optimizers),
  betas: z.tuple([share, share]).readonly(),
  optimizerEpsilon: positive,
  weighting: z.enum(weightings),
  updateEvery: z.int().nonnegative(),
  learningRate: positive,
  weights: z.record(z.string(), positive).optional(),
  causal: z.number().nonnegative().refine(inFloat32).optional(),
  schedule: schedule.optional(),
  soap: z
    .object({
      preconditionFrequency: z.int().positive(),
      shampooBeta: share,
      weightDecay: z.number().nonnegative().refine(inFloat32),
      maxPrecondDim: z.int().positive(),
    })
    .optional(),
});

const squares = {
  weighting: z.literal('none'),
  boundaryWeight: positive,
  precision: z.enum(precisions),
  thin: z.int().positive().default(1),
};

export const gaussNewtonSchema = z.object({
  optimizer: z.literal('gauss-newton'),
  ...squares,
  momentum: share,
  damping: positive,
  adaptive: z.boolean(),
  blocks: z.enum(blockings).default('joint'),
  gram: z.enum(gramPlaces).optional(),
});

const quasiNewtonSchema = z.object({ optimizer: z.enum(quasiNewton), ...squares });

const coupling = z.object({ name: z.string(), value: z.number() }).optional();
const kernels = z.record(z.string(), z.string()).optional();

const asked = z.object({
  format,
  system: z.string(),
  variant: z.enum(variants),
  parameters: z.record(z.string(), z.number().refine(inFloat32)),
  network: networkSchema,
  epochs: z.int().positive(),
  seeds: z.array(seed).min(1).readonly(),
  score: z.enum(scores),
  start: z.string().optional(),
  targetError: positive.optional(),
  kernels,
  id: z.string().optional(),
  coupling,
  group: z.string().optional(),
});

/** config.json: everything that a run was asked to do, nothing left to defaults. */
export const configSchema: z.ZodType<Config> = upgrading(
  // A run of a sweep had one `seed`, and only it had a score and a variant.
  ({ seed, ...old }) => ({
    ...{ format: FORMAT, score: 'relative', variant: 'paper' },
    ...(seed === undefined ? {} : { seeds: [seed] }),
    ...old,
  }),
  z.union([
    asked.extend(hyperparametersSchema.shape),
    asked.extend(gaussNewtonSchema.shape),
    asked.extend(quasiNewtonSchema.shape),
  ]),
);

/** A line of metrics.jsonl. Earlier versions of train left out weights and rmse. */
export const lineSchema: z.ZodType<Line> = z.object({
  epoch: z.int(),
  seed: z.int().optional(),
  losses: named,
  weights: named.default({}),
  l2: named,
  mean: number,
  rmse: number.default(null),
  facts: named.optional(),
});

const lost = z.object({ epoch: z.int(), term: z.string(), value: z.string() });
const best = z.object({ error: number, mean: number.default(null), epoch: z.int() });
const bestLoss = z.object({ loss: number, error: number, epoch: z.int() });

export const recordSchema: z.ZodType<RunRecord> = z.object({
  history: z.array(lineSchema),
  best,
  bestLoss,
  diverged: lost.optional(),
});

const result = z.object({
  seed: z.int(),
  final: z.object({ error: number, l2: named, mean: number, rmse: named }),
  best,
  bestLoss,
  losses: named,
  weights: named,
  learned: named.optional(),
  diverged: lost.optional(),
});

const bytes = z.number();

/** summary.json. */
export const summarySchema: z.ZodType<Summary> = upgrading(
  upgradeSummary,
  result.extend({
    format,
    id: z.string().optional(),
    system: z.string(),
    coupling,
    params: z.record(z.string(), z.number()),
    optimizer: z.enum(trainable),
    weighting: z.enum(weightings),
    score: z.enum(scores),
    epochs: z.int(),
    msPerStep: number,
    stackedWith: z.int(),
    dispatchesPerStep: z.int(),
    memory: z
      .object({ total: bytes, parameters: bytes, optimizerState: bytes, activations: bytes, data: bytes })
      .optional(),
    adapter: z.string(),
    kernels,
    finished: z.string().optional(),
    out: z.string().optional(),
    reached: z.object({ epoch: z.int(), error: z.number() }).optional(),
    stopped: z.string().optional(),
    runs: z.array(result).optional(),
  }),
);

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
