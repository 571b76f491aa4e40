/** What is to be solved: one system, its networks, and the runs that share their shape. Made once and passed on. */
import { ADAM, type AdamSettings, SOAP_EPSILON } from '../optim/index.ts';
import { type Stack, stacksOf } from './stack.ts';
import {
  type Coordinates,
  countOf,
  type NetworkShape,
  type Optimizer,
  type Parameters,
  type System,
} from './system.ts';

export type PointGroups = Readonly<Record<string, Coordinates>>;

/** One run of a stack. */
export interface Run {
  readonly parameters: Parameters;
  readonly seed: number;
  readonly points: PointGroups;
  /** Values of known functions that were given instead of computed, by group and name. */
  readonly given?: Readonly<Record<string, Float64Array>>;
}

export interface Problem {
  readonly system: System;
  readonly shape: NetworkShape;
  /** Its networks by architecture. */
  readonly stacks: readonly Stack[];
  /** R runs, with equal numbers of points. */
  readonly runs: readonly Run[];
  /** Numbers of points by group. */
  readonly counts: Readonly<Record<string, number>>;
}

const countsOf = ({ points }: Run) =>
  Object.fromEntries(Object.entries(points).map(([group, own]) => [group, countOf(own)]));

/** Throws where there is no run, or runs differ in their numbers of points. */
export function problemOf(system: System, runs: readonly Run[], shape: NetworkShape = system.architecture): Problem {
  const [counts, ...others] = runs.map(countsOf);
  if (!counts) throw new Error(`${system.name}: a problem takes at least one run`);
  if (others.some((other) => Object.keys(counts).some((group) => counts[group] !== other[group])))
    throw new Error(`${system.name}: runs of one problem must have equal numbers of points`);
  return { system, shape, stacks: stacksOf(system, shape), runs, counts };
}

/** The problem of seeds that share everything else, each with the points that it draws. */
export function seeded(
  system: System,
  parameters: Parameters,
  seeds: readonly number[],
  shape: NetworkShape = system.architecture,
): Problem {
  const runs = seeds.map((seed) => ({ parameters, seed, points: system.points(parameters, seed) }));
  return problemOf(system, runs, shape);
}

/** An input of a model whose values the problem determines. */
export type DataInput =
  /** Coordinates of a group of points, [R,D,N]. */
  | { readonly kind: 'points'; readonly group: string }
  /** A physical parameter, [R,1]. */
  | { readonly kind: 'parameter'; readonly name: string }
  /** A known function at the points of a group, [R,N]. */
  | { readonly kind: 'known'; readonly group: string; readonly name: string };

/** What the input is called on the tape: `x.GROUP`, `param.NAME`, `data.GROUP.NAME`. */
export function nameOf(datum: DataInput): string {
  switch (datum.kind) {
    case 'points':
      return `x.${datum.group}`;
    case 'parameter':
      return `param.${datum.name}`;
    case 'known':
      return `data.${datum.group}.${datum.name}`;
  }
}

/** Betas and epsilon that the paper gives an optimizer on a system. */
export function momentsOf(system: System, optimizer: Optimizer): AdamSettings {
  return optimizer === 'soap' ? { betas: system.training.soapBetas, epsilon: SOAP_EPSILON } : ADAM;
}
