import { describe, expect, it } from 'vitest';
import { pointsOf } from '../../experiments/verify/golden.ts';
import { readGolden } from '../../experiments/verify/golden-file.ts';
import {
  channelPotential,
  PoissonBoltzmannError,
  type Potential,
  wallPotential,
} from '../../systems/poisson-boltzmann.ts';

const samples = Array.from({ length: 201 }, (_, i) => (i / 200) ** 3);
const epsilons = [10, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01];
const zetas = [0.1, 1, 3, 5];

function simpson(f: (t: number) => number, end: number, intervals = 2000): number {
  let sum = f(0) + f(end);
  for (let i = 1; i < intervals; i++) sum += (i % 2 ? 4 : 2) * f((end * i) / intervals);
  return (sum * end) / (3 * intervals);
}

/** The root of a falling function between two bounds. */
function bisect(f: (x: number) => number, low: number, high: number): number {
  let [a, b] = [low, high];
  for (let i = 0; i < 100; i++) {
    const middle = (a + b) / 2;
    if (f(middle) > 0) a = middle;
    else b = middle;
  }
  return (a + b) / 2;
}

/**
 * Distance from phi = 0, where the slope is 2 c sqrt(2) / epsilon, to phi: the first integral separated, with
 * sinh(phi / 2) = c sinh(t).
 */
function distanceFromZero(epsilon: number, c: number, phi: number): number {
  return (
    (epsilon / Math.SQRT2) * simpson((t) => 1 / Math.hypot(1, c * Math.sinh(t)), Math.asinh(Math.sinh(phi / 2) / c))
  );
}

/** Distance from the minimum 2 asinh(c) to phi, likewise with sinh(phi / 2) = c cosh(t). */
function distanceFromMinimum(epsilon: number, c: number, phi: number): number {
  const end = Math.acosh(Math.max(1, Math.sinh(phi / 2) / c));
  return (epsilon / Math.SQRT2) * simpson((t) => 1 / Math.hypot(1, c * Math.cosh(t)), end);
}

/** Largest deviation of epsilon^2 phi'^2 / 2 - 2 cosh(phi) from its value at y = 1, relative to its terms at y = 0. */
function firstIntegralError(potential: Potential, epsilon: number): number {
  const kinetic = (y: number) => (epsilon * potential.derivative(y)) ** 2 / 2;
  const osmotic = (y: number) => 2 * Math.cosh(potential.at(y));
  const expected = kinetic(1) - osmotic(1);
  const worst = Math.max(...samples.map((y) => Math.abs(kinetic(y) - osmotic(y) - expected)));
  return worst / (kinetic(0) + osmotic(0));
}

