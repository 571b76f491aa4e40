/**
 * Whether runs of an electrolyte ended in a constant quasi-neutral state (section 7.3): c+ = c-, all fields constant, which
 * solves the equations and violates the boundary conditions.
 */
import type { Reading } from './analysis.ts';
import { type Found, type SystemReport, scientific } from './data.ts';
import { fieldsOfRun } from './figures.ts';

const FIELDS = ['cp', 'cm', 'phi'] as const;

/** Undefined where the system has no two concentrations, or no run left its fields. */
export function neutralReading(path: string, system: SystemReport, found: Found): Reading | undefined {
  const runs = found.record.runs.filter(({ id }) => system.ids.includes(id) && found.summaries.has(id));
  const rows = runs.flatMap((run) => {
    const pictures = fieldsOfRun(path, found, run) ?? [];
    const [cp, cm, phi] = FIELDS.map((name) => pictures.find((picture) => picture.name === name));
    if (!cp || !cm || !phi) return [];
    const exact = (picture: typeof cp) => ('exact' in picture ? picture.exact : undefined);
    const [p, m] = [exact(cp), exact(cm)];
    return [
      [
        run.id,
        `${scientific(charge(cp.prediction, cm.prediction))}${p && m ? ` (exact ${scientific(charge(p, m))})` : ''}`,
        ...[cp, phi].map((each) => {
          const own = exact(each);
          return `${scientific(range(each.prediction))}${own ? ` (exact ${scientific(range(own))})` : ''}`;
        }),
      ],
    ];
  });
  if (rows.length === 0) return undefined;
  return {
    title: 'Quasi-neutral states (section 7.3)',
    head: ['run', 'mean |c+ - c-|', 'range of c+', 'range of phi'],
    rows,
    note: 'Means and ranges over the evaluation points. A run that fell into a constant quasi-neutral state has all three near 0 where the exact solution has not.',
  };
}

/** Mean distance of two concentrations. */
export function charge(cp: ArrayLike<number>, cm: ArrayLike<number>): number {
  let sum = 0;
  for (let k = 0; k < cp.length; k++) sum += Math.abs(cp[k]! - cm[k]!);
  return sum / cp.length;
}

/** Largest less smallest value. */
export function range(values: ArrayLike<number>): number {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let k = 0; k < values.length; k++) {
    low = Math.min(low, values[k]!);
    high = Math.max(high, values[k]!);
  }
  return high - low;
}
