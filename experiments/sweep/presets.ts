/** Presets of `tapir sweep`: which runs belong to an experiment, with everything a run needs resolved. */
import { z } from 'zod';
import type { Weighting } from '../../optim/index.ts';
import { type NetworkShape, type Optimizer, resolveParameters, type System, systemNamed } from '../../systems/index.ts';
import {
  type GaussNewtonHyperparameters,
  gaussNewtonFor,
  type Hyperparameters,
  hyperparametersFor,
  type Method as Optimized,
} from '../training/hyperparameters.ts';
import {
  gaussNewtonSchema,
  hyperparametersSchema,
  networkSchema,
  type Score,
  scores,
  seed as seedSchema,
  type Variant,
  variants,
} from '../training/record.ts';
import { DEFAULT_STEPS, UsageError } from '../training/settings.ts';
import { variantOf } from '../training/variants.ts';
import type { Method } from './published.ts';

interface Block {
  readonly system: string;
  /** The parameter that couplings are values of: the system's unless stated. */
  readonly axis?: string;
  /** Values of other parameters than their own. */
  readonly fixed?: Readonly<Record<string, number>>;
  /** From weakest to strongest. */
  readonly couplings: readonly number[];
  readonly methods: readonly Method[];
  readonly score?: Score;
}

export interface Preset {
  readonly name: string;
  readonly about: string;
  readonly blocks: readonly Block[];
  readonly seeds: readonly number[];
  /** Whether the paper's tables report what this preset computes. */
  readonly published: boolean;
  readonly variant: Variant;
  /** Instead of the system's own, of Adam and SOAP. */
  readonly epochs?: number;
  readonly network?: NetworkShape;
  readonly soapBetas?: readonly [number, number];
  /** Of a sweep over one system: a digest of its definition. */
  readonly own?: string;
}

interface Planned {
  readonly id: string;
  readonly system: string;
  readonly variant: Variant;
  readonly coupling: { readonly name: string; readonly value: number };
  readonly parameters: Readonly<Record<string, number>>;
  readonly network: NetworkShape;
  readonly epochs: number;
  readonly seed: number;
  readonly score: Score;
}

export type FirstOrderPlan = Planned & Hyperparameters;
/** One run, everything resolved: what its config.json holds. */
export type RunPlan = FirstOrderPlan | (Planned & GaussNewtonHyperparameters);

/** What a sweep over one system asks for: every combination is trained. */
export interface Grid {
  /** Values by parameter. */
  readonly set?: Readonly<Record<string, readonly number[]>>;
  readonly optimizers?: readonly Optimized[];
  readonly weightings?: readonly Weighting[];
}

/** Hyperparameters that replace a preset's: of Adam and SOAP, but for shapes and seeds and what is said to be Gauss-Newton's. */
export interface Overrides extends Grid {
  readonly epochs?: number;
  /** Gauss-Newton's. */
  readonly steps?: number;
  readonly momentum?: number;
  readonly thin?: number;
  readonly lr?: number;
  readonly width?: number;
  readonly depth?: number;
  readonly seeds?: readonly number[];
  readonly soapBetas?: readonly [number, number];
  readonly updateEvery?: number;
}

const GN: readonly Method[] = [
  { optimizer: 'adam', weighting: 'grad-norm' },
  { optimizer: 'soap', weighting: 'grad-norm' },
];
const PLAIN: readonly Method[] = [
  { optimizer: 'adam', weighting: 'none' },
  { optimizer: 'soap', weighting: 'none' },
];
const SIX: readonly Method[] = [
  ...PLAIN,
  { optimizer: 'adam', weighting: 'lra' },
  { optimizer: 'soap', weighting: 'lra' },
  ...GN,
];
const SEEDS = [42, 123, 456];

/** A block of the factorial, over the system's published couplings or the two at their ends. */
function block(name: string, methods: readonly Method[], { ends = false, score }: { ends?: boolean; score?: Score }) {
  const { values } = systemNamed(name).coupling;
  const couplings = ends ? [values[0]!, values.at(-1)!] : values;
  return { system: name, couplings, methods, ...(score ? { score } : {}) };
}

/** The factorial's blocks: 1D systems by `methods`, the 2D one with grad-norm alone. */
const factorial = (methods: readonly Method[], score: Score): Block[] => [
  block('thermoelasticity', methods, {}),
  block('reaction-diffusion', methods, { score }),
  block('nernst-planck-poisson', methods, {}),
  block('electroosmotic-flow', GN, {}),
];

/** The 1D systems with grad-norm. */
const balanced = ({ ends }: { ends: boolean }): Block[] => [
  block('thermoelasticity', GN, { ends }),
  block('reaction-diffusion', GN, { ends, score: 'rmse' }),
  block('nernst-planck-poisson', GN, { ends }),
];

const PAPER = { blocks: factorial(SIX, 'rmse'), seeds: SEEDS, published: true, variant: 'paper' } as const;
const LATER = { seeds: SEEDS, published: false, soapBetas: [0.99, 0.999] } as const;