describe.each([
  { name: 'wallPotential', solve: wallPotential, far: 0 },
  { name: 'channelPotential', solve: channelPotential, far: 1 },
])('$name', ({ solve, far }) => {
  it.each(epsilons)('meets the boundary values and keeps the first integral at epsilon %s', (epsilon) => {
    for (const zeta of zetas) {
      const potential = solve(epsilon, zeta);
      expect(potential.at(0)).toBe(zeta);
      expect(potential.at(1)).toBe(far * zeta);
      expect(firstIntegralError(potential, epsilon)).toBeLessThan(1e-10);
    }
  });

  it.each(epsilons)('does not change with the mesh or the degree at epsilon %s', (epsilon) => {
    for (const zeta of zetas) {
      const coarse = solve(epsilon, zeta);
      const fine = solve(epsilon, zeta, { degree: 25, refine: 2 });
      const slope = Math.max(zeta, Math.abs(fine.derivative(0)));
      for (const y of samples) {
        expect(Math.abs(coarse.at(y) - fine.at(y))).toBeLessThan(1e-10);
        expect(Math.abs(coarse.derivative(y) - fine.derivative(y))).toBeLessThan(1e-10 * slope);
      }
    }
  });

  it('would show too low a degree by the same measure', () => {
    const coarse = solve(0.1, 1, { degree: 4 });
    const fine = solve(0.1, 1);
    expect(Math.max(...samples.map((y) => Math.abs(coarse.at(y) - fine.at(y))))).toBeGreaterThan(1e-7);
  });

  it('is odd in zeta and zero for an uncharged wall', () => {
    const [positive, negative, zero] = [solve(0.2, 2), solve(0.2, -2), solve(0.2, 0)];
    for (const y of samples) expect([negative.at(y) + positive.at(y), Math.abs(zero.at(y))]).toEqual([0, 0]);
  });

  it('holds for very thin and very wide layers', () => {
    for (const epsilon of [1e-6, 1e3]) expect(firstIntegralError(solve(epsilon, 5), epsilon)).toBeLessThan(1e-10);
  });

  it('refuses what has no solution, and says when Newton does not arrive', () => {
    for (const epsilon of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => solve(epsilon, 1)).toThrow(
        new PoissonBoltzmannError(`epsilon is ${epsilon}, it must be a positive number`),
      );
    for (const zeta of [31, Number.NaN])
      expect(() => solve(0.1, zeta)).toThrow(`zeta is ${zeta}, it must lie between -30 and 30`);
    expect(() => solve(0.1, 1, { degree: 1 })).toThrow('degree is 1, it must be an integer of at least 2');
    expect(() => solve(0.5, 5, { iterations: 1 })).toThrow(PoissonBoltzmannError);
    expect(() => solve(0.5, 5, { iterations: 1 })).toThrow(
      /^no Poisson-Boltzmann solution found for epsilon 0.5 .* after 1 iterations/,
    );
    expect(() => solve(0.1, 1).at(1.5)).toThrow(
      new PoissonBoltzmannError('y is 1.5, the potential is defined on [0, 1]'),
    );
  });
});

describe('against the separated first integral', () => {
  it.each([1, 0.5, 0.2, 0.1, 0.05])('phi is right to 1e-9 at epsilon %s', (epsilon) => {
    for (const zeta of [1, 5]) {
      const wall = wallPotential(epsilon, zeta);
      const slope = Math.exp(bisect((c) => distanceFromZero(epsilon, Math.exp(c), zeta) - 1, -60, 10));
      const channel = channelPotential(epsilon, zeta);
      const top = Math.log(Math.sinh(zeta / 2));
      const least = Math.exp(bisect((c) => distanceFromMinimum(epsilon, Math.exp(c), zeta) - 0.5, -60, top));
      expect(Math.abs(channel.at(0.5) - 2 * Math.asinh(least))).toBeLessThan(1e-9);
      for (const y of [0.01, 0.1, 0.35, 0.47]) {
        const inWall = (1 - distanceFromZero(epsilon, slope, wall.at(y)) - y) * wall.derivative(y);
        const inChannel = (0.5 - distanceFromMinimum(epsilon, least, channel.at(y)) - y) * channel.derivative(y);
        expect(Math.max(Math.abs(inWall), Math.abs(inChannel))).toBeLessThan(1e-9);
      }
    }
  });
});

describe('channelPotential', () => {
  it('equals the side values of electroosmotic-flow-small', () => {
    const golden = readGolden('test/golden/electroosmotic-flow-small.json');
    if (golden.kind !== 'system') throw new Error('expected a system case');
    const { data: side } = pointsOf(golden, 'side');
    const { data: phi } = pointsOf(golden, 'side_phi');
    const potential = channelPotential(golden.params['epsilon']!, golden.params['zeta']!);
    for (const [i, value] of phi.entries())
      expect(Math.abs(potential.at(side[2 * i + 1]!) - value)).toBeLessThan(1e-12);
  });

  it('is symmetric', () => {
    const potential = channelPotential(0.1, 1);
    for (const y of samples) expect(Math.abs(potential.at(y) - potential.at(1 - y))).toBeLessThan(1e-12);
  });
});
