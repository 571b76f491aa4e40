/**
 * Fields and their derivatives at points. What value, first derivatives and one Laplacian can say is carried by the fused
 * jets of `network`; anything else, mixed, single second or higher derivatives, is taken by nested `jvp` of the value.
 */
import { add, broadcast, concat, constant, index, jvp, reshape, type Var } from '../engine/index.ts';
import { parameterCount } from './architecture.ts';
import { ExpressionError, namesIn } from './expression.ts';
import { network, type Order } from './network.ts';
import type { Problem } from './problem.ts';
import { fieldsOf, type System } from './system.ts';

/** A product of derivatives, one for each coordinate named; `[]` is the value itself. */
type Product = readonly string[];
/** A sum of such products: several for a Laplacian. */
export type Derivative = readonly Product[];

/** `T.xx` is the derivative `xx` of `T`; a name without a point has no derivative. */
export function partsOf(name: string): { readonly field: string; readonly derivative: string } {
  const [field = name, derivative = ''] = name.split('.');
  return { field, derivative };
}

/** Coordinates of space: all but the time `t`. */
const space = ({ coordinates }: System) => coordinates.filter((name) => name !== 't');

/** What the part of a name behind the point says; undefined where it names no coordinates. */
export function derivativeOf(system: System, text: string): Derivative | undefined {
  if (text === 'lap') return space(system).map((name) => [name, name]);
  const product: string[] = [];
  for (let at = 0; at < text.length; ) {
    const coordinate = system.coordinates.find((name) => text.startsWith(name, at));
    if (coordinate === undefined) return undefined;
    product.push(coordinate);
    at += coordinate.length;
  }
  return [product];
}

/** The derivatives, as texts, that a system's equations take of fields. Throws {@link ExpressionError}. */
export function derivativesIn(system: System): string[] {
  const equations = [...Object.values(system.residuals), ...system.conditions.flatMap(({ residuals }) => residuals)];
  const fields = fieldsOf(system);
  const found = new Set<string>();
  for (const name of equations.flatMap((text) => [...namesIn(text)])) {
    const { field, derivative } = partsOf(name);
    if (!fields.includes(field) || derivative === '') continue;
    if (derivativeOf(system, derivative) === undefined)
      throw new ExpressionError(
        `${name} is no derivative; write the coordinates (${system.coordinates.join(', ')}) one after the other, or lap`,
      );
    found.add(derivative);
  }
  return [...found];
}

/** The channel of a fused jet that holds a derivative; -1 where none does. */
function channelOf(system: System, derivative: Derivative): number {
  const { coordinates } = system;
  const [product = []] = derivative;
  if (derivative.length === 1 && product.length === 0) return 0;
  if (derivative.length === 1 && product.length === 1) return 1 + coordinates.indexOf(product[0]!);
  const whole = coordinates.every((name) => derivative.some(([a, b]) => a === name && b === name));
  return whole && derivative.length === coordinates.length && product.length === 2 ? 1 + coordinates.length : -1;
}

/** Whether fused jets carry every derivative that a system's equations take. */
export const isCarriedByJets = (system: System): boolean =>
  derivativesIn(system).every((text) => channelOf(system, derivativeOf(system, text)!) >= 0);

/** Appends inputs by name and shape. */
interface Declares {
  declare(name: string, shape: readonly number[]): Var;
}

/** The value, [R,N], of a field or a derivative by name; undefined where the name begins with no field. */
export type FieldValues = (name: string) => Var | undefined;

/**
 * Fields of a problem at points X [R,D,N], with the derivatives (as texts) that will be asked for. Appends the parameters
 * as inputs.
 */
export function fieldsAt(problem: Problem, X: Var, derivatives: readonly string[], inputs: Declares): FieldValues {
  const { system } = problem;
  const wanted = derivatives.map((text) => derivativeOf(system, text)!);
  const channels = wanted.map((derivative) => channelOf(system, derivative));
  const fused = !channels.includes(-1);
  const order: Order = !fused || channels.length === 0 ? 0 : Math.max(...channels) > system.coordinates.length ? 2 : 1;
  const outputs = outputsAt(problem, X, order, inputs);
  const differentiate = differentiation(X, system);
  return (name) => {
    const { field, derivative: text } = partsOf(name);
    const output = outputs.get(field);
    if (!output) return undefined;
    const derivative = derivativeOf(system, text) ?? [];
    if (fused) return output.channel(channelOf(system, derivative));
    return derivative.map((product) => output.of(differentiate(output.whole, product))).reduce((a, b) => add(a, b));
  };
}

/** One field's place among the outputs of its stack of networks. */
interface Output {
  /** Of all networks and outputs of the stack, [B,C,O,N]. */
  readonly whole: Var;
  /** The field's part, [R,N], of something shaped like `whole` with one channel. */
  of(whole: Var): Var;
  channel(c: number): Var;
}

function outputsAt({ stacks, runs: { length: runs } }: Problem, X: Var, order: Order, inputs: Declares) {
  const [, D, N] = X.shape as [number, number, number];
  const outputs = new Map<string, Output>();
  for (const { theta, networks, fields, architecture } of stacks) {
    const F = networks.length;
    const parameters = inputs.declare(theta, [runs * F, parameterCount(architecture)]);
    const shared = reshape(broadcast(reshape(X, [runs, 1, D, N]), [runs, F, D, N]), [runs * F, D, N]);
    const whole = network(parameters, runs === 1 ? broadcast(X, [F, D, N]) : shared, architecture, order);
    networks.forEach((_, k) => {
      fields[k]!.forEach((field, o) => {
        const channel = (of: Var, c: number) => {
          const [, C, O] = of.shape as [number, number, number];
          const own = index(reshape(of, [runs, F, C, O, N]), 1, k);
          return index(index(own, 2, o), 1, c);
        };
        outputs.set(field, { whole, of: (other) => channel(other, 0), channel: (c) => channel(whole, c) });
      });
    });
  }
  return outputs;
}

/** Derivatives of values at points X along coordinates, each taken once. */
function differentiation(X: Var, { coordinates }: System): (value: Var, product: Product) => Var {
  const known = new Map<Var, Map<string, Var>>();
  const along = (value: Var, coordinate: string): Var => {
    const own = known.get(value) ?? new Map<string, Var>();
    known.set(value, own);
    const found =
      own.get(coordinate) ?? jvp([value], [{ of: X, tangent: unit(X, coordinates.indexOf(coordinate)) }])[0];
    own.set(coordinate, found);
    return found;
  };
  // Mixed derivatives in one order, whichever way they are written.
  return (value, product) => product.toSorted().reduce(along, value);
}

/** 1 for coordinate d at every point, 0 for the others, [R,D,N]. */
function unit(X: Var, d: number): Var {
  const [R, D, N] = X.shape as [number, number, number];
  const ones = (k: number) => broadcast(constant(X.tape, k === d ? 1 : 0), [R, 1, N]);
  return concat(
    Array.from({ length: D }, (_, k) => ones(k)),
    1,
  );
}
