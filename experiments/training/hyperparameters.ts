/** How a problem is trained: one record, spelled as config.json spells it. */
import { z } from 'zod';
import { UPDATE_EVERY } from '../../optim/index.ts';
import { momentsOf, type System } from '../../systems/index.ts';

export const optimizers = ['adam', 'soap'] as const;
export const weightings = ['none', 'grad-norm', 'lra'] as const;

export const hyperparametersSchema = z.object({
  optimizer: z.enum(optimizers),
  betas: z.tuple([z.number(), z.number()]).readonly(),
  optimizerEpsilon: z.number(),
  weighting: z.enum(weightings),
  /** Epochs between updates of the loss weights; 0: never. */
  updateEvery: z.int().nonnegative(),
  learningRate: z.number().positive(),
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
