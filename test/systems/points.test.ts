import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pointsOf, type SystemCase } from '../../experiments/verify/golden.ts';
import { readGolden } from '../../experiments/verify/golden-file.ts';
import {
  boundaryLayerPoints,
  channelPoints,
  linspace,
  linspace32,
  PointsError,
  uniformPoints,
} from '../../systems/points.ts';

function golden(name: string): SystemCase {
  const found = readGolden(`test/golden/${name}.json`);
  if (found.kind !== 'system') throw new Error(`${name} is no system case`);
  return found;
}

/** Largest distance between two lists of equal length. */
function distance(a: Float64Array, b: Float64Array): number {
  expect(a.length).toBe(b.length);
  return Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));
}

const rows = (xy: Float64Array) =>
  Array.from({ length: xy.length / 2 }, (_, i) => [xy[2 * i]!, xy[2 * i + 1]!] as const);

describe('linspace', () => {
  it('holds both ends, rises, and mirrors itself', () => {
    const spec = fc.record({
      count: fc.integer({ min: 2, max: 300 }),
      end: fc.double({ min: 0.1, max: 9, noNaN: true }),
    });
    fc.assert(
      fc.property(spec, ({ count, end }) => {
        const x = linspace(-end, end, count);
        expect([x.length, x[0], x.at(-1)]).toEqual([count, -end, end]);
        expect(x.every((value, i) => i === 0 || value > x[i - 1]!)).toBe(true);
        expect(x.every((value, i) => i === (count - 1) / 2 || value === -x[count - 1 - i]!)).toBe(true);
      }),
    );
  });

  it('is a single start for one point', () => {
    expect([...linspace(0.25, 1, 1)]).toEqual([0.25]);
  });

  it('rounds every operation to float32 where asked', () => {
    const x = linspace32(0.01, 0.99, 200);
    expect([x[0], x.at(-1)]).toEqual([Math.fround(0.01), Math.fround(0.99)]);
    expect(distance(Float64Array.from(x), linspace(0.01, 0.99, 200))).toBeLessThan(2 ** -23);
    expect(x).not.toEqual(Float32Array.from(linspace(0.01, 0.99, 200)));
  });

  it.each([0, -1, 1.5, Number.NaN])('refuses %s points', (count) => {
    expect(() => linspace(0, 1, count)).toThrow(
      new PointsError(`number of points is ${count}, it must be a positive integer`),
    );
  });
});

describe('collocation points', () => {
  it.each(['thermoelasticity-small', 'thermoelasticity-full', 'reaction-diffusion-small'])(
    'equal those of %s',
    (name) => {
      expect(distance(uniformPoints(), pointsOf(golden(name), 'interior').data)).toBeLessThanOrEqual(2 ** -53);
    },
  );

  it('equal those of nernst-planck-poisson-small', () => {
    const { params, ...rest } = golden('nernst-planck-poisson-small');
    const expected = pointsOf({ params, ...rest }, 'interior').data;
    expect(distance(boundaryLayerPoints(params['epsilon']!), expected)).toBeLessThan(2.3e-16);
  });

  it('crowd towards the wall in 5 epsilon, never touching the ends', () => {
    for (const epsilon of [1, 0.5, 0.2, 0.1, 0.05, 0.02]) {
      const x = boundaryLayerPoints(epsilon);
      const depth = Math.min(5 * epsilon, 0.5);
      expect(x.length).toBe(299);
      expect(x.every((value, i) => i === 0 || value > x[i - 1]!)).toBe(true);
      expect(x.filter((value) => value <= depth + 1e-12).length).toBe(149 + Math.floor(151 * depth + 1e-9));
      expect(x[0]).toBeCloseTo((depth * (Math.PI / 2 / 149) ** 2) / 2, 7);
    }
  });

  it('drop what lies within 1e-6 of the wall', () => {
    const x = boundaryLayerPoints(1e-3);
    expect(x[0]).toBeGreaterThan(1e-6);
    expect(x.length).toBe(298);
  });

  it("equal NumPy's at seed 42, epsilon 0.05, as the published code draws them", () => {
    const points = rows(channelPoints({ epsilon: 0.05, seed: 42 }).interior);
    expect(points.length).toBe(3000);
    expect([points[0], points[1499], points[1500], points[2249], points[2250], points[2999]]).toEqual([
      [0.3747910386096678, 0.9498128777970963],
      [0.290465440898512, 0.8706712061224726],
      [0.6723575882204802, 0.1630642385194555],
      [0.261810351849613, 0.10297355919504761],
      [0.5991006884323758, 0.9271493665386293],
      [0.4853200527935919, 0.8318116863875465],
    ]);
  });

  it('lie half in the whole channel, a quarter at each wall', () => {
    for (const [epsilon, depth] of [
      [0.2, 0.3],
      [0.01, 0.05],
    ] as const) {
      const points = rows(channelPoints({ epsilon, seed: 7, interior: 246 }).interior);
      const [all, bottom, top] = [points.slice(0, 123), points.slice(123, 184), points.slice(184)];
      expect(points.every(([x]) => x >= 0.001 && x <= 0.999)).toBe(true);
      expect(all.some(([, y]) => y > depth + 0.001 && y < 0.999 - depth)).toBe(true);
      expect(bottom.every(([, y]) => y >= 0.001 && y <= depth + 0.001)).toBe(true);
      expect(top.every(([, y]) => y >= 0.999 - depth && y <= 0.999)).toBe(true);
      expect(top.length).toBe(62);
    }
  });

  it('put the boundary points of electroosmotic-flow-small on its walls and sides', () => {
    const expected = golden('electroosmotic-flow-small');
    const { wall, side } = channelPoints({ epsilon: 0.1, seed: 1, boundary: 24 });
    expect(distance(wall, pointsOf(expected, 'wall').data)).toBeLessThanOrEqual(2 ** -53);
    expect(distance(side, pointsOf(expected, 'side').data)).toBeLessThanOrEqual(2 ** -53);
  });

  it('refuse recipes that make no sense', () => {
    expect(() => boundaryLayerPoints(0)).toThrow(new PointsError('epsilon is 0, it must be a positive number'));
    expect(() => channelPoints({ epsilon: Number.NaN, seed: 1 })).toThrow('epsilon is NaN');
    expect(() => channelPoints({ epsilon: 0.1, seed: 1, interior: 7 })).toThrow(
      new PointsError('number of interior points is 7, it must be even'),
    );
    expect(() => channelPoints({ epsilon: 0.1, seed: 1, boundary: 0 })).toThrow('number of points per edge is 0');
  });
});
