/**
 * Hard constraints: a field as an expression of coordinates and of what its network puts out, N, such as
 * `x*(1-x)*t*N + sin(pi*x)` (Lagaris, Likas and Fotiadis 1998). Its derivatives follow by the chain rule from those of N.
 */
import { add, broadcast, full, index, jvp, mul, type Var } from '../engine/index.ts';
import { express } from './expression.ts';
import { type Derivative, derivativeOf, type FieldValues, fieldsAt, partsOf } from './fields.ts';
import type { Problem } from './problem.ts';
import type { System } from './system.ts';

/** What the network of a field puts out, in the field's transform. */
export const OUTPUT = 'N';

type Product = Derivative[number];

/** Every part of a product of derivatives, sorted, each once; `[]` first, the whole last. */
function partsOfProduct(product: Product): Product[] {
  const parts = new Map<string, Product>();
  for (let chosen = 0; chosen < 2 ** product.length; chosen++) {
    const part = product.filter((_, k) => chosen & (1 << k)).toSorted();
    parts.set(part.join(' '), part);
  }
  return [...parts.values()];
}

/** The derivatives of N, as texts, that the chain rule needs for a derivative of the field. */
function needed(system: System, text: string): string[] {
  const derivative = derivativeOf(system, text)!;
  const products = text === 'lap' ? derivative.map(([name]) => [name!]) : derivative.flatMap(partsOfProduct);
  return [text, ...products.map((product) => product.join(''))].filter((each) => each !== '');
}

/** Appends inputs, and knows the values of parameters, [R,1]. */
interface Environment {
  declare(name: string, shape: readonly number[]): Var;
  parameter(name: string): Var;
}

/** {@link fieldsAt}, of a system whose fields may be transformed. */
export function transformedAt(
  problem: Problem,
  X: Var,
  derivatives: readonly string[],
  environment: Environment,
): FieldValues {
  const { system } = problem;
  const { transform = {} } = system;
  if (Object.keys(transform).length === 0) return fieldsAt(problem, X, derivatives, environment);
  const all = new Set(derivatives.flatMap((text) => needed(system, text)));
  const networks = fieldsAt(problem, X, [...all], environment);
  const coordinates = new Map(system.coordinates.map((name, d) => [name, index(X, 1, d)]));
  const known = new Map<string, Var>();
  /** One node for each name: the chain rule must find what it differentiates along. */
  const once = (key: string, make: () => Var): Var => {
    const value = known.get(key) ?? make();
    known.set(key, value);
    return value;
  };
  const outputOf = (field: string, text = ''): Var => {
    const name = text === '' ? field : `${field}.${text}`;
    return once(`${OUTPUT} ${name}`, () => networks(name)!);
  };
  const fieldOf = (field: string): Var =>
    once(field, () => {
      const lookup = (name: string): Var | undefined => {
        if (name === OUTPUT) return outputOf(field);
        if (Object.hasOwn(system.parameters, name)) return environment.parameter(name);
        if (Object.hasOwn(system.definitions, name)) return express(X.tape, system.definitions[name]!, lookup);
        return coordinates.get(name);
      };
      return broadcast(express(X.tape, transform[field]!, lookup), outputOf(field).shape);
    });
  /** Derivative of a field along coordinates; that of N along all of them is `highest`. */
  const along = (field: string, product: Product, highest: Var): Var =>
    product.reduce((result, coordinate, k) => {
      const x = coordinates.get(coordinate)!;
      const seeds = partsOfProduct(product.slice(0, k)).map((part) => ({
        of: outputOf(field, part.join('')),
        tangent:
          part.length + 1 === product.length ? highest : outputOf(field, [...part, coordinate].toSorted().join('')),
      }));
      return jvp([result], [{ of: x, tangent: full(x, 1) }, ...seeds])[0]!;
    }, fieldOf(field));
  return (name) => {
    const { field, derivative: text } = partsOf(name);
    if (!Object.hasOwn(transform, field)) return networks(name);
    if (text === '') return fieldOf(field);
    const derivative = derivativeOf(system, text)!;
    if (text !== 'lap') {
      const product = derivative[0]!.toSorted();
      return along(field, product, outputOf(field, product.join('')));
    }
    // Of N's second derivatives the sum is known, and enters as such.
    const N = outputOf(field);
    const bends = derivative.map((product) => along(field, product, full(N, 0))).reduce((a, b) => add(a, b));
    const [slope] = jvp([fieldOf(field)], [{ of: N, tangent: full(N, 1) }]);
    return add(bends, mul(slope, outputOf(field, 'lap')));
  };
}
