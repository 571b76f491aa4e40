/** How a problem is trained: one record, spelled as config.json spells it. */
import { type Blocks, type Schedule, type SoapOptions, UPDATE_EVERY } from '../../optim/index.ts';
import { momentsOf, type Optimizer, type System } from '../../systems/index.ts';

export const optimizers = ['adam', 'soap'] as const;
/** For systems and networks of any size up to a limit. */
export const methods = [...optimizers, 'gauss-newton'] as const;
export type Method = (typeof methods)[number];
/** For small networks: quasi-Newton methods on the same sums of squares as Gauss-Newton. */
export const quasiNewton = ['ssbroyden', 'lbfgs'] as const;
/** What `train` takes for an optimizer. */
export const trainable = [...methods, ...quasiNewton] as const;
export type Trainable = (typeof trainable)[number];
export const weightings = ['none', 'grad-norm', 'lra'] as const;
export type WeightingName = (typeof weightings)[number];

/** Of Adam and SOAP, which follow gradients in float32. */
export interface Hyperparameters {
  readonly optimizer: Optimizer;
  readonly betas: readonly [number, number];
  readonly optimizerEpsilon: number;
  readonly weighting: WeightingName;
  /** Epochs between updates of the loss weights; 0: never. */
  readonly updateEvery: number;
  readonly learningRate: number;
  /** Weights of the loss terms that stay, by term; 1 each unless stated. */
  readonly weights?: Readonly<Record<string, number>> | undefined;
  /** epsilon of the causal weights for time; none unless stated. */
  readonly causal?: number | undefined;
  /** How the learning rate changes; it stays unless stated. */
  readonly schedule?: Schedule | undefined;
  /** SOAP's own options; the usual ones unless stated. */
  readonly soap?: SoapOptions | undefined;
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

export const gramPlaces = ['host', 'device'] as const;
export const precisions = ['single', 'mixed', 'double'] as const;
/**
 * What Gauss-Newton computes in double-single: `single` nothing, `mixed` all but the factors of J's rows, `double` all.
 * Whatever the factors are, K, J^T y and J phi are those of the same J.
 */
export type Precision = (typeof precisions)[number];

/** Of optimizers of sums of squares. */
interface Squares {
  readonly weighting: 'none';
  /** Factor of the residuals of conditions, before they are squared. */
  readonly boundaryWeight: number;
  readonly precision: Precision;
  /** Every how many collocation points of a group one is kept. */
  readonly thin: number;
}

export interface GaussNewtonHyperparameters extends Squares {
  readonly optimizer: 'gauss-newton';
  /** Share of the last direction that is kept; 0: the energy natural gradient, above: SPRING. */
  readonly momentum: number;
  /** lambda at the start. */
  readonly damping: number;
  /** Whether the line search sets lambda from then on. */
  readonly adaptive: boolean;
  /** What one system is solved for. */
  readonly blocks: Blocks;
  /** Where K is computed: on the device, unless stated or that is a CPU. The host has float64, a device what `precision` says. */
  readonly gram?: (typeof gramPlaces)[number] | undefined;
}

export interface QuasiNewtonHyperparameters extends Squares {
  readonly optimizer: (typeof quasiNewton)[number];
}

export type SquaresHyperparameters = GaussNewtonHyperparameters | QuasiNewtonHyperparameters;

/** Whether settings are those of an optimizer of sums of squares. */
export const isOfSquares = <T extends { readonly optimizer: Trainable }>(
  settings: T,
): settings is Exclude<T, { readonly optimizer: (typeof optimizers)[number] }> =>
  settings.optimizer !== 'adam' && settings.optimizer !== 'soap';

/** Whether settings are those of Adam or SOAP. */
export const isFirstOrder = <T extends { readonly optimizer: Trainable }>(
  settings: T,
): settings is Extract<T, { readonly optimizer: (typeof optimizers)[number] }> => !isOfSquares(settings);

type Partly<T> = { [name in keyof T]?: T[name] | undefined };

/** What is given, and for the rest what did best here. */
export function quasiNewtonFor(
  optimizer: QuasiNewtonHyperparameters['optimizer'],
  { boundaryWeight = 10, precision = 'mixed', thin = 1 }: Partly<Omit<QuasiNewtonHyperparameters, 'optimizer'>>,
): QuasiNewtonHyperparameters {
  return { optimizer, weighting: 'none', boundaryWeight, precision, thin };
}

/** What is given, and for the rest what did best here; lambda stays where there is momentum. */
export function gaussNewtonFor({
  momentum = 0,
  damping = 1e-2,
  adaptive = momentum === 0,
  blocks = 'joint',
  boundaryWeight = 10,
  precision = 'mixed',
  thin = 1,
  gram,
}: Partly<GaussNewtonHyperparameters>): GaussNewtonHyperparameters {
  return {
    optimizer: 'gauss-newton',
    weighting: 'none',
    ...{ momentum, damping, adaptive, blocks, boundaryWeight, precision, thin },
    ...(gram === undefined ? {} : { gram }),
  };
}
