/** What a system is: equations, conditions, points and a reference to measure errors against, as data. */
import { UserError } from '../engine/index.ts';
import type { ActivationName } from '../kernels/index.ts';
import type { Fourier, NetworkKind } from './architecture.ts';

export interface PhysicalParameter {
  readonly value: number;
  readonly about: string;
  /** Values outside make the problem meaningless. */
  readonly positive?: boolean;
  /** Learned with the networks; `value` is where it starts. */
  readonly trainable?: boolean;
}

export interface NetworkShape {
  /** Hidden layers and their width. */
  readonly hidden: number;
  readonly width: number;
  /** Of the hidden layers; tanh unless stated. */
  readonly activation?: ActivationName | undefined;
  /** How they are joined; `mlp`, one after the other, unless stated. */
  readonly kind?: NetworkKind | undefined;
  /** Features between the coordinates and the first hidden layer; none unless stated. */
  readonly fourier?: Fourier | undefined;
  /** Coordinates that enter as sine and cosine of one period, from where they begin to where they end. */
  readonly periodic?: readonly string[] | undefined;
}

export type Parameters = Readonly<Record<string, number>>;
export type Optimizer = 'adam' | 'soap';

/** Points of one group: coordinates, one array for each name, all of equal length. */
export type Coordinates = Readonly<Record<string, Float64Array>>;

/** Conditions on one group of boundary points. */
export interface Condition {
  readonly group: string;
  /** The loss term that all residuals enter: `BC` unless stated. */
  readonly term?: string;
  /** Whether a residual's squares are summed or averaged over the points of the group. */
  readonly over: 'sum' | 'mean';
  /** Factor of its share of the loss term: 1 unless stated. */
  readonly weight?: number;
  /** The group of points, one for each of the first, where the residuals have equal values: periodic conditions. */
  readonly pairedWith?: string;
  readonly residuals: readonly string[];
}

/** When points are drawn anew. */
export interface Resampling {
  /** Epochs between. */
  readonly every: number;
  /** Interior points go where residuals are large: RAD (Wu et al. 2023). */
  readonly adaptive?: {
    /** k and c of the paper. */
    readonly power: number;
    readonly offset: number;
    /** Candidates for each point. */
    readonly pool: number;
    /** Candidates of a round. */
    draw(seed: number, round: number, count: number): Coordinates;
  };
}

export interface System {
  readonly name: string;
  readonly title: string;
  /** Names of the coordinates; derivatives are `T.x`, `T.xx`, `T.xt`, `T.lap` (the Laplacian, over all of them but `t`). */
  readonly coordinates: readonly string[];
  /** Where each coordinate begins and ends, mapped to [-1,1] before it enters a network: [0,1] unless stated. */
  readonly extents?: Readonly<Record<string, readonly [low: number, high: number]>>;
  /** Networks in order of construction, with the fields each puts out. */
  readonly networks: readonly { readonly name: string; readonly fields: readonly string[] }[];
  readonly architecture: NetworkShape;
  readonly parameters: Readonly<Record<string, PhysicalParameter>>;
  /**
   * What sets the coupling, with its published values in order of growing coupling: a parameter, or a name that stands
   * for several (`sets`).
   */
  readonly coupling: {
    readonly parameter: string;
    readonly sets?: readonly string[];
    readonly values: readonly number[];
  };
  /** Known functions of coordinates and parameters, evaluated in float64 at every point before training. */
  readonly definitions: Readonly<Record<string, string>>;
  /** Reference solution by field, as an equation; `phi_ref`-like names come from {@link System.reference}. */
  readonly exact: Readonly<Record<string, string>>;
  /** Reference solutions that no formula gives: named functions of the coordinates. */
  reference?(parameters: Parameters): Readonly<Record<string, (point: readonly number[]) => number>>;
  /** Fields as expressions of coordinates, parameters and `N`, what their network puts out: hard constraints. */
  readonly transform?: Readonly<Record<string, string>>;
  /** One loss term each, the mean of its square over the interior points. */
  readonly residuals: Readonly<Record<string, string>>;
  readonly conditions: readonly Condition[];
  /** What was measured at the points of a group, by name: `u_data`. */
  readonly observed?: Readonly<Record<string, Readonly<Record<string, Float64Array>>>>;
  /** Collocation points by group; `interior` holds those of the residuals. Round 0 is the start. */
  points(parameters: Parameters, seed: number, round?: number): Readonly<Record<string, Coordinates>>;
  readonly resampling?: Resampling;
  /** Points at which the error is measured. */
  evaluation(): Coordinates;
  readonly training: {
    readonly epochs: Readonly<Record<Optimizer, number>>;
    readonly learningRate: number;
    readonly soapBetas: readonly [number, number];
  };
}

/** A parameter the system does not have, or a value it cannot take. */
export class ParameterError extends UserError {
  override readonly name = 'ParameterError';
}

/** Whether float32 holds a number as one that a GPU tells from zero and infinity: some take what is below 2^-126 for zero. */
export const inFloat32 = (value: number): boolean =>
  value === 0 || (Math.abs(value) >= 2 ** -126 && Number.isFinite(Math.fround(value)));
/** What {@link inFloat32} asks for, in words. */
export const FLOAT32_RANGE = '0 or a size from 1.2e-38 to 3.4e38';

/** Default parameters with some replaced. Throws {@link ParameterError}. */
export function resolveParameters(system: System, options: Parameters = {}): Record<string, number> {
  const { parameter, sets = [parameter] } = system.coupling;
  const { [parameter]: strength, ...rest } = options;
  const coupled = strength === undefined ? {} : Object.fromEntries(sets.map((name) => [name, strength]));
  const given: Parameters = { ...coupled, ...rest };
  for (const [name, value] of Object.entries(given)) {
    const known = Object.hasOwn(system.parameters, name) ? system.parameters[name] : undefined;
    if (!known)
      throw new ParameterError(
        `${system.name} has no parameter ${name}; it has ${[...new Set([parameter, ...Object.keys(system.parameters)])].join(', ')}`,
      );
    if (!Number.isFinite(value) || (known.positive && value <= 0))
      throw new ParameterError(`${name} must be a ${known.positive ? 'positive' : 'finite'} number, not ${value}`);
    if (!inFloat32(value))
      throw new ParameterError(`${name} must be a number that float32 holds, ${FLOAT32_RANGE}, not ${value}`);
  }
  return Object.fromEntries(Object.entries(system.parameters).map(([name, { value }]) => [name, given[name] ?? value]));
}

/** Names of the groups of points: `interior`, then those of the conditions. */
export const groupsOf = ({ conditions }: Pick<System, 'conditions'>): string[] => [
  ...new Set([
    'interior',
    ...conditions.flatMap(({ group, pairedWith }) => (pairedWith === undefined ? [group] : [group, pairedWith])),
  ]),
];

/** The number of elements in a group of points. */
export function countOf(points: Coordinates): number {
  return Object.values(points)[0]?.length ?? 0;
}

/** Names of all fields in order of the networks. */
export function fieldsOf(system: System): string[] {
  return system.networks.flatMap(({ fields }) => [...fields]);
}
