/** Where points lie: layers, cut-out domains, curves, rounds, and the choice by residuals. */
import { describe, expect, it } from 'vitest';
import { chosen, countOf, defineSystem, type SystemSpec } from '../../systems/index.ts';

const square: SystemSpec = {
  name: 'square',
  coordinates: { x: [-1, 1], y: [-1, 1] },
  fields: ['u'],
  parameters: { depth: 0.2 },
  residuals: { r: 'u.lap' },
  points: { interior: 200 },
};
const pointsOf = (change: Partial<SystemSpec>, seed = 1, round?: number) =>
  defineSystem({ ...square, ...change }).points({ depth: 0.2 }, seed, round);

describe('layers', () => {
  it('hold half of the points, an equal share each', () => {
    const layers = [
      { at: { y: -1 }, depth: 'depth/2' },
      { at: { x: 1 }, depth: 0.05 },
    ];
    const { x, y } = pointsOf({ points: { interior: 200, layers } })['interior']!;
    expect(x!.length).toBe(200);
    expect([...y!.subarray(100, 150)].every((value) => value <= -0.9)).toBe(true);
    expect([...x!.subarray(150)].every((value) => value >= 0.95)).toBe(true);
    expect([...y!.subarray(0, 100)].filter((value) => value <= -0.9).length).toBeLessThan(20);
    expect(Math.max(...y!.subarray(150))).toBeGreaterThan(0.5);
  });
});

describe('a domain that is cut out', () => {
  const annulus = {
    inside: '(1 - x^2 - y^2)*(x^2 + y^2 - 1/4)',
    conditions: [
      { at: { x: 'cos(2*pi*s)/2', y: 'sin(2*pi*s)/2' }, residuals: ['u'], points: 8 },
      { at: { y: 0 }, residuals: ['u.y'], points: 41 },
    ],
  };
  it.each(['uniform', 'random', 'latin-hypercube'] as const)('has its %s points inside', (sampling) => {
    const { x, y } = pointsOf({ ...annulus, points: { interior: 200, sampling } })['interior']!;
    if (sampling === 'uniform') expect(x!.length).toBeLessThan(200);
    else expect(x!.length).toBe(200);
    const radii = [...x!].map((value, k) => Math.hypot(value, y![k]!));
    expect(radii.every((r) => r > 0.5 && r < 1)).toBe(true);
    expect(Math.max(...x!) - Math.min(...x!)).toBeGreaterThan(1.7);
  });

  it('has conditions on curves, and held coordinates where they are inside', () => {
    const groups = pointsOf(annulus);
    const [, curve, line] = Object.values(groups);
    expect([...curve!['x']!].map((value, k) => Math.hypot(value, curve!['y']![k]!))).toEqual(
      new Array(8).fill(expect.closeTo(0.5, 12)),
    );
    expect(new Set(curve!['x']).size).toBeGreaterThan(3);
    expect([...line!['x']!].every((value) => Math.abs(value) > 0.5 && Math.abs(value) < 1)).toBe(true);
    expect(countOf(line!)).toBe(18);
  });

  it('is where errors are measured', () => {
    const { x, y } = defineSystem({ ...square, ...annulus }).evaluation();
    expect(x!.length).toBeGreaterThan(5000);
    expect([...x!].every((value, k) => Math.hypot(value, y![k]!) < 1)).toBe(true);
  });
});

describe('rounds', () => {
  it('differ, each the same every time, whatever came before', () => {
    const change: Partial<SystemSpec> = {
      conditions: [{ at: { x: -1 }, residuals: ['u'], points: 7 }],
      observations: [{ values: { x: [0], y: [0], u: [1] } }],
      points: { interior: 50, resample: 100 },
    };
    const at = (round: number) => pointsOf(change, 3, round);
    expect(at(2)).toEqual(at(2));
    expect(at(0)).toEqual(pointsOf(change, 3));
    expect(at(1)['interior']).not.toEqual(at(0)['interior']);
    expect(at(1)['interior']).not.toEqual(at(2)['interior']);
    expect(at(1)['data']).toEqual(at(0)['data']);
    expect(at(1)['interior']).not.toEqual(pointsOf(change, 4, 1)['interior']);
  });
});

describe('points chosen by residuals', () => {
  const errors = Float64Array.from({ length: 4000 }, (_, k) => (k < 400 ? 10 : 0.1));
  const share = (options: { power: number; offset: number }) =>
    chosen(errors, 200, options, 7, 3).filter((k) => k < 400).length / 200;

  it('are drawn in proportion to error^k / mean + c, each at most once, in order', () => {
    const points = chosen(errors, 200, { power: 1, offset: 1 }, 7, 3);
    expect(new Set(points).size).toBe(200);
    expect(points).toEqual(points.toSorted((a, b) => a - b));
    expect(points).toEqual(chosen(errors, 200, { power: 1, offset: 1 }, 7, 3));
    expect(points).not.toEqual(chosen(errors, 200, { power: 1, offset: 1 }, 7, 4));
    // A tenth of the candidates has (10/1.09 + 1) against (0.1/1.09 + 1): half of the chances.
    const expected = (400 * (10 / 1.09 + 1)) / (400 * (10 / 1.09 + 1) + 3600 * (0.1 / 1.09 + 1));
    expect(Math.abs(share({ power: 1, offset: 1 }) - expected)).toBeLessThan(0.1);
    expect(Math.abs(share({ power: 0, offset: 0 }) - 0.1)).toBeLessThan(0.06);
    expect(share({ power: 2, offset: 0 })).toBeGreaterThan(0.98);
  });

  it('take a residual that is not finite for the largest', () => {
    const broken = errors.map((value, k) => (k === 5 ? Number.NaN : value));
    expect(chosen(broken, 399, { power: 4, offset: 0 }, 7, 3).every((k) => k < 400)).toBe(true);
    expect(chosen(new Float64Array(9), 3, { power: 1, offset: 1 }, 1, 1)).toHaveLength(3);
  });
});
