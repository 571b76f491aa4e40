/** How a problem is trained: one record, spelled as config.json spells it. */
import { z } from 'zod';
import { blockings, UPDATE_EVERY } from '../../optim/index.ts';
import { inFloat32, momentsOf, type System } from '../../systems/index.ts';

export const optimizers = ['adam', 'soap'] as const;
/** What `train` takes for an optimizer. */
export const methods = [...optimizers, 'gauss-newton'] as const;
export type Method = (typeof methods)[number];
export const weightings = ['none', 'grad-norm', 'lra'] as const;

/** Numbers that float32 holds. */
const positive = z.number().positive().refine(inFloat32);
const share = z.number().min(0).lt(1);

/** Of Adam and SOAP, which follow gradients in float32. */
export const hyperparametersSchema = z.object({
  optimizer: z.enum(optimizers),
  betas: z.tuple([share, share]).readonly(),
  optimizerEpsilon: positive,
  weighting: z.enum(weightings),
  /** Epochs between updates of the loss weights; 0: never. */
  updateEvery: z.int().nonnegative(),
  learningRate: positive,
});

export interface Hyperparameters extends Readonly<z.infer<typeof hyperparametersSchema>> {
  /** Share of the old loss weight in an update; the weighting's own unless stated. */
  readonly weightMemory?: number;
}

type Given = Pick<Hyperparameters, 'optimizer' | 'weighting'> & {
  readonly [name in 'betas' | 'updateEvery' | 'learningRate']?: Hyperparameters[name] | undefined;
};

/** What is given, and for the rest what the paper takes for the system and the optimizer. */
export function hyperparametersFor(
  system: System,
  { optimizer, weighting, betas, updateEvery, learningRate }: Given,
): Hyperparameters {
  const moments = momentsOf(system, optimizer);
  return {
    optimizer,
    betas: betas ?? moments.betas,
    optimizerEpsilon: moments.epsilon,
    weighting,
    updateEvery: weighting === 'none' ? UPDATE_EVERY.none : (updateEvery ?? UPDATE_EVERY[weighting]),
    learningRate: learningRate ?? system.training.learningRate,
  };
}

export const precisions = ['single', 'mixed', 'double'] as const;
/**
 * What Gauss-Newton computes in double-single: `single` nothing, `mixed` all but the factors of J's rows, `double` all.
 * Whatever the factors are, K, J^T y and J phi are those of the same J.
 */
export type Precision = (typeof precisions)[number];

export const gaussNewtonSchema = z.object({
  optimizer: z.literal('gauss-newton'),
  weighting: z.literal('none'),
  /** Share of the last direction that is kept; 0: the energy natural gradient, above: SPRING. */
  momentum: share,
  /** lambda at the start. */
  damping: positive,
  /** Whether the line search sets lambda from then on. */
  adaptive: z.boolean(),
  /** What one system is solved for. */
  blocks: z.enum(blockings).default('joint'),
  /** Factor of the residuals of conditions, before they are squared. */
  boundaryWeight: positive,
  precision: z.enum(precisions),
  /** Every how many collocation points of a group one is kept. */
  thin: z.int().positive().default(1),
});
export type GaussNewtonHyperparameters = Readonly<z.infer<typeof gaussNewtonSchema>>;

/** What is given, and for the rest what did best here; lambda stays where there is momentum. */
export function gaussNewtonFor({
  momentum = 0,
  damping = 1e-2,
  adaptive = momentum === 0,
  blocks = 'joint',
  boundaryWeight = 10,
  precision = 'mixed',
  thin = 1,
}: {
  [name in keyof GaussNewtonHyperparameters]?: GaussNewtonHyperparameters[name] | undefined;
}): GaussNewtonHyperparameters {
  return {
    optimizer: 'gauss-newton',
    weighting: 'none',
    ...{ momentum, damping, adaptive, blocks, boundaryWeight, precision, thin },
  };
}
