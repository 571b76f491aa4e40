/** A training run's settings: from options as typed to everything resolved, which is what config.json holds. */
import { ADAM, UPDATE_EVERY, type Weighting } from '../optim/index.ts';
import { type NetworkShape, type Optimizer, type Run, resolveParameters, type System, systemNamed } from '../systems/index.ts';

/** Something a user typed that cannot be right; the message says what would be. Ends the process with 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const optimizers: readonly Optimizer[] = ['adam'];
export const weightings: readonly Weighting[] = ['none', 'grad-norm', 'lra'];
/** Epochs of a run unless stated: about half a minute without a GPU. The published runs take 30,000. */
export const DEFAULT_EPOCHS = 3000;

export interface TrainOptions {
  readonly gamma?: number;
  readonly k?: number;
  readonly epsilon?: number;
  readonly set?: Readonly<Record<string, number>>;
  readonly optimizer?: Optimizer;
  readonly weighting?: Weighting;
  readonly epochs?: number;
  readonly lr?: number;
  readonly width?: number;
  readonly depth?: number;
  readonly seed?: number;
  readonly seeds?: readonly number[];
}

export interface TrainSettings {
  readonly system: string;
  readonly parameters: Readonly<Record<string, number>>;
  readonly network: NetworkShape;
  readonly optimizer: Optimizer;
  readonly betas: readonly [number, number];
  readonly optimizerEpsilon: number;
  readonly weighting: Weighting;
  readonly updateEvery: number;
  readonly learningRate: number;
  readonly epochs: number;
  readonly seeds: readonly number[];
}

/** Throws {@link UsageError}, ParameterError, UnknownSystemError. */
export function resolveSettings(name: string, options: TrainOptions): TrainSettings {
  const system = systemNamed(name);
  const { gamma, k, epsilon, set } = options;
  const shortcuts = Object.fromEntries(Object.entries({ gamma, k, epsilon }).filter(([, value]) => value !== undefined)) as Record<string, number>;
  if (options.seed !== undefined && options.seeds) throw new UsageError('--seed and --seeds exclude each other');
  const optimizer = options.optimizer ?? 'adam';
  const weighting = options.weighting ?? 'grad-norm';
  return {
    system: system.name,
    parameters: resolveParameters(system, { ...shortcuts, ...set }),
    network: { hidden: options.depth ?? system.architecture.hidden, width: options.width ?? system.architecture.width },
    optimizer,
    betas: ADAM.betas,
    optimizerEpsilon: ADAM.epsilon,
    weighting,
    updateEvery: UPDATE_EVERY[weighting],
    learningRate: options.lr ?? system.training.learningRate,
    epochs: options.epochs ?? DEFAULT_EPOCHS,
    seeds: options.seeds ?? [options.seed ?? 42],
  };
}

/** The runs that settings describe: one for each seed. */
export function runsOf(system: System, { parameters, seeds }: TrainSettings): Run[] {
  return seeds.map((seed) => ({ parameters, seed, points: system.points(parameters, seed) }));
}

export function integer(name: string, low: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < low) throw new UsageError(`${name} must be a whole number of at least ${low}, not ${text}`);
    return value;
  };
}

export function number(name: string, positive = false): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value) || (positive && value <= 0))
      throw new UsageError(`${name} must be a ${positive ? 'positive' : 'finite'} number, not ${text}`);
    return value;
  };
}

/** A seed: what PyTorch's generator takes, as far as 32 bits. */
export function seed(text: string): number {
  const value = integer('--seed', 0)(text);
  if (value >= 2 ** 32) throw new UsageError(`--seed must be below 2^32, not ${text}`);
  return value;
}

export function seedList(text: string): number[] {
  return text.split(',').map(seed);
}

/** Collects `name=value` of repeated `--set`. */
export function assignment(text: string, sofar: Record<string, number> = {}): Record<string, number> {
  const [, name, value] = /^([A-Za-z]\w*)=(.+)$/.exec(text) ?? [];
  if (!name || value === undefined) throw new UsageError(`--set takes name=value, not ${text}`);
  return { ...sofar, [name]: number(`--set ${name}`)(value) };
}

export function choice<T extends string>(name: string, all: readonly T[]): (text: string) => T {
  return (text) => {
    const found = all.find((candidate) => candidate === text);
    if (!found) throw new UsageError(`${name} must be one of ${all.join(', ')}, not ${text}`);
    return found;
  };
}
