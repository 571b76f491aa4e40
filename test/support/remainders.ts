/**
 * Reference solutions put into the equations that they are to solve, in float64. Derivatives are taken on the tape, from
 * the reference's text; the equations are the system's own.
 */
import {
  add,
  broadcast,
  constant,
  evaluate,
  graphOf,
  input,
  jvp,
  mul,
  newTape,
  square,
  sub,
  type Var,
} from '../../engine/index.ts';
import { express } from '../../systems/expression.ts';
import {
  type Coordinates,
  countOf,
  fieldsOf,
  knownValues,
  type Parameters,
  resolveParameters,
  type System,
} from '../../systems/index.ts';

/** A numerical reference at points: value, first and second derivative by coordinate. */
export type Known = Readonly<Record<string, readonly Float64Array[]>>;

/** Largest remainder of each equation with the reference solution in it, at points of one group. */
export function remainders(
  system: System,
  equations: readonly string[],
  parameters: Parameters,
  points: Coordinates,
  known: Known = {},
): Record<string, number> {
  const tape = newTape();
  const N = countOf(points);
  const inputs: Var[] = [];
  const values: Float64Array[] = [];
  const declare = (name: string, data: Float64Array) => {
    values.push(data);
    inputs.push(input(tape, name, [N]));
    return inputs.at(-1)!;
  };
  const coordinates = Object.fromEntries(system.coordinates.map((c) => [c, declare(c, points[c]!)]));
  /** Where no formula gives a function its jet does: a parabola through each point, right in two derivatives there. */
  const parabola = (name: string): Var | undefined => {
    const [value, ...derivatives] = known[name] ?? [];
    if (!value) return undefined;
    return system.coordinates.reduce(
      (sum, c, d) => {
        const away = sub(coordinates[c]!, declare(`${name} ${c}`, points[c]!));
        const [slope, curvature] = [1, 2].map((k) => declare(`${name}.${c}${k}`, derivatives[2 * d + k - 1]!));
        return add(sum, add(mul(slope!, away), mul(mul(0.5, curvature!), square(away))));
      },
      declare(name, value),
    );
  };
  const plain = (name: string): Var | number | undefined => parameters[name] ?? coordinates[name] ?? parabola(name);
  const fields = Object.fromEntries(
    fieldsOf(system).map((field) => [
      field,
      broadcast(system.exact[field] ? express(tape, system.exact[field], plain) : constant(tape, 0), [N]),
    ]),
  );
  const along = (y: Var, c: string) =>
    jvp([y], [{ of: coordinates[c]!, tangent: broadcast(constant(tape, 1), [N]) }])[0]!;
  const lookup = (name: string): Var | number | undefined => {
    const [field, derivative] = name.split('.') as [string, string?];
    const y = fields[field];
    if (!y) {
      const own = plain(name);
      if (own !== undefined) return own;
      return name in system.definitions || name.endsWith('_exact')
        ? declare(name, knownValues(system, name, parameters, points))
        : undefined;
    }
    if (derivative === undefined) return y;
    if (derivative === 'lap')
      return system.coordinates
        .filter((c) => c !== 't')
        .map((c) => along(along(y, c), c))
        .reduce(add);
    return [...derivative].reduce(along, y);
  };
  const residuals = equations.map((equation) => broadcast(express(tape, equation, lookup), [N]));
  const results = evaluate(graphOf(inputs, residuals), values);
  return Object.fromEntries(
    equations.map((equation, k) => [equation, results[k]!.reduce((most, r) => Math.max(most, Math.abs(r)), 0)]),
  );
}

/** Largest remainder of each equation and condition on the points where it is to hold. */
export function allRemainders(system: System, parameters: Parameters): Record<string, number> {
  const groups = system.points(parameters, 3);
  return Object.assign(
    remainders(system, Object.values(system.residuals), parameters, groups['interior']!),
    ...system.conditions.map(({ group, residuals }) => remainders(system, residuals, parameters, groups[group]!)),
  );
}

/** Parameters to look at: the published couplings, and one set that no two terms share by chance. */
export function parameterSets(system: System): Parameters[] {
  const { parameter, values } = system.coupling;
  const odd = Object.fromEntries(Object.keys(system.parameters).map((name, k) => [name, 0.7 + 0.31 * k]));
  return [...values.map((value) => resolveParameters(system, { [parameter]: value })), resolveParameters(system, odd)];
}
