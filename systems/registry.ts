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

/** Throws {@link SystemError} where a built-in system has the name of another one. */
export function checkName(system: System): void {
  if (systems.some((other) => other.name === system.name && other !== system))
    throw new SystemError(`name: ${system.name} is a built-in system; take another`);
}

/** Makes a system known by its name. Throws {@link SystemError} where a built-in one has it. */
export function addSystem(system: System): void {
  checkName(system);
  added.set(system.name, system);
}

const found = (name: string) => systems.find((system) => system.name === name) ?? added.get(name);

export const isKnown = (name: string): boolean => found(name) !== undefined;

/** A system, or the one that has a name. Throws {@link UnknownSystemError}. */
export const asSystem = (given: System | string): System => (typeof given === 'string' ? systemNamed(given) : given);

export function systemNamed(name: string): System {
  const all = [...systems, ...added.values()];
  const system = found(name);
  if (!system)
    throw new UnknownSystemError(`there is no system ${name}; there are ${all.map((s) => s.name).join(', ')}`, {
      remedy: 'one of your own is given as a file, ./burgers.mjs say',
    });
  return system;
}
