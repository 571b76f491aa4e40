/** Points in a box, or in what an inside-test leaves of it: where residuals, conditions and errors are taken. */
import { UserError } from '../engine/index.ts';
import { linspace } from './points.ts';
import { MersenneTwister } from './random.ts';
import { type Coordinates, countOf } from './system.ts';

/** Points that cannot be found. */
export class SamplingError extends UserError {
  override readonly name = 'SamplingError';
}

/** Where each coordinate begins and ends. */
export type Box = Readonly<Record<string, readonly [low: number, high: number]>>;

/**
 * `uniform`: the middles of equal cells, as many along each coordinate; `random`: independent and uniform;
 * `latin-hypercube`: one point in each of N slices of every coordinate (McKay, Beckman and Conover 1979).
 */
export const samplings = ['uniform', 'random', 'latin-hypercube'] as const;
export type Sampling = (typeof samplings)[number];

/** Values at points, one for each. */
export type AtPoints = (points: Coordinates) => ArrayLike<number>;

/** Points within `depth` of where a coordinate is held. */
export interface Layer {
  readonly at: Readonly<Record<string, number>>;
  readonly depth: number;
}

/** A place of groups that have points in common but for the coordinates held. */
export interface Held {
  readonly groups: readonly { readonly group: string; readonly at: Readonly<Record<string, number | AtPoints>> }[];
  readonly points: number;
}

export interface Recipe {
  readonly interior: {
    readonly count: number;
    readonly sampling?: Sampling | undefined;
    /** Half of the points lie in these. */
    readonly layers?: readonly Layer[];
  };
  readonly held: readonly Held[];
  /** Positive inside. */
  readonly inside?: AtPoints | undefined;
}

/** The parameter of a curve that coordinates are held on, from 0 to 1. */
export const ALONG = 's';

/** Seeds of later rounds lie far from those of other runs. */
const GOLDEN = 0x9e3779b1;
const generatorOf = (seed: number, round: number) => new MersenneTwister((seed + Math.imul(round, GOLDEN)) >>> 0);

/** Points by group, equal for equal seeds and rounds. By default on a line `uniform`, else `latin-hypercube`. */
export function draw(box: Box, seed: number, recipe: Recipe, round = 0): Record<string, Coordinates> {
  const random = generatorOf(seed, round);
  const { interior, held, inside } = recipe;
  const groups: Record<string, Coordinates> = { interior: interiorOf(box, interior, inside, random) };
  for (const place of held) Object.assign(groups, heldOf(box, place, inside, random));
  return groups;
}

/** Independent points of the interior. */
export const candidates = (box: Box, seed: number, count: number, inside: AtPoints | undefined, round: number) =>
  within(box, count, 'random', inside, generatorOf(seed, round));

function interiorOf(
  box: Box,
  { count, sampling = Object.keys(box).length === 1 ? 'uniform' : 'latin-hypercube', layers = [] }: Recipe['interior'],
  inside: AtPoints | undefined,
  random: MersenneTwister,
): Coordinates {
  if (layers.length === 0) return within(box, count, sampling, inside, random);
  const near = Math.floor(count / 2);
  const shares = layers.map(
    (_, k) => Math.floor((near * (k + 1)) / layers.length) - Math.floor((near * k) / layers.length),
  );
  return joined([
    within(box, count - near, sampling, inside, random),
    ...layers.flatMap((layer, k) =>
      shares[k]! > 0 ? [within(boxOf(box, layer), shares[k]!, sampling, inside, random)] : [],
    ),
  ]);
}

/** The part of a box within a layer. */
function boxOf(box: Box, { at, depth }: Layer): Box {
  const near = Object.entries(at).map(([name, value]) => {
    const [low, high] = box[name]!;
    return [name, [Math.max(low, value - depth), Math.min(high, value + depth)]] as const;
  });
  return { ...box, ...Object.fromEntries(near) };
}

/** Where one coordinate is free it runs from end to end; points on a curve lie evenly; several are random. */
function heldOf(box: Box, { groups, points }: Held, inside: AtPoints | undefined, random: MersenneTwister) {
  const curved = groups.some(({ at }) => Object.values(at).some((value) => typeof value !== 'number'));
  const open = Object.entries(box).filter(([name]) => !(name in groups[0]!.at));
  const free: Box = Object.fromEntries([...(curved ? [[ALONG, [0, 1]] as const] : []), ...open]);
  const [first, ...others] = Object.keys(free);
  const placed = (moving: Coordinates, at: Held['groups'][number]['at']): Coordinates => {
    const count = first === undefined ? 1 : countOf(moving);
    const value = (name: string) => {
      const held = at[name];
      if (held === undefined) return moving[name]!;
      return typeof held === 'number' ? new Float64Array(count).fill(held) : Float64Array.from(held(moving));
    };
    return Object.fromEntries(Object.keys(box).map((name) => [name, value(name)]));
  };
  const test = inside && ((moving: Coordinates) => inside(placed(moving, groups[0]!.at)));
  const moving =
    first === undefined || others.length > 0
      ? first === undefined
        ? {}
        : within(free, points, 'random', curved ? undefined : test, random)
      : curved
        ? within(free, points, 'uniform', undefined, random)
        : keep({ [first]: linspace(...free[first]!, points) }, test);
  return Object.fromEntries(groups.map(({ group, at }) => [group, placed(moving, at)]));
}

