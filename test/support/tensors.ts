/** Small tensors for tests, drawn from a seeded generator so that every run sees the same numbers. */
import { evaluate, graphOf, input, newTape, type Shape, sizeOf, type Var } from '../../engine/tape/index.ts';

export interface Tensor {
  readonly shape: Shape;
  readonly data: readonly number[];
}

/** Uniform numbers in [0,1). */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Uniform in [low, high). */
export function uniform(shape: Shape, random: () => number, low = -1, high = 1): Tensor {
  return { shape, data: Array.from({ length: sizeOf(shape) }, () => low + (high - low) * random()) };
}

/** Distinct values at least `gap` apart in shuffled order: away from ties and jumps, where differences mean nothing. */
export function spread(shape: Shape, random: () => number, gap = 0.3): Tensor {
  const size = sizeOf(shape);
  const order = Array.from({ length: size }, (_, k) => ({ k, at: random() })).sort((a, b) => a.at - b.at);
  return { shape, data: order.map(({ k }) => gap * (k - (size - 1) / 2) + 0.1 * random()) };
}

export type Build = (x: Var[]) => readonly Var[];

/** A function on a tape as a function of numbers. */
export function numeric(build: Build, shapes: readonly Shape[]): (x: readonly ArrayLike<number>[]) => Float64Array[] {
  const tape = newTape();
  const inputs = shapes.map((shape, k) => input(tape, `x${k}`, shape));
  const graph = graphOf(inputs, build(inputs));
  return (x) => evaluate(graph, x);
}

/** Evaluates a function on a tape once. */
export function numbersOf(build: Build, inputs: readonly Tensor[]): number[][] {
  const f = numeric(
    build,
    inputs.map(({ shape }) => shape),
  );
  return f(inputs.map(({ data }) => data)).map((values) => [...values]);
}

export const scalar = (x: number): Tensor => ({ shape: [], data: [x] });

/** max |a - b| / max(|b|). */
export function relative(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [error, size] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    error = Math.max(error, Math.abs(a[i]! - b[i]!));
    size = Math.max(size, Math.abs(b[i]!));
  }
  return a.length === b.length ? error / size : Number.NaN;
}
