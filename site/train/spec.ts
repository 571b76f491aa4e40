/** What the page trains, as data: what its address holds and what the worker is given. */
import { newTape, UserError } from '../../engine/index.ts';
import {
  type GaussNewtonHyperparameters,
  gaussNewtonFor,
  type Hyperparameters,
  hyperparametersFor,
  type Method,
} from '../../experiments/training/hyperparameters.ts';
import type { TrainSettings } from '../../experiments/training/record.ts';
import {
  type Coordinates,
  countOf,
  lossModel,
  type Problem,
  problemOf,
  resolveParameters,
  type System,
  systemNamed,
} from '../../systems/index.ts';
import { linspace } from '../../systems/points.ts';
import '../shared/gallery.ts';

/** Who is trained: one optimizer, or two side by side. */
export const contests = {
  soap: ['soap'],
  adam: ['adam'],
  'gauss-newton': ['gauss-newton'],
  'adam,soap': ['adam', 'soap'],
  'soap,gauss-newton': ['soap', 'gauss-newton'],
  'adam,gauss-newton': ['adam', 'gauss-newton'],
} as const satisfies Readonly<Record<string, readonly Method[]>>;
export type Contest = keyof typeof contests;
export const isContest = (text: string | null): text is Contest => text !== null && Object.hasOwn(contests, text);

export interface Spec {
  readonly system: string;
  /** What sets the coupling; the system's own default is undefined. */
  readonly coupling: number | undefined;
  readonly hidden: number;
  readonly width: number;
  /** Interior points; undefined: the system's own. */
  readonly points: number | undefined;
  readonly optimizers: Contest;
  readonly weighting: Hyperparameters['weighting'];
  readonly seed: number;
  /** Residuals that differ from the system's, by name. */
  readonly edited: Readonly<Record<string, string>>;
}

export const START: Spec = {
  system: 'thermoelasticity',
  coupling: undefined,
  hidden: 4,
  width: 64,
  points: undefined,
  optimizers: 'soap',
  weighting: 'grad-norm',
  seed: 42,
  edited: {},
};

/** The whole number of an address, if it is in range. */
function within(text: string | null, low: number, high: number): number | undefined {
  const value = /^\d{1,10}$/.test(text ?? '') ? Number(text) : Number.NaN;
  return value >= low && value <= high ? value : undefined;
}

/** What an address says of the coupling, if the system can take it. */
function couplingIn(system: System, text: string | null): number | undefined {
  if (!text) return undefined;
  // Plus 0: there is no -0 in an address.
  const value = Number(text) + 0;
  try {
    resolveParameters(system, { [system.coupling.parameter]: value });
    return value;
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

export const RANGES = { hidden: [1, 6], width: [4, 128], points: [10, 2000] } as const;

/** Anything that is missing or makes no sense is as at the start. */
export function specOf(address: URLSearchParams): Spec {
  const name = address.get('system') ?? START.system;
  let system: System;
  try {
    system = systemNamed(name);
  } catch {
    return START;
  }
  const asked = address.get('optimizer');
  const { architecture } = system;
  const edited = [...address].flatMap(([key, text]) => {
    const residual = key.startsWith('r.') ? key.slice('r.'.length) : '';
    return Object.hasOwn(system.residuals, residual) && system.residuals[residual] !== text ? [[residual, text]] : [];
  });
  return {
    system: system.name,
    coupling: couplingIn(system, address.get('coupling')),
    hidden: within(address.get('depth'), ...RANGES.hidden) ?? architecture.hidden,
    width: within(address.get('width'), ...RANGES.width) ?? architecture.width,
    points: within(address.get('points'), ...RANGES.points),
    optimizers: isContest(asked) ? asked : START.optimizers,
    weighting:
      (['none', 'grad-norm', 'lra'] as const).find((each) => each === address.get('weighting')) ?? START.weighting,
    seed: within(address.get('seed'), 0, 2 ** 32 - 1) ?? START.seed,
    edited: Object.fromEntries(edited),
  };
}

export function addressOf(spec: Spec): Record<string, string | number | undefined> {
  const { system, coupling, hidden, width, points, optimizers, weighting, seed, edited } = spec;
  const equations = Object.fromEntries(Object.entries(edited).map(([name, text]) => [`r.${name}`, text]));
  return { system, coupling, depth: hidden, width, points, optimizer: optimizers, weighting, seed, ...equations };
}

/** The system with the equations as edited. */
export function systemOf({ system, edited }: Spec): System {
  const own = systemNamed(system);
  return { ...own, residuals: { ...own.residuals, ...edited } };
}

/** Throws ParameterError. */
export function parametersOf({ system, coupling }: Spec): Record<string, number> {
  const own = systemNamed(system);
  return resolveParameters(own, coupling === undefined ? {} : { [own.coupling.parameter]: coupling });
}

/** `count` of the points: evenly spaced again on a line, every so many of them in the plane. */
function thinned(points: Coordinates, count: number): Coordinates {
  const total = countOf(points);
  const names = Object.keys(points);
  if (names.length === 1) {
    const [name, values] = Object.entries(points)[0]!;
    return { [name]: linspace(values[0]!, values[total - 1]!, count) };
  }
  const kept = Math.min(count, total);
  const pick = (values: Float64Array) =>
    Float64Array.from({ length: kept }, (_, k) => values[Math.floor((k * total) / kept)]!);
  return Object.fromEntries(names.map((name) => [name, pick(points[name]!)]));
}

/** Throws UserErrors: ParameterError, ExpressionError. */
export function problemOfSpec(spec: Spec): Problem {
  const system = systemOf(spec);
  const parameters = parametersOf(spec);
  const own = system.points(parameters, spec.seed);
  const points = spec.points === undefined ? own : { ...own, interior: thinned(own['interior']!, spec.points) };
  return problemOf(system, [{ parameters, seed: spec.seed, points }], { hidden: spec.hidden, width: spec.width });
}

/** The mistake in one equation, if there is one: what the training would stop at. */
export function mistakeIn(spec: Spec, residual: string): UserError | undefined {
  const system = systemNamed(spec.system);
  const text = spec.edited[residual];
  if (text === undefined) return undefined;
  try {
    const alone = { ...system, residuals: { ...system.residuals, [residual]: text } };
    const parameters = resolveParameters(system);
    const run = { parameters, seed: 0, points: system.points(parameters, 0) };
    lossModel(newTape(), problemOf(alone, [run], { hidden: 1, width: 2 }));
    return undefined;
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
}

type Trained = Hyperparameters | GaussNewtonHyperparameters;

/** How one of the contestants is trained. Gauss-Newton weighs conditions in its own way, whatever the balancing. */
export function hyperparametersOfSpec(spec: Spec, method: Method): Trained {
  if (method === 'gauss-newton') return gaussNewtonFor({});
  return hyperparametersFor(systemNamed(spec.system), { optimizer: method, weighting: spec.weighting });
}

/** What config.json of `tapir train` would hold for the same run. */
export function settingsOfSpec(
  spec: Spec,
  method: Method,
  epochs: number,
  kernels: Readonly<Record<string, string>>,
): TrainSettings {
  return {
    system: spec.system,
    variant: 'paper',
    parameters: parametersOf(spec),
    network: { hidden: spec.hidden, width: spec.width },
    ...hyperparametersOfSpec(spec, method),
    epochs,
    seeds: [spec.seed],
    score: 'relative',
    kernels: { ...kernels },
  };
}
