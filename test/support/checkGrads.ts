/**
 * Derivatives of the tape against differences of its values, in the style of `jax.test_util.check_grads`. Forward mode
 * is compared along a random direction, reverse mode through the identity <ct, J t> = <J^T ct, t>. For the second order
 * the derivative itself, with its tangents or cotangents as further arguments, is the function to check: so order 2 in
 * two modes covers forward over forward, forward over reverse, reverse over forward and reverse over reverse.
 */
import { jvp, type Shape, type Var, vjp } from '../../engine/tape/index.ts';
import { type Build, generator, numeric, type Tensor, uniform } from './tensors.ts';

export type Mode = 'fwd' | 'rev';

export interface CheckOptions {
  readonly order?: number;
  readonly modes?: readonly Mode[];
  /** Error allowed relative to 1 + the size of the derivative. */
  readonly tolerance?: number;
  readonly seed?: number;
}

/** A derivative of the tape that the differences contradict. */
export class GradientMismatch extends Error {
  override readonly name = 'GradientMismatch';
}

/** Throws {@link GradientMismatch} where a derivative of `f` up to `order` is not what the values say. */
export function checkGrads(
  f: (x: Var[]) => Var | readonly Var[],
  inputs: readonly Tensor[],
  { order = 2, modes = ['fwd', 'rev'], tolerance = 1e-8, seed = 1 }: CheckOptions = {},
): void {
  const build: Build = (x) => [f(x)].flat();
  check(build, inputs, order, modes, { tolerance, random: generator(seed), path: [] });
}

interface Context {
  readonly tolerance: number;
  readonly random: () => number;
  readonly path: readonly Mode[];
}

function check(f: Build, inputs: readonly Tensor[], order: number, modes: readonly Mode[], context: Context): void {
  const shapes = inputs.map(({ shape }) => shape);
  const directions = shapes.map((shape) => uniform(shape, context.random));
  const slopes = differences(f, inputs, directions);
  const outputs = outputShapes(f, shapes);
  for (const mode of modes) {
    const path = [mode, ...context.path];
    const extra = mode === 'fwd' ? directions : outputs.map((shape) => uniform(shape, context.random));
    const derivative = mode === 'fwd' ? forward(f, inputs.length) : reverse(f, inputs.length);
    const all = [...inputs, ...extra];
    const values = numeric(
      derivative,
      all.map(({ shape }) => shape),
    )(all.map(({ data }) => data));
    if (mode === 'fwd')
      compare(
        values.flatMap((v) => [...v]),
        slopes.flat(),
        context.tolerance,
        path,
      );
    else {
      const expected = dot(
        extra.map(({ data }) => data),
        slopes,
      );
      const actual = dot(
        values,
        directions.map(({ data }) => data),
      );
      compare([actual], [expected], context.tolerance, path);
    }
    if (order > 1) check(derivative, all, order - 1, modes, { ...context, path });
  }
}

/** x, tangents -> J tangents. */
function forward(f: Build, count: number): Build {
  return (all) => {
    const x = all.slice(0, count);
    return jvp(
      f(x),
      x.map((of, k) => ({ of, tangent: all[count + k]! })),
    );
  };
}

/** x, cotangents -> J^T cotangents. */
function reverse(f: Build, count: number): Build {
  return (all) => {
    const x = all.slice(0, count);
    return vjp(f(x), all.slice(count), x);
  };
}

/**
 * Derivative along a direction by the central formula of fourth order. Its truncation error grows as h^4 and its
 * rounding error as eps/h, so h = eps^(1/5) balances them at about 1e-12.
 */
function differences(f: Build, inputs: readonly Tensor[], directions: readonly Tensor[]): number[][] {
  const h = Number.EPSILON ** (1 / 5);
  const run = numeric(
    f,
    inputs.map(({ shape }) => shape),
  );
  const at = (t: number) => run(inputs.map(({ data }, k) => data.map((x, i) => x + t * h * directions[k]!.data[i]!)));
  const [p1, m1, p2, m2] = [at(1), at(-1), at(2), at(-2)];
  return p1.map((y, k) =>
    Array.from(y, (_, i) => (8 * (p1[k]![i]! - m1[k]![i]!) - (p2[k]![i]! - m2[k]![i]!)) / (12 * h)),
  );
}

function outputShapes(f: Build, shapes: readonly Shape[]): Shape[] {
  const found: Shape[] = [];
  numeric((x) => {
    const outputs = f(x);
    found.push(...outputs.map((y) => y.shape));
    return outputs;
  }, shapes);
  return found;
}

function compare(
  actual: readonly number[],
  expected: readonly number[],
  tolerance: number,
  path: readonly Mode[],
): void {
  if (actual.length !== expected.length)
    throw new GradientMismatch(`${path.join(' of ')}: ${actual.length} numbers where ${expected.length} are due`);
  const size = 1 + Math.max(0, ...expected.map(Math.abs));
  actual.forEach((value, i) => {
    const error = Math.abs(value - expected[i]!) / size;
    // Written so that NaN is a mismatch.
    if (!(error <= tolerance))
      throw new GradientMismatch(
        `${path.join(' of ')}: the tape says ${value}, differences ${expected[i]} (error ${error.toExponential(1)})`,
      );
  });
}

function dot(a: readonly ArrayLike<number>[], b: readonly ArrayLike<number>[]): number {
  let sum = 0;
  a.forEach((part, k) => {
    for (let i = 0; i < part.length; i++) sum += part[i]! * b[k]![i]!;
  });
  return sum;
}
