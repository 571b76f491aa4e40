/** Variants of a system: the same equations with other loss terms or networks. */
import { type Condition, fieldsOf, type System } from '../../systems/index.ts';
import type { Variant } from './results.ts';

export function variantOf(system: System, variant: Variant): System {
  if (variant === 'paper') return system;
  const split = { ...system, conditions: system.conditions.flatMap((each) => byField(system, each)) };
  const fields = fieldsOf(system);
  return variant === 'shared' ? { ...split, networks: [{ name: 'shared', fields }] } : split;
}

/** A condition's residuals, each in the loss term of the field that it is about. */
function byField(system: System, { residuals, ...rest }: Condition): Condition[] {
  return residuals.map((residual) => {
    const field = fieldsOf(system).find((each) => each === /^\w+/.exec(residual)?.[0]);
    if (!field) throw new Error(`${system.name}: condition ${residual} begins with no field`);
    return { ...rest, residuals: [residual], term: `BC ${field}` };
  });
}
