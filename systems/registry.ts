/** Every system by name. To add one: write its file and its line here. */

import { UserError } from '../engine/index.ts';
import { electroosmoticFlow } from './electroosmotic-flow.ts';
import { nernstPlanckPoisson } from './nernst-planck-poisson.ts';
import { reactionDiffusion } from './reaction-diffusion.ts';
import { symmetric } from './symmetric.ts';
import type { System } from './system.ts';
import { thermoelasticity } from './thermoelasticity.ts';

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

export function systemNamed(name: string): System {
  const system = systems.find((candidate) => candidate.name === name);
  if (!system)
    throw new UnknownSystemError(`there is no system ${name}; there are ${systems.map((s) => s.name).join(', ')}`);
  return system;
}
