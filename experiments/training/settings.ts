/** A training run's settings: from options as typed to everything resolved, which is what config.json holds. */
import type { z } from 'zod';
import type { ActivationName } from '../../kernels/index.ts';
import type { Blocks, Weighting } from '../../optim/index.ts';
import {
  asSystem,
  checkReference,
  nearest,
  type Optimizer,
  type Problem,
  problemOf,
  resolveParameters,
  type System,
  seeded,
  systemNamed,
} from '../../systems/index.ts';
import { readConfig } from '../disk/run-folder.ts';

import { type FirstOrderOptions, firstOrderFor, firstOrderOptions } from './first-order.ts';
import {
  type GaussNewtonHyperparameters,
  gaussNewtonFor,
  isOfSquares,
  type Precision,
  quasiNewtonFor,
  type Trainable,
  trainable,
} from './hyperparameters.ts';
import { configSchema } from './record.ts';
import { type FirstOrderSettings, FORMAT, type TrainSettings } from './results.ts';
import { thinned } from './thinned.ts';
import { dashed, UsageError } from './usage.ts';
import { variantOf } from './variants.ts';

export { UsageError };

/** Epochs of a run unless stated: well under a minute without a GPU. The published runs take 30,000. */
export const DEFAULT_EPOCHS = 1800;

export interface TrainOptions extends FirstOrderOptions {
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
  readonly activation?: ActivationName;
  readonly seed?: number;
  readonly seeds?: readonly number[];
  /** The folder of a run whose weights to begin with. */
  readonly start?: string;
  /** Ends the training once the error of every run is at most this. */
  readonly targetError?: number;
}

export type { FirstOrderSettings, TrainSettings };

/** Throws {@link UsageError}, ParameterError, UnknownSystemError. */
export function resolveSettings(of: System | string, options: TrainOptions): FirstOrderSettings {
  const system = asSystem(of);
  const all = asked(system, options, DEFAULT_EPOCHS);
  return { ...all, ...firstOrderFor(system, { ...options, learningRate: options.lr, epochs: all.epochs }) };
}

/** What is settled whatever the optimizer. */
function asked(system: System, options: Omit<TrainOptions, 'optimizer'>, epochs: number) {
  const { gamma, k, epsilon, set, depth, width, activation, seed, seeds, start, targetError } = options;
  const shortcuts = Object.fromEntries(
    Object.entries({ gamma, k, epsilon }).filter(([, value]) => value !== undefined),
  ) as Record<string, number>;
  if (seed !== undefined && seeds) throw new UsageError('--seed and --seeds exclude each other');
  const parameters = resolveParameters(system, { ...shortcuts, ...set });
  checkReference(system, parameters);
  if (targetError !== undefined && Object.keys(system.exact).length === 0)
    throw new UsageError(`--target-error: ${system.name} has no reference solution, so no error`);
  return {
    system: system.name,
    variant: 'paper',
    parameters,
    network: {
      ...system.architecture,
      ...(depth === undefined ? {} : { hidden: depth }),
      ...(width === undefined ? {} : { width }),
      ...(activation === undefined ? {} : { activation }),
    },
    epochs: options.epochs ?? epochs,
    seeds: seeds ?? [seed ?? 42],
    score: 'relative',
    ...(start === undefined ? {} : { start }),
    ...(targetError === undefined ? {} : { targetError }),
  } as const;
}

/** What only optimizers of sums of squares take. */
interface SquaresOptions {
  readonly boundaryWeight?: number;
  readonly precision?: Precision;
  readonly thin?: number;
}

/** What only Gauss-Newton takes. */
interface GaussNewtonOptions {
  readonly momentum?: number;
  readonly damping?: number;
  readonly adaptive?: boolean;
  readonly blocks?: Blocks;
  readonly gram?: GaussNewtonHyperparameters['gram'];
}

export type AnyTrainOptions = Omit<TrainOptions, 'optimizer'> &
  GaussNewtonOptions &
  SquaresOptions & { readonly optimizer?: Trainable };

/** Steps unless stated. */
export const DEFAULT_STEPS = { 'gauss-newton': 60, ssbroyden: 500, lbfgs: 500 };

const options: Readonly<Record<keyof AnyTrainOptions, true>> = {
  ...{ gamma: true, k: true, epsilon: true, set: true, optimizer: true, weighting: true, epochs: true, lr: true },
  ...{ width: true, depth: true, activation: true, seed: true, seeds: true, start: true, targetError: true },
  ...firstOrderOptions,
  ...{ momentum: true, damping: true, adaptive: true, blocks: true, boundaryWeight: true, precision: true, thin: true },
  gram: true,
};

/** Throws {@link UsageError} where a program gives an option that there is not. */
export function checkOptions(given: object): void {
  const wrong = Object.keys(given).find((name) => !Object.hasOwn(options, name));
  if (wrong !== undefined) throw new UsageError(`there is no option ${wrong}${nearest(wrong, Object.keys(options))}`);
}

