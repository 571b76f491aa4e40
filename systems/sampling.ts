/** Points in a box: where a system's residuals and conditions are taken, and where its errors are measured. */
import { linspace } from './points.ts';
import { MersenneTwister } from './random.ts';
import type { Coordinates } from './system.ts';

/** Where each coordinate begins and ends. */
type Box = Readonly<Record<string, readonly [low: number, high: number]>>;

/**
 * `uniform`: the middles of equal cells, as many along each coordinate; `random`: independent and uniform;
 * `latin-hypercube`: one point in each of N slices of every coordinate (McKay, Beckman and Conover 1979).
 */
export const samplings = ['uniform', 'random', 'latin-hypercube'] as const;
export type Sampling = (typeof samplings)[number];

export interface Recipe {
  readonly interior: { readonly interior: number; readonly sampling?: Sampling | undefined };
  /** Groups in which some coordinates are held; the others run from end to end, or are random where several are free. */
  readonly held: readonly {
    readonly group: string;
    readonly at: Readonly<Record<string, number>>;
    readonly points: number;
  }[];
}

/** Points by group, equal for equal seeds. By default on a line `uniform`, else `latin-hypercube`. */
export function draw(box: Box, seed: number, { interior, held }: Recipe): Record<string, Coordinates> {
  const random = new MersenneTwister(seed);
  const sampling = interior.sampling ?? (Object.keys(box).length === 1 ? 'uniform' : 'latin-hypercube');
  const groups: Record<string, Coordinates> = { interior: sampled(box, interior.interior, sampling, random) };
  for (const { group, at, points } of held) {
    const free = Object.fromEntries(Object.entries(box).filter(([name]) => !(name in at)));
    const names = Object.keys(free);
    const count = names.length === 0 ? 1 : points;
    const moving =
      names.length === 1
        ? { [names[0]!]: linspace(...free[names[0]!]!, count) }
        : sampled(free, count, 'random', random);
    groups[group] = Object.fromEntries(
      Object.keys(box).map((name) => [name, moving[name] ?? new Float64Array(count).fill(at[name]!)]),
    );
  }
  return groups;
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

/** A regular grid with both ends of every coordinate, the last running fastest. */
export function grid(box: Box): Coordinates {
  const sides = Object.entries(box);
  const count = FINE[sides.length - 1] ?? FINE[2];
  return product(sides.map(([name, [low, high]]) => [name, linspace(low, high, count)]));
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
