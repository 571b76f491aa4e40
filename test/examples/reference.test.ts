/** The error of the references that no formula gives: against published tables, or against themselves with finer steps. */
import { describe, expect, it } from 'vitest';
import { allenCahn } from '../../examples/reference/allen-cahn.mjs';
import { burgers } from '../../examples/reference/burgers.mjs';
import { cavity } from '../../examples/reference/cavity.mjs';
import { convection } from '../../examples/reference/convection.mjs';
import { measured } from '../../examples/reference/measured.mjs';
import { pellet } from '../../examples/reference/pellet.mjs';

const line = Array.from({ length: 401 }, (_, k) => k / 400);
const largest = (values: readonly number[]) => Math.max(...values);

it("Burgers' equation: more nodes change nothing, and the slope at the middle is that of Basdevant et al. (1986)", () => {
  const nu = 0.01 / Math.PI;
  for (const t of [0.01, 0.4, 1])
    for (const x of [-0.9, -0.3, 0.002, 0.5]) expect(burgers(nu, x, t)).toBeCloseTo(burgers(nu, x, t, 1801), 11);
  const slope = (t: number) => (burgers(nu, 1e-6, t) - burgers(nu, -1e-6, t)) / 2e-6;
  expect(slope(1.6037 / Math.PI)).toBeCloseTo(-152.00516, 2);
});

it('Allen-Cahn: more modes and half the steps change it by less than 5e-6', () => {
  const [rough, fine] = [allenCahn(1e-4), allenCahn(1e-4, 640, 2.5e-3)];
  for (const x of [0, 0.31, 0.5, 0.77, 0.99])
    for (const t of [0.1, 0.3]) expect(Math.abs(rough(x, t) - fine(x, t))).toBeLessThan(5e-6);
});

it('Allen-Cahn: begins as it should, but for 1e-4 where the period begins anew with a kink', () => {
  for (const x of [0, 0.31, 0.77, 0.99])
    expect(Math.abs(allenCahn(1e-4)(x, 0) - x * x * Math.cos(Math.PI * x))).toBeLessThan(1e-4);
});

it('heat and reaction: 24 nodes and 48 agree, and without heat it is cosh', () => {
  for (const phi of [0.5, 1, 2]) expect(pellet(phi, 0.3, 10, 24)(0.3)).toBeCloseTo(pellet(phi, 0.3, 10, 48)(0.3), 7);
  expect(pellet(2, 1e-12, 10)(0.25)).toBeCloseTo(Math.cosh(0.5) / Math.cosh(2), 10);
});

describe('the cavity at Re = 100', () => {
  const { u, v } = cavity(0.01);
  /** Ghia, Ghia and Shin (1982), tables I and II: u at x = 1/2, v at y = 1/2. */
  const ghia = {
    u: [
      [0.9766, 0.84123],
      [0.9688, 0.78871],
      [0.9609, 0.73722],
      [0.9531, 0.68717],
      [0.8516, 0.23151],
      [0.7344, 0.00332],
      [0.6172, -0.13641],
      [0.5, -0.20581],
      [0.4531, -0.2109],
      [0.2813, -0.15662],
      [0.1719, -0.1015],
      [0.1016, -0.06434],
      [0.0703, -0.04775],
      [0.0625, -0.04192],
      [0.0547, -0.03717],
    ],
    v: [
      [0.9688, -0.05906],
      [0.9609, -0.07391],
      [0.9531, -0.08864],
      [0.9453, -0.10313],
      [0.9063, -0.16914],
      [0.8594, -0.22445],
      [0.8047, -0.24533],
      [0.5, 0.05454],
      [0.2344, 0.17527],
      [0.2266, 0.17507],
      [0.1563, 0.16077],
      [0.0938, 0.12317],
      [0.0781, 0.1089],
      [0.0703, 0.10091],
      [0.0625, 0.09233],
    ],
  } as const;

  it("is Ghia's, up to the 1e-2 by which the table misses its own limit", () => {
    expect(largest(ghia.u.map(([y, value]) => Math.abs(u(0.5, y) - value)))).toBeLessThan(0.006);
    expect(largest(ghia.v.map(([x, value]) => Math.abs(v(x, 0.5) - value)))).toBeLessThan(0.01);
  });

  it('has the extrema of Botella and Peyret (1998) to 2e-4', () => {
    expect(Math.abs(-largest(line.map((y) => -u(0.5, y))) - -0.2140424)).toBeLessThan(2e-4);
    expect(Math.abs(largest(line.map((x) => v(x, 0.5))) - 0.1795728)).toBeLessThan(2e-4);
    expect(Math.abs(-largest(line.map((x) => -v(x, 0.5))) - -0.253803)).toBeLessThan(2e-4);
  });
});

describe('natural convection at Ra = 1000', () => {
  const { u, v, p, T } = convection(1000, 0.71);

  it('has the velocities and the heat flux of de Vahl Davis (1983)', () => {
    const unit = Math.sqrt(1000 * 0.71);
    expect(unit * largest(line.map((y) => u(0.5, y)))).toBeCloseTo(3.649, 2);
    expect(unit * largest(line.map((x) => v(x, 0.5)))).toBeCloseTo(3.697, 2);
    const flux = line.reduce(
      (sum, y, k) => sum + ((k === 0 || k === 400 ? 0.5 : 1) / 400) * ((1 - T(1e-4, y)) / 1e-4),
      0,
    );
    expect(flux).toBeCloseTo(1.118, 3);
  });

  it('changes by less than 1e-4 from degree 10 to 12', () => {
    const rough = convection(1000, 0.71, 10);
    for (const [x, y] of [
      [0.2, 0.3],
      [0.5, 0.81],
      [0.9, 0.1],
    ] as const) {
      expect(Math.abs(rough.u(x, y) - u(x, y))).toBeLessThan(1e-4);
      expect(Math.abs(rough.v(x, y) - v(x, y))).toBeLessThan(1e-4);
      expect(Math.abs(rough.p(x, y) - p(x, y))).toBeLessThan(1e-3);
      expect(Math.abs(rough.T(x, y) - T(x, y))).toBeLessThan(1e-4);
    }
  });
});

it('measurements are the same for a seed, inside the box, with the noise asked for', () => {
  const take = (seed: number) => measured('u', () => 0, { x: [1, 3] }, { count: 4000, noise: 0.5, seed });
  expect(take(1)).toEqual(take(1));
  expect(take(1)).not.toEqual(take(2));
  const { x, u } = take(1) as { x: number[]; u: number[] };
  expect(x.every((each) => each > 1 && each < 3)).toBe(true);
  expect(x.reduce((a, b) => a + b, 0) / 4000).toBeCloseTo(2, 1);
  expect(Math.sqrt(u.reduce((sum, each) => sum + each * each, 0) / 4000)).toBeCloseTo(0.5, 1);
});