/** Throws {@link UsageError} where settings are none that a run folder could hold. */
export function checkSettings(settings: TrainSettings): void {
  const parsed = configSchema.safeParse({ format: FORMAT, ...settings });
  if (parsed.success) return;
  const { place, message } = firstWrong(parsed.error.issues);
  throw new UsageError(`${place}: ${message}`);
}

/** Settings of a run by any optimizer. Throws {@link UsageError}, ParameterError, UnknownSystemError. */
export function settingsFor(of: System | string, options: AnyTrainOptions): TrainSettings {
  const { momentum, damping, adaptive, blocks, gram, boundaryWeight, precision, thin, optimizer, ...rest } = options;
  if (optimizer !== undefined && !trainable.includes(optimizer))
    throw new UsageError(`optimizer: there is no ${optimizer}${nearest(optimizer, trainable)}`);
  const squares = { boundaryWeight, precision, thin };
  const own = { momentum, damping, adaptive, blocks, gram };
  if (optimizer === undefined || optimizer === 'adam' || optimizer === 'soap') {
    demandNone(own, 'gauss-newton');
    demandNone(squares, 'gauss-newton, ssbroyden and lbfgs');
    return resolveSettings(of, { ...rest, ...(optimizer === undefined ? {} : { optimizer }) });
  }
  const foreign = Object.keys(firstOrderOptions).map((name) => [name, rest[name as keyof FirstOrderOptions]]);
  demandNone(Object.fromEntries(foreign), 'adam and soap');
  if (rest.lr !== undefined) throw new UsageError(`--lr: ${optimizer} finds the length of its steps itself`);
  if (rest.weighting !== undefined && rest.weighting !== 'none')
    throw new UsageError(`--weighting: ${optimizer} weighs conditions by --boundary-weight alone`);
  const about = asked(asSystem(of), rest, DEFAULT_STEPS[optimizer]);
  if (optimizer === 'gauss-newton') return { ...about, ...gaussNewtonFor({ ...own, ...squares }) };
  demandNone(own, 'gauss-newton');
  return { ...about, ...quasiNewtonFor(optimizer, squares) };
}

/** Throws {@link UsageError} where an option is given that belongs to other optimizers. */
function demandNone(options: object, owners: string): void {
  const given = Object.entries(options).find(([, value]) => value !== undefined);
  if (given) throw new UsageError(`--${dashed(given[0])} is an option of --optimizer ${owners}`);
}

/** Settings of a run that is continued, with more epochs if asked for. Throws {@link UsageError}. */
export function resumedSettings(
  folder: string,
  of: System | string,
  { epochs, ...rest }: AnyTrainOptions,
): TrainSettings {
  const name = typeof of === 'string' ? of : of.name;
  const extra = Object.entries(rest).filter(([, value]) => value !== undefined);
  if (extra.length > 0)
    throw new UsageError(
      `--resume goes on with the settings in ${folder}; only --epochs can be changed, not --${dashed(extra[0]![0])}`,
    );
  const { format: _, ...settings } = configIn(folder);
  if (settings.system !== name) throw new UsageError(`${folder} holds a run of ${settings.system}, not of ${name}`);
  const system = asSystem(of);
  const missing = Object.keys(system.parameters).find((key) => !Object.hasOwn(settings.parameters, key));
  if (missing !== undefined) throw damaged(folder, `it has no parameter ${missing}`);
  resolveParameters(system, settings.parameters);
  return { ...settings, epochs: epochs ?? settings.epochs };
}

/** What the run of a folder was asked. Throws {@link UsageError}. */
export function savedSettings(folder: string): TrainSettings {
  const { format: _, ...settings } = configIn(folder);
  return settings;
}

function configIn(folder: string) {
  let config: unknown;
  try {
    config = readConfig(folder);
  } catch (error) {
    if (error instanceof SyntaxError) throw damaged(folder, 'it is not JSON');
    throw error;
  }
  if (config === undefined) throw new UsageError(`${folder} holds no run to resume: there is no config.json`);
  const parsed = configSchema.safeParse(config);
  if (parsed.success) return parsed.data;
  throw damaged(folder, `${firstWrong(parsed.error.issues).place} is wrong or missing`);
}

/** The first issue, of the kind of configuration that is nearest where there are several. */
function firstWrong([issue]: readonly z.core.$ZodIssue[]): { readonly place: string; readonly message: string } {
  if (issue?.code === 'invalid_union') return firstWrong(issue.errors.toSorted((a, b) => a.length - b.length)[0] ?? []);
  return { place: issue?.path.join('.') || 'all of it', message: issue?.message ?? '' };
}

const damaged = (folder: string, why: string) =>
  new UsageError(`${folder}/config.json is not the configuration of a run: ${why}; start again with another --out`);

/** The problem that settings describe, of the system that has their name unless stated: one run for each seed. */
export function problemFor(settings: TrainSettings, system = systemNamed(settings.system)): Problem {
  const { variant, parameters, network, seeds } = settings;
  const problem = seeded(variantOf(system, variant), parameters, seeds, network);
  const thin = isOfSquares(settings) ? settings.thin : 1;
  const runs = problem.runs.map((run) => thinned(problem.system, run, thin));
  return thin === 1 ? problem : problemOf(problem.system, runs, network);
}
