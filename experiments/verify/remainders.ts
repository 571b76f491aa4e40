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
  type Condition,
  type Coordinates,
  countOf,
  fieldsOf,
  knownValues,
  type Parameters,
  type System,
} from '../../systems/index.ts';

/** A numerical reference at points: value, first and second derivative by coordinate. */
export type Known = Readonly<Record<string, readonly Float64Array[]>>;

/** What the reference solution leaves of an equation. */
export interface Remainder {
  /** At each point. */
  readonly values: Float64Array;
  readonly largest: number;
  /** The largest value that enters the equation: what rounding is measured by. */
  readonly scale: number;
}

/** What each equation leaves with the reference solution in it, at points of one group. */
export function remaindersOf(
  system: System,
  equations: readonly string[],
  parameters: Parameters,
  points: Coordinates,
  known: Known = {},
): Remainder[] {
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
  const entering: Var[] = [];
  const found = (name: string): Var | number | undefined => {
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
  const lookup = (name: string): Var | number | undefined => {
    const value = found(name);
    if (value !== undefined && typeof value !== 'number') entering.push(broadcast(value, [N]));
    return value;
  };
  const parts = equations.map((equation) => {
    const from = entering.length;
    const residual = broadcast(express(tape, equation, lookup), [N]);
    return { residual, from, to: entering.length };
  });
  const results = evaluate(graphOf(inputs, [...parts.map(({ residual }) => residual), ...entering]), values);
  return parts.map(({ from, to }, k) => ({
    values: results[k]!,
    largest: most(results[k]!),
    scale: Math.max(1, ...results.slice(parts.length + from, parts.length + to).map(most)),
  }));
}

/** The largest size of a value; NaN where one is. */
const most = (values: Float64Array) => values.reduce((sofar, value) => Math.max(sofar, Math.abs(value)), 0);

/** The largest remainder of each equation. */
export function remainders(
  system: System,
  equations: readonly string[],
  ...where: [parameters: Parameters, points: Coordinates, known?: Known]
): Record<string, number> {
  const found = remaindersOf(system, equations, ...where);
  return Object.fromEntries(equations.map((equation, k) => [equation, found[k]!.largest]));
}

/**
 * Of a condition's residuals, at the points of its group; of a periodic one their differences between both ends. Nothing of
 * what was measured: the reference solution need not agree with that.
 */
export function conditionRemainders(
  system: System,
  { group, pairedWith, residuals }: Pick<Condition, 'group' | 'pairedWith' | 'residuals'>,
  parameters: Parameters,
  groups: Readonly<Record<string, Coordinates>>,
): Remainder[] {
  if (system.observed?.[group]) return [];
  const here = remaindersOf(system, residuals, parameters, groups[group]!);
  if (pairedWith === undefined) return here;
  return remaindersOf(system, residuals, parameters, groups[pairedWith]!).map((there, k) => {
    const values = there.values.map((value, n) => value - here[k]!.values[n]!);
    return { values, largest: most(values), scale: Math.max(there.scale, here[k]!.scale) };
  });
}

/** Largest remainder of each equation and condition on the points where it is to hold. */
export function allRemainders(system: System, parameters: Parameters): Record<string, number> {
  const groups = system.points(parameters, 3);
  return Object.assign(
    remainders(system, Object.values(system.residuals), parameters, groups['interior']!),
    ...system.conditions.map((condition) =>
      Object.fromEntries(
        conditionRemainders(system, condition, parameters, groups).map(({ largest }, k) => [
          condition.residuals[k]!,
          largest,
        ]),
      ),
    ),
  );
}
