/** A sweep over parameters of one system, built-in or a user's own, instead of a preset. */
import { createHash } from 'node:crypto';
import { checkReference, resolveParameters, type System } from '../../systems/index.ts';
import { UsageError } from '../training/settings.ts';
import type { Grid, Preset } from './presets.ts';
import type { Method } from './published.ts';

/**
 * Runs of a system at every combination of values. Errors are shown against the parameter that couples its fields, or else
 * the first that has several values. Throws {@link UsageError}, ParameterError.
 */
export function presetOver(
  system: System,
  { set = {}, optimizers = ['adam', 'soap'], weightings = ['grad-norm'] }: Grid,
): Preset {
  const { name, coupling, title } = system;
  const given = new Map(Object.entries(set));
  const axis = given.has(coupling.parameter)
    ? coupling.parameter
    : ([...given].find(([, values]) => values.length > 1)?.[0] ?? coupling.parameter);
  if (axis === '') throw new UsageError(`${name} has no parameter to sweep over; tapir train takes --seeds`);
  const own = axis === coupling.parameter && coupling.values.length > 0 ? coupling.values : [startOf(system, axis)];
  const couplings = given.get(axis) ?? own;
  given.delete(axis);
  const methods = optimizers.flatMap((optimizer): Method[] =>
    optimizer === 'gauss-newton'
      ? [{ optimizer, weighting: 'none' }]
      : weightings.map((weighting) => ({ optimizer, weighting })),
  );
  const blocks = combinations([...given]).map((fixed) => ({ system: name, axis, fixed, couplings, methods }));
  for (const { fixed } of blocks)
    for (const value of couplings) checkReference(system, resolveParameters(system, { ...fixed, [axis]: value }));
  return { name, about: title, blocks, seeds: [42], published: false, variant: 'paper', own: digestOf(system) };
}

/** What a parameter is unless it is set. Throws ParameterError where there is none of that name. */
const startOf = (system: System, parameter: string): number => resolveParameters(system)[parameter]!;

function combinations(lists: readonly (readonly [string, readonly number[]])[]): Record<string, number>[] {
  return lists.reduce<Record<string, number>[]>(
    (sofar, [name, values]) => sofar.flatMap((each) => values.map((value) => ({ ...each, [name]: value }))),
    [{}],
  );
}

/** Tells definitions of a system apart, points included: runs of different ones must not share a folder. */
export function digestOf(system: System): string {
  const points = system.points(resolveParameters(system), 0);
  return createHash('sha256')
    .update(JSON.stringify([system, points, ...(system.reference ? [String(system.reference)] : [])]))
    .digest('hex')
    .slice(0, 16);
}
