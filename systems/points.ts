import { UserError } from '../engine/index.ts';
import { MersenneTwister } from './random.ts';

/** A point recipe that makes no sense. */
export class PointsError extends UserError {
  override readonly name = 'PointsError';
}

function checkCount(what: string, count: number): void {
  if (!Number.isSafeInteger(count) || count < 1)
    throw new PointsError(`${what} is ${count}, it must be a positive integer`);
}

function checkEpsilon(epsilon: number): void {
  if (!(epsilon > 0 && Number.isFinite(epsilon)))
    throw new PointsError(`epsilon is ${epsilon}, it must be a positive number`);
}

function fill<A extends Float32Array | Float64Array>(
  points: A,
  start: number,
  end: number,
  round: (x: number) => number,
): A {
  const count = points.length;
  const first = round(start);
  const last = round(end);
  const step = count > 1 ? round(round(last - first) / (count - 1)) : 0;
  const half = Math.floor(count / 2);
  for (let i = 0; i < count; i++)
    points[i] = count === 1 || i < half ? first + round(step * i) : last - round(step * (count - 1 - i));
  return points;
}

/**
 * `count` equally spaced float64 points with both ends, computed from the nearer end: `torch.linspace`'s algorithm, one
 * rounding per operation. PyTorch's own last bit varies with the CPU's vector instructions; results agree to an ulp of `end`.
 */
export function linspace(start: number, end: number, count: number): Float64Array {
  checkCount('number of points', count);
  return fill(new Float64Array(count), start, end, (x) => x);
}

/** {@link linspace} in float32 arithmetic throughout: what the published 1D runs train on. */
export function linspace32(start: number, end: number, count: number): Float32Array {
  checkCount('number of points', count);
  return fill(new Float32Array(count), start, end, Math.fround);
}

/** Collocation points X [N,1] of `thermoelasticity`, `reaction-diffusion` and `symmetric`: 0.01 to 0.99. */
export function uniformPoints(count = 200): Float64Array {
  return linspace(0.01, 0.99, count);
}

/**
 * Collocation points X [N,1] of `nernst-planck-poisson`: the `half` interior points of a uniform grid on [0,1], joined
 * with b (1 - cos t), t = linspace(0, pi/2, half), b = min(5 epsilon, 0.5), which crowd towards the wall at 0; sorted,
 * unique, without those within 1e-6 of the ends. 299 points at epsilon 0.1.
 */
export function boundaryLayerPoints(epsilon: number, half = 150): Float64Array {
  checkEpsilon(epsilon);
  checkCount('number of points in each half', half);
  const b = Math.min(5 * epsilon, 0.5);
  const uniform = linspace(0, 1, half + 2).subarray(1, -1);
  const layer = linspace(0, Math.PI / 2, half).map((t) => b * (1 - Math.cos(t)));
  const inside = [...uniform, ...layer].filter((x) => x > 1e-6 && x < 1 - 1e-6);
  return Float64Array.from(new Set(inside)).sort();
}

/** Collocation points of `electroosmotic-flow`, rows of (x, y): `interior` [N,2], `wall` and `side` [2 boundary, 2]. */
export interface ChannelPoints {
  readonly interior: Float64Array;
  /** The edge y = 0, then y = 1. */
  readonly wall: Float64Array;
  /** The edge x = 0, then x = 1. */
  readonly side: Float64Array;
}

/**
 * Collocation points of `electroosmotic-flow`: half of the interior ones uniform in [0.001, 0.999]^2, the other half with
 * y within min(5 epsilon, 0.3) of a wall (bottom, then top), drawn as NumPy's legacy `rand` draws them for this seed;
 * `boundary` points by linspace on each edge. `interior` is even; an odd half puts the extra point at the top.
 */
export function channelPoints(spec: {
  epsilon: number;
  seed: number;
  interior?: number;
  boundary?: number;
}): ChannelPoints {
  const { epsilon, seed, interior = 3000, boundary = 200 } = spec;
  checkEpsilon(epsilon);
  checkCount('number of interior points', interior);
  checkCount('number of points per edge', boundary);
  if (interior % 2 !== 0) throw new PointsError(`number of interior points is ${interior}, it must be even`);
  const generator = new MersenneTwister(seed);
  const half = interior / 2;
  const bottom = Math.floor(half / 2);
  const depth = Math.min(5 * epsilon, 0.3);

  const xy = Float64Array.from({ length: 2 * interior }, () => generator.numpyRand() * 0.998 + 0.001);
  for (let i = half; i < interior; i++) {
    const distance = generator.numpyRand() * depth;
    xy[2 * i + 1] = i < half + bottom ? distance + 0.001 : 1 - distance - 0.001;
  }

  const along = linspace(0, 1, boundary);
  const edges = (at: (s: number, end: number) => [number, number]) =>
    Float64Array.from([0, 1].flatMap((end) => [...along].flatMap((s) => at(s, end))));
  return { interior: xy, wall: edges((s, end) => [s, end]), side: edges((s, end) => [end, s]) };
}