export const presets: readonly Preset[] = [
  { name: 'paper', about: 'the whole factorial of the published tables', ...PAPER },
  { name: 'v1', about: 'the same under the name of its version', ...PAPER },
  {
    name: 'v3',
    about: "the authors' later code: a boundary term for each field, no LRA, relative errors throughout",
    ...LATER,
    blocks: factorial([...PLAIN, ...GN], 'relative'),
    variant: 'split',
  },
  {
    name: 'shared',
    about: "the later code's ablation: v3 with one network for all fields",
    ...LATER,
    blocks: factorial(GN, 'relative'),
    variant: 'shared',
  },
  {
    name: 'hard',
    about: 'nernst-planck-poisson at Debye lengths of 0.1, 0.05 and 0.02',
    blocks: [{ system: 'nernst-planck-poisson', couplings: [0.1, 0.05, 0.02], methods: SIX }],
    seeds: SEEDS,
    published: false,
    variant: 'paper',
  },
  {
    name: 'couplings',
    about: 'grad-norm at every coupling of the 1D systems; one seed by default',
    blocks: balanced({ ends: false }),
    seeds: [42],
    published: true,
    variant: 'paper',
  },
  {
    name: 'ends',
    about: 'the same at the weakest and the strongest coupling',
    blocks: balanced({ ends: true }),
    seeds: [42],
    published: true,
    variant: 'paper',
  },
  {
    name: 'quick',
    about: 'the same ends with tiny networks, two seeds, few epochs: a first look',
    blocks: balanced({ ends: true }),
    seeds: [42, 123],
    published: true,
    variant: 'paper',
    epochs: 1000,
    network: { hidden: 2, width: 16 },
  },
  {
    name: 'second-order',
    about:
      'Gauss-Newton beside grad-norm with Adam and SOAP, at the strongest coupling of thermoelasticity; one seed by default',
    blocks: [
      {
        system: 'thermoelasticity',
        couplings: [50],
        methods: [...GN, { optimizer: 'gauss-newton', weighting: 'none' }],
      },
    ],
    seeds: [42],
    published: true,
    variant: 'paper',
    epochs: 2000,
  },
];

/** Throws {@link UsageError}. */
export function presetNamed(name: string): Preset {
  const found = presets.find((preset) => preset.name === name);
  if (!found)
    throw new UsageError(`there is no preset ${name}; there are ${presets.map((each) => each.name).join(', ')}`);
  return found;
}

/** A run as sweep.json holds it; its id is a folder's name. */
const planned = z.looseObject({
  id: z.string().regex(/^[A-Za-z][\w.+-]*$/),
  system: z.string(),
  variant: z.enum(variants),
  coupling: z.object({ name: z.string(), value: z.number() }),
  parameters: z.record(z.string(), z.number()),
  network: networkSchema,
  epochs: z.int().positive(),
  seed: seedSchema,
  score: z.enum(scores),
});
export const runPlanSchema = z.union([
  planned.extend({ ...hyperparametersSchema.shape, weightMemory: z.number().exactOptional() }),
  planned.extend(gaussNewtonSchema.shape),
]);

/** Every run of a preset, seeds fastest. */
export function planOf(preset: Preset, overrides: Overrides = {}): RunPlan[] {
  const seeds = overrides.seeds ?? preset.seeds;
  return preset.blocks.flatMap((each) =>
    each.couplings.flatMap((value) =>
      each.methods.flatMap((method) => seeds.map((seed) => resolve(preset, overrides, each, method, value, seed))),
    ),
  );
}

function resolve(
  preset: Preset,
  overrides: Overrides,
  { system: name, axis, fixed = {}, score = 'relative' }: Block,
  { optimizer, weighting }: Method,
  value: number,
  seed: number,
): RunPlan {
  const { lr, width, depth, soapBetas = preset.soapBetas, updateEvery, momentum, thin } = overrides;
  const system = systemNamed(name);
  const parameter = axis ?? system.coupling.parameter;
  const also = Object.entries(fixed).map(([key, other]) => `${key}${other}-`);
  const shape = preset.network ?? system.architecture;
  const about = {
    id: `${name}-${also.join('')}${parameter}${value}-${optimizer}-${weighting}-s${seed}`,
    system: name,
    variant: preset.variant,
    coupling: { name: parameter, value },
    parameters: resolveParameters(system, { ...fixed, [parameter]: value }),
    network: { ...shape, hidden: depth ?? shape.hidden, width: width ?? shape.width },
  };
  if (optimizer === 'gauss-newton') {
    const epochs = overrides.steps ?? DEFAULT_STEPS[optimizer];
    return { ...about, ...gaussNewtonFor({ momentum, thin }), epochs, seed, score };
  }
  const betas = optimizer === 'soap' ? soapBetas : undefined;
  const how = hyperparametersFor(system, { optimizer, weighting, updateEvery, learningRate: lr, betas });
  const epochs = overrides.epochs ?? preset.epochs ?? system.training.epochs[optimizer];
  return { ...about, ...how, epochs, seed, score };
}

/** Epochs that the paper gives a system. */
export const publishedEpochs = (system: string, optimizer: Optimizer): number =>
  systemNamed(system).training.epochs[optimizer];

/** The system that a run trains. */
export const systemOf = ({ system, variant }: Pick<RunPlan, 'system' | 'variant'>): System =>
  variantOf(systemNamed(system), variant);
