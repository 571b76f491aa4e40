/** Parameters at which reference solutions are put into their equations. */
import { type Parameters, resolveParameters, type System } from '../../systems/index.ts';

export * from '../../experiments/verify/remainders.ts';

/** Parameters to look at: the published couplings, and one set that no two terms share by chance. */
export function parameterSets(system: System): Parameters[] {
  const { parameter, values } = system.coupling;
  const odd = Object.fromEntries(Object.keys(system.parameters).map((name, k) => [name, 0.7 + 0.31 * k]));
  return [...values.map((value) => resolveParameters(system, { [parameter]: value })), resolveParameters(system, odd)];
}
