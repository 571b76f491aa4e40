/** A training run's settings: from options as typed to everything resolved, which is what config.json holds. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UnknownVersionError, UserError } from '../../engine/index.ts';
import { library } from '../../kernels/index.ts';
import type { Weighting } from '../../optim/index.ts';
import {
  type Optimizer,
  type Problem,
  resolveParameters,
  type System,
  seeded,
  systemNamed,
} from '../../systems/index.ts';

import { gaussNewtonFor, hyperparametersFor, type Method, type Precision } from './hyperparameters.ts';
import { configSchema, type FirstOrderSettings, type TrainSettings } from './record.ts';

/** Something a user typed that cannot be right; the message says what would be. Ends the process with 2. */
export class UsageError extends UserError {
  override readonly name = 'UsageError';
}

/** Epochs of a run unless stated: well under a minute without a GPU. The published runs take 30,000. */
export const DEFAULT_EPOCHS = 1800;

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

export type { FirstOrderSettings, TrainSettings };

/** Throws {@link UsageError}, ParameterError, UnknownSystemError. */
export function resolveSettings(name: string, options: TrainOptions): FirstOrderSettings {
  const system = systemNamed(name);
  return {
    ...asked(system, options, DEFAULT_EPOCHS),
    ...hyperparametersFor(system, {
      optimizer: options.optimizer ?? 'soap',
      weighting: options.weighting ?? 'grad-norm',
      learningRate: options.lr,
    }),
  };
}

/** What is settled whatever the optimizer. */
function asked(system: System, options: Omit<TrainOptions, 'optimizer'>, epochs: number) {
  const { gamma, k, epsilon, set, depth, width, seed, seeds } = options;
  const shortcuts = Object.fromEntries(
    Object.entries({ gamma, k, epsilon }).filter(([, value]) => value !== undefined),
  ) as Record<string, number>;
  if (seed !== undefined && seeds) throw new UsageError('--seed and --seeds exclude each other');
  return {
    system: system.name,
    variant: 'paper',
    parameters: resolveParameters(system, { ...shortcuts, ...set }),
    network: { hidden: depth ?? system.architecture.hidden, width: width ?? system.architecture.width },
    epochs: options.epochs ?? epochs,
    seeds: seeds ?? [seed ?? 42],
    score: 'relative',
  } as const;
}

/** What only Gauss-Newton takes. */
export interface GaussNewtonOptions {
  readonly momentum?: number;
  readonly damping?: number;
  readonly adaptive?: boolean;
  readonly perNetwork?: boolean;
  readonly boundaryWeight?: number;
  readonly precision?: Precision;
}

export type AnyTrainOptions = Omit<TrainOptions, 'optimizer'> & GaussNewtonOptions & { readonly optimizer?: Method };

/** Steps of Gauss-Newton unless stated. */
const DEFAULT_STEPS = 60;

/** Settings of a run by any optimizer. Throws {@link UsageError}, ParameterError, UnknownSystemError. */
export function settingsFor(name: string, options: AnyTrainOptions): TrainSettings {
  const { momentum, damping, adaptive, perNetwork, boundaryWeight, precision, optimizer, ...rest } = options;
  const own = { momentum, damping, adaptive, perNetwork, boundaryWeight, precision };
  const given = Object.entries(own).find(([, value]) => value !== undefined);
  if (optimizer !== 'gauss-newton') {
    if (given) throw new UsageError(`--${dashed(given[0])} is an option of --optimizer gauss-newton`);
    return resolveSettings(name, { ...rest, ...(optimizer === undefined ? {} : { optimizer }) });
  }
  if (rest.lr !== undefined) throw new UsageError('--lr: gauss-newton finds the length of its steps itself');
  if (rest.weighting !== undefined && rest.weighting !== 'none')
    throw new UsageError('--weighting: gauss-newton weighs conditions by --boundary-weight alone');
  return { ...asked(systemNamed(name), rest, DEFAULT_STEPS), ...gaussNewtonFor(own) };
}

const dashed = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** Settings of the run in a folder, with more epochs if asked for. Throws {@link UsageError}. */
export function resumedSettings(folder: string, name: string, { epochs, ...rest }: AnyTrainOptions): TrainSettings {
  const extra = Object.entries(rest).filter(([, value]) => value !== undefined);
  if (extra.length > 0)
    throw new UsageError(
      `--resume goes on with the settings in ${folder}; only --epochs can be changed, not --${dashed(extra[0]![0])}`,
    );
  const path = join(folder, 'config.json');
  if (!existsSync(path)) throw new UsageError(`${folder} holds no run to resume: there is no config.json`);
  let settings: TrainSettings;
  try {
    settings = configSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    throw new UsageError(`${path} is not the configuration of a run; start again with another --out`);
  }
  if (settings.system !== name) throw new UsageError(`${folder} holds a run of ${settings.system}, not of ${name}`);
  return { ...settings, epochs: epochs ?? settings.epochs };
}

/** The problem that settings describe: one run for each seed. */
export function problemFor({ system, parameters, network, seeds }: TrainSettings): Problem {
  return seeded(systemNamed(system), parameters, seeds, network);
}

export function integer(name: string, low: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < low)
      throw new UsageError(`${name} must be a whole number of at least ${low}, not ${text}`);
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

/** A share below one. */
export function share(text: string): number {
  const value = number('--momentum')(text);
  if (value < 0 || value >= 1) throw new UsageError(`--momentum must be at least 0 and below 1, not ${text}`);
  return value;
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

/** Collects `name=version` of repeated `--kernel`. */
export function versionPin(
  text: string,
  sofar: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const [, name, version] = /^(.+)=([\w-]+)$/.exec(text) ?? [];
  if (!name || !version) throw new UsageError(`--kernel takes name=version, not ${text}`);
  const known = library.find((kernel) => kernel.name === name);
  if (!known)
    throw new UsageError(`there is no kernel ${name}; there are ${library.map((kernel) => kernel.name).join(', ')}`);
  if (!known.versions.some((each) => each.name === version)) throw new UnknownVersionError(known, version);
  return { ...sofar, [name]: version };
}
