/** Numbers for a system's inputs: points, parameters and known functions, evaluated in float64 on the host. */
import { broadcast, evaluate, graphOf, input, newTape, type Var } from '../engine/index.ts';
import { ExpressionError, express } from './expression.ts';
import { flatten, initialise } from './initialise.ts';
import { LEARNED, learnedNames } from './learned.ts';
import { type DataInput, nameOf, type Problem, type Run } from './problem.ts';
import { architectureOf } from './stack.ts';
import { type Coordinates, countOf, type NetworkShape, type Parameters, type System } from './system.ts';

/**
 * Values of a definition, an exact solution (`T_exact`), a reference (`phi_ref`) or a coordinate at the points of a
 * group. Throws {@link ExpressionError} on a name the system does not know.
 */
export function knownValues(system: System, name: string, parameters: Parameters, points: Coordinates): Float64Array {
  const count = countOf(points);
  const references = system.reference?.(parameters) ?? {};
  const tape = newTape();
  const values: Float64Array[] = [];
  const inputs: Var[] = [];
  const declare = (data: Float64Array) => {
    values.push(data);
    const v = input(tape, `input${inputs.length}`, [data.length]);
    inputs.push(v);
    return v;
  };
  const lookup = (key: string): Var | number | undefined => {
    if (key in parameters) return parameters[key];
    if (points[key]) return declare(points[key]);
    const equation =
      system.definitions[key] ?? (key.endsWith('_exact') ? system.exact[key.slice(0, -'_exact'.length)] : undefined);
    if (equation !== undefined) return express(tape, equation, lookup);
    const reference = references[key];
    if (!reference) return undefined;
    const at = (k: number) => system.coordinates.map((c) => points[c]![k]!);
    return declare(Float64Array.from({ length: count }, (_, k) => reference(at(k))));
  };
  const result = lookup(name);
  if (result === undefined) throw new ExpressionError(`${system.name} does not define ${name}`);
  if (typeof result === 'number') return new Float64Array(count).fill(result);
  return evaluate(graphOf(inputs, [broadcast(result, [count])]), values)[0]!;
}

/** Values of inputs of a model by name, runs one after the other. */
export function inputValues(
  { system, runs }: Pick<Problem, 'system' | 'runs'>,
  data: Iterable<DataInput>,
): Record<string, Float64Array> {
  const dataOf = (datum: DataInput, { parameters, points, given }: Run): Float64Array => {
    switch (datum.kind) {
      case 'points':
        return join(system.coordinates.map((c) => points[datum.group]![c]!));
      case 'parameter':
        return Float64Array.of(parameters[datum.name]!);
      case 'known':
        return (
          given?.[`${datum.group}.${datum.name}`] ??
          system.observed?.[datum.group]?.[datum.name] ??
          knownValues(system, datum.name, parameters, points[datum.group]!)
        );
    }
  };
  return Object.fromEntries([...data].map((datum) => [nameOf(datum), join(runs.map((run) => dataOf(datum, run)))]));
}

function join(parts: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** One network's parameters by name, as a row of theta. */
export type NetworkRows = Readonly<Record<string, ArrayLike<number>>>;

/** Initial parameters of a run, equal bit for bit to PyTorch's for the seed. */
export function initialTheta(
  system: Pick<System, 'coordinates' | 'networks'>,
  shape: NetworkShape,
  seed: number,
): NetworkRows {
  const nets = system.networks.map(({ name, fields }) => ({ name, ...architectureOf(system, shape, fields.length) }));
  return Object.fromEntries(initialise({ nets, seed }).map((net) => [net.name, flatten(net)]));
}

/** Rows of runs in order as the inputs `theta..` of stacks: row r * networks + k is network k of run r. */
export function shareThetas(
  { stacks }: Pick<Problem, 'stacks'>,
  runs: readonly NetworkRows[],
): Record<string, Float64Array> {
  return Object.fromEntries(
    stacks.map(({ theta, networks }) => [
      theta,
      join(runs.flatMap((rows) => networks.map((name) => Float64Array.from(rows[name]!)))),
    ]),
  );
}

/** Initial parameters of the networks of every run of a problem, and of what is learned besides, as inputs. */
export function initialThetas(problem: Problem): Record<string, Float64Array> {
  const { system, shape, runs } = problem;
  const learned = learnedNames(system).length;
  const thetas = shareThetas(
    problem,
    runs.map(({ seed }) => initialTheta(system, shape, seed)),
  );
  return learned > 0 ? { ...thetas, [LEARNED]: new Float64Array(runs.length * learned) } : thetas;
}
