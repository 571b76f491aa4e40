/** A trainer's programs on a device: created together, filled, and what comes out of them. */
import { type Device, type Plan, Program } from '../../engine/index.ts';
import type { Errors } from './loop.ts';
import { type Role, sharedNames, type TrainingPlans } from './plans.ts';

export type Programs = Readonly<Partial<Record<Role, Program>> & Record<'step' | 'error', Program>>;

/** Programs that share the buffers of the step and the temporaries; where one cannot be created, none is left. */
export async function programsOf(
  device: Device,
  { plans, temporaries: held }: TrainingPlans,
): Promise<{ programs: Programs; temporaries: Program }> {
  const made: Program[] = [];
  const create = async (label: string, plan: Plan, ...owners: readonly Program[]) => {
    const shared = owners.flatMap((program) =>
      sharedNames(plan, program.plan).map((name) => [name, { program, name }] as const),
    );
    const program = await Program.create(device, plan, Object.fromEntries(shared), label);
    made.push(program);
    return program;
  };
  try {
    const temporaries = await create('temporaries', held);
    const { step: stepPlan, ...others } = plans;
    const step = await create('program step', stepPlan, temporaries);
    const created = await Promise.allSettled(
      Object.entries(others).map(
        async ([role, plan]) => [role, await create(`program ${role}`, plan, step, temporaries)] as const,
      ),
    );
    const rest = created.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    });
    return { programs: { ...Object.fromEntries(rest), step } as Programs, temporaries };
  } catch (failure) {
    for (const program of made) program.destroy();
    throw failure;
  }
}

/** Writes what a program takes: inputs that no output needs are not among them. */
export function fill(program: Program, values: Readonly<Record<string, ArrayLike<number>>>): void {
  for (const [name, data] of Object.entries(values)) if (name in program.plan.inputs) program.write(name, data);
}

/**
 * Matrices [count,size,size], those with an element that is not finite replaced by the identity. The run that such a
 * matrix belongs to is lost, as its losses say; it must not take those beside it along.
 */
export function finiteOnes(matrices: Float32Array, size: number): Float32Array {
  const all = matrices.slice();
  for (let at = 0; at < all.length; at += size * size) {
    const own = all.subarray(at, at + size * size);
    if (own.every(Number.isFinite)) continue;
    own.fill(0);
    for (let k = 0; k < size; k++) own[k * size + k] = 1;
  }
  return all;
}

/** Errors of R runs from [R,F] of each measure, which are missing where no field has a reference: then the mean is NaN. */
export function errorsFrom(
  relative: ArrayLike<number> | undefined,
  rmse: ArrayLike<number> | undefined,
  fields: readonly string[],
  R: number,
): Errors[] {
  const F = fields.length;
  return Array.from({ length: R }, (_, r) => {
    const row = (values?: ArrayLike<number>) =>
      Object.fromEntries(fields.map((field, k) => [field, values![r * F + k]!]));
    const own = row(relative);
    return { relative: own, rmse: row(rmse), mean: Object.values(own).reduce((a, b) => a + b, 0) / F };
  });
}