/** Batches of points without one inside before it is given up. */
const ATTEMPTS = 1000;

/** `count` points of a box that are inside; of the cells' middles as many as there are. Throws {@link SamplingError}. */
function within(
  box: Box,
  count: number,
  sampling: Sampling,
  inside: AtPoints | undefined,
  random: MersenneTwister,
): Coordinates {
  if (sampling === 'uniform') return keep(sampled(box, count, sampling, random), inside);
  let found = keepAny(sampled(box, count, sampling, random), inside);
  for (let attempt = 0; countOf(found) < count; attempt++) {
    if (attempt === ATTEMPTS)
      throw new SamplingError(`of ${ATTEMPTS * count} points only ${countOf(found)} are inside`);
    found = joined([found, keepAny(sampled(box, count, sampling, random), inside)]);
  }
  return Object.fromEntries(Object.entries(found).map(([name, values]) => [name, values.subarray(0, count)]));
}

function keepAny(points: Coordinates, inside: AtPoints | undefined): Coordinates {
  if (!inside) return points;
  const level = inside(points);
  return Object.fromEntries(
    Object.entries(points).map(([name, values]) => [name, values.filter((_, k) => level[k]! > 0)]),
  );
}

/** Throws {@link SamplingError} where none is inside. */
function keep(points: Coordinates, inside: AtPoints | undefined): Coordinates {
  const kept = keepAny(points, inside);
  if (countOf(kept) === 0) throw new SamplingError(`none of ${countOf(points)} points is inside`);
  return kept;
}

function joined(parts: readonly Coordinates[]): Coordinates {
  return Object.fromEntries(
    Object.keys(parts[0]!).map((name) => [name, Float64Array.from(parts.flatMap((part) => [...part[name]!]))]),
  );
}

function sampled(box: Box, count: number, sampling: Sampling, random: MersenneTwister): Record<string, Float64Array> {
  const sides = Object.entries(box);
  if (sampling === 'uniform') {
    const each = Math.max(1, Math.round(count ** (1 / sides.length)));
    return product(sides.map(([name, [low, high]]) => [name, cells(low, high, each)]));
  }
  return Object.fromEntries(
    sides.map(([name, [low, high]]) => {
      const slices = sampling === 'random' ? undefined : shuffled(count, random);
      const unit = (k: number) => (slices ? (slices[k]! + random.numpyRand()) / count : random.numpyRand());
      return [name, Float64Array.from({ length: count }, (_, k) => low + (high - low) * unit(k))];
    }),
  );
}

const cells = (low: number, high: number, count: number) =>
  Float64Array.from({ length: count }, (_, k) => low + ((k + 0.5) * (high - low)) / count);

/** 0 to count - 1 in random order (Fisher and Yates). */
function shuffled(count: number, random: MersenneTwister): number[] {
  const order = Array.from({ length: count }, (_, k) => k);
  for (let k = count - 1; k > 0; k--) {
    const other = Math.floor(random.numpyRand() * (k + 1));
    [order[k], order[other]] = [order[other]!, order[k]!];
  }
  return order;
}

/** Points along each coordinate of an evaluation grid, by their number. */
const FINE = [400, 100, 24] as const;

/** A regular grid with both ends of every coordinate, the last running fastest; of it, what is inside. */
export function grid(box: Box, inside?: AtPoints, counts?: readonly number[]): Coordinates {
  const sides = Object.entries(box);
  const count = FINE[sides.length - 1] ?? FINE[2];
  const all = product(sides.map(([name, [low, high]], d) => [name, linspace(low, high, counts?.[d] ?? count)]));
  return keep(all, inside);
}

/** Every combination, the last coordinate running fastest. */
function product(sides: readonly (readonly [name: string, values: Float64Array])[]): Record<string, Float64Array> {
  const total = sides.reduce((size, [, values]) => size * values.length, 1);
  let repeat = total;
  return Object.fromEntries(
    sides.map(([name, values]) => {
      repeat /= values.length;
      const stride = repeat;
      return [name, Float64Array.from({ length: total }, (_, k) => values[Math.floor(k / stride) % values.length]!)];
    }),
  );
}

/**
 * Which of the candidates to take: `count` of them drawn without replacement, with chances in proportion to
 * error^power / mean(error^power) + offset: residual-based adaptive distribution, RAD (Wu, Zhu, Tan, Kartha and Lu 2023).
 * Weighted drawing by exponential keys (Efraimidis and Spirakis 2006). Not finite counts as the largest.
 */
export function chosen(
  errors: ArrayLike<number>,
  count: number,
  { power, offset }: { readonly power: number; readonly offset: number },
  seed: number,
  round: number,
): number[] {
  const random = generatorOf(seed, -round);
  const finite = Array.from(errors).filter(Number.isFinite);
  const largest = finite.reduce((a, b) => Math.max(a, b), 0);
  const raised = Array.from(errors, (error) => (Number.isFinite(error) ? error : largest) ** power);
  const mean = raised.reduce((a, b) => a + b, 0) / raised.length || 1;
  const keys = raised.map((value, k) => [Math.log(1 - random.numpyRand()) / (value / mean + offset), k] as const);
  const best = keys.sort(([a], [b]) => b - a).slice(0, count);
  return best.map(([, k]) => k).sort((a, b) => a - b);
}
