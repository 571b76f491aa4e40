/**
 * Fields and their derivatives at points. Values, first and second derivatives are carried by the fused jets of `network`;
 * where a system asks for higher ones, all are taken by nested `jvp` of the value.
 */
import { add, broadcast, concat, constant, index, jvp, reshape, type Var } from '../engine/index.ts';
import type { JetSlot, Term } from '../kernels/index.ts';
import { parameterCount } from './architecture.ts';
import { ExpressionError, namesIn } from './expression.ts';
import { type Jets, jetsUpTo } from './jets.ts';
import { network } from './network.ts';
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

/** The coordinate that is the time. */
export const TIME = 't';

/** Coordinates of space: all but the time. */
const space = ({ coordinates }: System) => coordinates.filter((name) => name !== TIME);

/** What the part of a name behind the point says; undefined where it names no coordinates. */
export function derivativeOf(system: System, text: string): Derivative | undefined {
  if (text === 'lap') return space(system).length > 0 ? space(system).map((name) => [name, name]) : undefined;
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

/** The jets that carry some derivatives, and the channels whose sum is each; undefined where one is of higher order. */
function jetsFor({ coordinates }: System, derivatives: readonly Derivative[]) {
  const products = derivatives.flat();
  if (products.some(({ length }) => length > 2)) return undefined;
  const first = coordinates.flatMap((name, d) => (products.some((product) => product.includes(name)) ? [d] : []));
  const termOf = (product: Product): Term => {
    const [a, b] = product.map((name) => first.indexOf(coordinates.indexOf(name))).sort((a, b) => a - b);
    return { a: a!, b: b!, weight: 1 };
  };
  const keyOf = (slot: JetSlot) =>
    slot
      .map(({ a, b }) => `${a} ${b}`)
      .sort()
      .join(' + ');
  const second = derivatives.filter(([product]) => product?.length === 2).map((derivative) => derivative.map(termOf));
  const pairs = new Map(second.filter(({ length }) => length === 1).map((slot) => [keyOf(slot), slot]));
  // A sum of pairs that are carried for their own sake takes no slot.
  const sums = second.filter((slot) => slot.some((term) => !pairs.has(keyOf([term]))));
  const slots = [...new Map([...pairs, ...sums.map((slot) => [keyOf(slot), slot] as const)])].sort(([a], [b]) =>
    a < b ? -1 : 1,
  );
  const placeOf = (slot: JetSlot) => slots.findIndex(([key]) => key === keyOf(slot));
  const jets: Jets = { first, second: slots.map(([, slot]) => slot) };
  return {
    jets,
    channelsOf(derivative: Derivative): number[] {
      const [product = []] = derivative;
      if (product.length === 0) return [0];
      if (product.length === 1) return [1 + first.indexOf(coordinates.indexOf(product[0]!))];
      const slot = derivative.map(termOf);
      const own = placeOf(slot);
      return (own < 0 ? slot.map((term) => placeOf([term])) : [own]).map((place) => 1 + first.length + place);
    },
  };
}

/** Whether fused jets carry every derivative that a system's equations take. */
export const isCarriedByJets = (system: System): boolean =>
  jetsFor(
    system,
    derivativesIn(system).map((text) => derivativeOf(system, text)!),
  ) !== undefined;

const VALUE = jetsUpTo(0, 0);
const sum = (a: Var, b: Var) => add(a, b);

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
  const fused = jetsFor(
    system,
    derivatives.map((text) => derivativeOf(system, text)!),
  );
  const outputs = outputsAt(problem, X, fused?.jets ?? VALUE, inputs);
  const differentiate = differentiation(X, system);
  return (name) => {
    const { field, derivative: text } = partsOf(name);
    const output = outputs.get(field);
    if (!output) return undefined;
    const derivative = derivativeOf(system, text) ?? [];
    if (fused) return fused.channelsOf(derivative).map(output.channel).reduce(sum);
    return derivative.map((product) => output.of(differentiate(output.whole, product))).reduce(sum);
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

function outputsAt({ stacks, runs: { length: runs } }: Problem, X: Var, jets: Jets, inputs: Declares) {
  const [, D, N] = X.shape as [number, number, number];
  const outputs = new Map<string, Output>();
  for (const { theta, networks, fields, architecture } of stacks) {
    const F = networks.length;
    const parameters = inputs.declare(theta, [runs * F, parameterCount(architecture)]);
    const shared = reshape(broadcast(reshape(X, [runs, 1, D, N]), [runs, F, D, N]), [runs * F, D, N]);
    const whole = network(parameters, runs === 1 ? broadcast(X, [F, D, N]) : shared, architecture, jets);
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
