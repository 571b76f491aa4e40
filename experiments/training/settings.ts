/** A training run's settings: from options as typed to everything resolved, which is what config.json holds. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UnknownVersionError, UserError } from '../../engine/index.ts';
import { library } from '../../kernels/index.ts';
import type { Weighting } from '../../optim/index.ts';
import { type Optimizer, type Problem, resolveParameters, seeded, systemNamed } from '../../systems/index.ts';

import { hyperparametersFor } from './hyperparameters.ts';
import { type Config, configSchema } from './record.ts';

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

/** Everything resolved: what config.json holds besides its format. */
export type TrainSettings = Readonly<Omit<Config, 'format'>>;

/** Throws {@link UsageError}, ParameterError, UnknownSystemError. */
export function resolveSettings(name: string, options: TrainOptions): TrainSettings {
  const system = systemNamed(name);
  const { gamma, k, epsilon, set } = options;
  const shortcuts = Object.fromEntries(
    Object.entries({ gamma, k, epsilon }).filter(([, value]) => value !== undefined),
  ) as Record<string, number>;
  if (options.seed !== undefined && options.seeds) throw new UsageError('--seed and --seeds exclude each other');
  return {
    system: system.name,
    variant: 'paper',
    parameters: resolveParameters(system, { ...shortcuts, ...set }),
    network: { hidden: options.depth ?? system.architecture.hidden, width: options.width ?? system.architecture.width },
    ...hyperparametersFor(system, {
      optimizer: options.optimizer ?? 'soap',
      weighting: options.weighting ?? 'grad-norm',
      learningRate: options.lr,
    }),
    epochs: options.epochs ?? DEFAULT_EPOCHS,
    seeds: options.seeds ?? [options.seed ?? 42],
    score: 'relative',
  };
}

/** Settings of the run in a folder, with more epochs if asked for. Throws {@link UsageError}. */
export function resumedSettings(folder: string, name: string, { epochs, ...rest }: TrainOptions): TrainSettings {
  const extra = Object.entries(rest).filter(([, value]) => value !== undefined);
  if (extra.length > 0)
    throw new UsageError(
      `--resume goes on with the settings in ${folder}; only --epochs can be changed, not --${extra[0]![0]}`,
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
