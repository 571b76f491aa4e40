/** How Adam and SOAP train, from options as typed. */
import { type Schedule, type ScheduleName, type SoapOptions, schedules, soapOptions } from '../../optim/index.ts';
import { nearest, type Optimizer, type System, TIME, termsOf } from '../../systems/index.ts';
import { type Hyperparameters, hyperparametersFor, type WeightingName } from './hyperparameters.ts';
import { dashed, UsageError } from './usage.ts';

/** Options of `train` that are about Adam and SOAP alone. */
export interface FirstOrderOptions extends ScheduleOptions, Partial<SoapOptions> {
  readonly betas?: readonly [number, number];
  /** Weights of loss terms that stay, by term; those not named weigh 1. */
  readonly weights?: Readonly<Record<string, number>>;
  /** epsilon of the causal weights for time. */
  readonly causal?: number;
}

interface ScheduleOptions {
  readonly schedule?: ScheduleName;
  readonly warmup?: number;
  readonly decayRate?: number;
  readonly decayEvery?: number;
  readonly finalRate?: number;
}

export const firstOrderOptions: Readonly<Record<keyof FirstOrderOptions, true>> = {
  ...{ betas: true, weights: true, causal: true },
  ...{ schedule: true, warmup: true, decayRate: true, decayEvery: true, finalRate: true },
  ...{ preconditionFrequency: true, shampooBeta: true, weightDecay: true, maxPrecondDim: true },
};

/** Throws {@link UsageError}. */
export function firstOrderFor(
  system: System,
  {
    optimizer = 'soap',
    weighting,
    learningRate,
    epochs,
    ...options
  }: FirstOrderOptions & {
    readonly optimizer?: Optimizer | undefined;
    readonly weighting?: WeightingName | undefined;
    readonly learningRate: number | undefined;
    readonly epochs: number;
  },
): Hyperparameters {
  const { betas, weights, causal, preconditionFrequency, shampooBeta, weightDecay, maxPrecondDim, ...rest } = options;
  if (weights && weighting !== undefined && weighting !== 'none')
    throw new UsageError(
      `--weights stay as they are, --weighting ${weighting} would change them: leave out one of them`,
    );
  if (causal !== undefined && !system.coordinates.includes(TIME))
    throw new UsageError(
      `--causal weighs equations by the time ${TIME}, which ${system.name} has not; its coordinates are ${system.coordinates.join(', ')}`,
    );
  const schedule = scheduleFor(rest, epochs);
  const usual = hyperparametersFor(system, {
    ...{ optimizer, weighting: weighting ?? (weights ? 'none' : 'grad-norm'), learningRate, betas },
  });
  const own = given({ preconditionFrequency, shampooBeta, weightDecay, maxPrecondDim });
  const [first] = Object.keys(own);
  if (first !== undefined && optimizer !== 'soap')
    throw new UsageError(`--${dashed(first)} is an option of --optimizer soap`);
  return {
    ...usual,
    ...(weights ? { weights: allWeights(system, weights) } : {}),
    ...(causal === undefined ? {} : { causal }),
    ...(schedule ? { schedule } : {}),
    ...(first === undefined ? {} : { soap: soapOptions(usual.betas, own) }),
  };
}

/** What is there of an object. */
const given = <T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };

function allWeights(system: System, some: Readonly<Record<string, number>>): Record<string, number> {
  const terms = termsOf(system);
  for (const term of Object.keys(some))
    if (!terms.includes(term))
      throw new UsageError(`--weights: ${system.name} has no loss term ${term}${nearest(term, terms)}`);
  return Object.fromEntries(terms.map((term) => [term, some[term] ?? 1]));
}

/** Which schedule takes an option. */
const OWNERS = { decayRate: 'exponential', decayEvery: 'exponential', finalRate: 'cosine' } as const;

/** None where the rate stays as it is. */
function scheduleFor(options: ScheduleOptions, epochs: number): Schedule | undefined {
  const { schedule: name = 'constant', warmup = 0, decayRate = 0.9, decayEvery = 1000, finalRate = 0 } = options;
  if (!schedules.includes(name)) throw new UsageError(`--schedule: there is no ${name}${nearest(name, schedules)}`);
  for (const [option, owner] of Object.entries(OWNERS))
    if (options[option as keyof typeof OWNERS] !== undefined && owner !== name)
      throw new UsageError(`--${dashed(option)} is an option of --schedule ${owner}`);
  if (warmup > 0 && warmup > epochs)
    throw new UsageError(`--warmup ${warmup} is longer than the training, ${epochs} epochs`);
  switch (name) {
    case 'constant':
      return warmup > 0 ? { name, warmup } : undefined;
    case 'exponential':
      return { name, warmup, factor: decayRate, every: decayEvery };
    case 'cosine':
      return { name, warmup, final: finalRate, steps: epochs };
  }
}
