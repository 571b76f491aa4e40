/** Every system by name. To add one: write its file and its line here. */

import { UserError } from '../engine/index.ts';
import { electroosmoticFlow } from './electroosmotic-flow.ts';
import { nernstPlanckPoisson } from './nernst-planck-poisson.ts';
import { reactionDiffusion } from './reaction-diffusion.ts';
import { SystemError } from './spec.ts';
import { symmetric } from './symmetric.ts';
import type { System } from './system.ts';
import { thermoelasticity } from './thermoelasticity.ts';

/** The built-in ones. */
export const systems: readonly System[] = [
  thermoelasticity,
  reactionDiffusion,
  nernstPlanckPoisson,
  electroosmoticFlow,
  symmetric,
];

/** A name that no system has. */
export class UnknownSystemError extends UserError {
  override readonly name = 'UnknownSystemError';
}

const added = new Map<string, System>();

/** Makes a system known by its name. Throws {@link SystemError} where another one has it. */
export function addSystem(system: System): void {
  const { name } = system;
  if (systems.some((other) => other.name === name))
    throw new SystemError(`name: ${name} is a built-in system; take another`);
  added.set(name, system);
}

const found = (name: string) => systems.find((system) => system.name === name) ?? added.get(name);

export const isKnown = (name: string): boolean => found(name) !== undefined;

export function systemNamed(name: string): System {
  const all = [...systems, ...added.values()];
  const system = found(name);
  if (!system)
    throw new UnknownSystemError(`there is no system ${name}; there are ${all.map((s) => s.name).join(', ')}`, {
      remedy: 'one of your own is given as a file, ./burgers.mjs say',
    });
  return system;
}
