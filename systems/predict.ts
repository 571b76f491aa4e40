/** Fields and their derivatives anywhere, in float64, from the parameters of networks. */
import { broadcast, evaluate, graphOf, newTape } from '../engine/index.ts';
import { derivativeOf, partsOf } from './fields.ts';
import { Inputs } from './model.ts';
import type { Problem } from './problem.ts';
import { type Coordinates, countOf, fieldsOf, ParameterError } from './system.ts';
import { transformedAt } from './transform.ts';
import { inputValues } from './values.ts';

const GROUP = 'asked';
/** Points that are computed together: bounds the memory. */
const TOGETHER = 1024;

/**
 * Values of fields, `u`, and their derivatives, `u.xx`, at points, for the first run of a problem; `thetas` holds the
 * inputs of its stacks by name. Throws {@link ParameterError} on a name that is neither.
 */
export function predict(
  { system, runs, shape, stacks }: Problem,
  thetas: Readonly<Record<string, ArrayLike<number>>>,
  names: readonly string[],
  points: Coordinates,
): Record<string, Float64Array> {
  const fields = fieldsOf(system);
  for (const name of names) {
    const { field, derivative } = partsOf(name);
    if (!fields.includes(field) || (derivative !== '' && !derivativeOf(system, derivative)))
      throw new ParameterError(
        `${system.name} has no ${name}; its fields are ${fields.join(', ')}, a derivative names coordinates (${system.coordinates.join(', ')})`,
      );
  }
  const derivatives = [...new Set(names.flatMap((name) => partsOf(name).derivative || []))];
  const results = names.map(() => new Float64Array(countOf(points)));
  for (let from = 0; from < countOf(points); from += TOGETHER) {
    const part = Object.fromEntries(
      Object.entries(points).map(([name, values]) => [name, values.subarray(from, from + TOGETHER)]),
    );
    const run = { ...runs[0]!, points: { [GROUP]: part } };
    const count = countOf(part);
    const problem: Problem = { system, shape, stacks, runs: [run], counts: { [GROUP]: count } };
    const tape = newTape();
    const inputs = new Inputs(tape, problem);
    const X = inputs.given({ kind: 'points', group: GROUP }, [1, system.coordinates.length, count]);
    const value = transformedAt(problem, X, derivatives, inputs);
    const outputs = names.map((name) => broadcast(value(name)!, [1, count]));
    const values: Record<string, ArrayLike<number>> = { ...thetas, ...inputValues(problem, inputs.data) };
    const found = evaluate(
      graphOf(Object.values(inputs.all), outputs),
      Object.keys(inputs.all).map((name) => values[name]!),
    );
    results.forEach((all, k) => {
      all.set(found[k]!, from);
    });
  }
  return Object.fromEntries(names.map((name, k) => [name, results[k]!]));
}
