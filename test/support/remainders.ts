/** Reference solutions put into their equations: at which parameters, with which derivatives, with which mistakes. */
import type { Known } from '../../experiments/verify/remainders.ts';
import { type Coordinates, countOf, type Parameters, resolveParameters, type System } from '../../systems/index.ts';

export * from '../../experiments/verify/remainders.ts';

/** Parameters to look at: the published couplings, and one set that no two terms share by chance. */
export function parameterSets(system: System): Parameters[] {
  const { parameter, values } = system.coupling;
  const odd = Object.fromEntries(Object.keys(system.parameters).map((name, k) => [name, 0.7 + 0.31 * k]));
  return [...values.map((value) => resolveParameters(system, { [parameter]: value })), resolveParameters(system, odd)];
}

/** A system with one sign of each of its residuals turned, one at a time. */
export function* slips({ residuals, ...system }: System): Generator<System> {
  for (const [term, equation] of Object.entries(residuals))
    for (const { index, 0: sign } of equation.matchAll(/[+-]/g)) {
      const wrong = equation.slice(0, index) + (sign === '+' ? '-' : '+') + equation.slice(index + 1);
      yield { ...system, residuals: { ...residuals, [term]: wrong } };
    }
}

/** A numerical reference with derivatives by differences of sixth order, which know nothing of the equation it solves. */
export function differences(system: System, parameters: Parameters, points: Coordinates, h: number): Known {
  const steps = [1, 2, 3];
  const first = [45 / 60, -9 / 60, 1 / 60];
  const second = [270 / 180, -27 / 180, 2 / 180];
  const N = countOf(points);
  return Object.fromEntries(
    Object.entries(system.reference!(parameters)).map(([name, f]) => {
      const at = (k: number, d = 0, away = 0) =>
        f(system.coordinates.map((c, other) => points[c]![k]! + (other === d ? away : 0)));
      const over = (value: (k: number) => number) => Float64Array.from({ length: N }, (_, k) => value(k));
      const slope = (k: number, d: number) =>
        steps.reduce((sum, s, i) => sum + (first[i]! * (at(k, d, s * h) - at(k, d, -s * h))) / h, 0);
      const bend = (k: number, d: number) =>
        steps.reduce((sum, s, i) => sum + (second[i]! * (at(k, d, s * h) - 2 * at(k) + at(k, d, -s * h))) / h ** 2, 0);
      const derivatives = system.coordinates.flatMap((_, d) => [over((k) => slope(k, d)), over((k) => bend(k, d))]);
      return [name, [over((k) => at(k)), ...derivatives]];
    }),
  );
}
