/** Gauss-Newton on a small dense problem, against directions from normal equations that a library solves. */
import { Matrix, solve } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import {
  factorize,
  formOf,
  type GaussNewtonSettings,
  gaussNewtonStep,
  type LeastSquares,
  nextDamping,
  startOf,
  substitute,
} from '../../optim/index.ts';
import { squares as problem } from '../support/squares.ts';

const theta0 = (P: number) => Float64Array.from({ length: P }, (_, j) => 0.2 * Math.sin(j + 1));
const settings: GaussNewtonSettings = { momentum: 0, damping: 1e-2, adaptive: true, blocks: 'joint' };
const column = (x: ArrayLike<number>) => Matrix.columnVector(Array.from(x));

/** (J^T J + lambda)^-1 J^T z, by the library. */
function normalSolution(J: Matrix, z: ArrayLike<number>, lambda: number): number[] {
  const A = J.transpose()
    .mmul(J)
    .add(Matrix.eye(J.columns, J.columns, lambda));
  return solve(A, J.transpose().mmul(column(z))).to1DArray();
}

const far = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.max(...Array.from(a, (x, k) => Math.abs(x - b[k]!))) / Math.max(...Array.from(b, Math.abs));

describe('factorize', () => {
  it.each([1, 3, 4, 63, 64, 65, 130])('solves systems of %i unknowns', (n) => {
    const A = Float64Array.from({ length: n * n }, (_, k) => {
      const [i, j] = [Math.floor(k / n), k % n];
      return 1 / (1 + Math.abs(i - j)) + (i === j ? 1 : 0);
    });
    const b = Float64Array.from({ length: n }, (_, i) => Math.sin(i + 1));
    const [L, x] = [A.slice(), b.slice()];
    expect(factorize(L, n)).toBe(true);
    substitute(L, n, x);
    const expected = solve(Matrix.from1DArray(n, n, [...A]), column(b)).to1DArray();
    expect(far(x, expected)).toBeLessThan(1e-12);
  });

  it('says where a matrix is not positive definite, early or late', () => {
    expect(factorize(Float64Array.of(1, 2, 2, 1), 2)).toBe(false);
    const n = 100;
    const A = new Float64Array(n * n);
    for (let i = 0; i < n; i++) A[i * n + i] = i === 97 ? -1e-9 : 1;
    expect(factorize(A, n)).toBe(false);
  });
});

describe('a step', () => {
  it.each([
    [5, 12, 'kernel'],
    [30, 6, 'parameter'],
  ] as const)('of %i rows and %i parameters solves in %s form what the normal equations say', async (M, P, form) => {
    const p = problem(M, P);
    expect(formOf(p)).toBe(form);
    const state = startOf(theta0(P), settings);
    const [r] = await p.residuals([state.theta]);
    const d = normalSolution(
      p.J(state.theta),
      r!.map((x) => -x),
      1e-2,
    );
    const before = state.theta;
    const { eta, loss } = await gaussNewtonStep(p, state, settings);
    expect(eta).toBeGreaterThan(0);
    expect(
      far(
        state.theta,
        before.map((x, k) => x + eta * d[k]!),
      ),
    ).toBeLessThan(1e-10);
    expect(loss).toBeLessThan(r!.reduce((s, x) => s + x * x, 0));
  });

  it('with momentum is SPRING: zeta = -r - mu J phi, phi = mu phi + J^T y, corrected for its start', async () => {
    const p = problem(7, 10);
    const spring = { ...settings, momentum: 0.9, adaptive: false };
    const state = startOf(theta0(10), spring);
    let phi: number[] = new Array(10).fill(0);
    for (let t = 1; t <= 3; t++) {
      const before = state.theta;
      const J = p.J(before);
      const [r] = await p.residuals([before]);
      const zeta = J.mmul(column(phi))
        .to1DArray()
        .map((x, i) => -r![i]! - 0.9 * x);
      const y = solve(J.mmul(J.transpose()).add(Matrix.eye(7, 7, 1e-2)), column(zeta));
      phi = J.transpose()
        .mmul(y)
        .to1DArray()
        .map((x, k) => 0.9 * phi[k]! + x);
      const { eta, lambda } = await gaussNewtonStep(p, state, spring);
      expect(lambda).toBe(1e-2);
      const expected = before.map((x, k) => x + (eta * phi[k]!) / Math.sqrt(1 - 0.9 ** (2 * t)));
      expect(far(state.theta, expected), `step ${t}`).toBeLessThan(1e-9);
    }
  });

  it('in blocks moves each network as if the other stood still', async () => {
    const p = problem(5, 12);
    const state = startOf(theta0(12), settings);
    const before = state.theta;
    const J = p.J(before);
    const [r] = await p.residuals([before]);
    const zeta = r!.map((x) => -x);
    const d = [J.subMatrix(0, 4, 0, 5), J.subMatrix(0, 4, 6, 11)].flatMap((own) => normalSolution(own, zeta, 1e-2));
    const { eta } = await gaussNewtonStep(p, state, { ...settings, blocks: 'network' });
    expect(eta).toBeGreaterThan(0);
    expect(
      far(
        state.theta,
        before.map((x, k) => x + eta * d[k]!),
      ),
    ).toBeLessThan(1e-10);
  });

  it('in blocks of layers moves each layer as if the rest stood still', async () => {
    const p = problem(5, 12);
    const state = startOf(theta0(12), settings);
    const before = state.theta;
    const J = p.J(before);
    const zeta = (await p.residuals([before]))[0]!.map((x) => -x);
    const layers = [
      [0, 1],
      [2, 5],
      [6, 7],
      [8, 11],
    ] as const;
    const d = layers.flatMap(([from, to]) => normalSolution(J.subMatrix(0, 4, from, to), zeta, 1e-2));
    const { eta } = await gaussNewtonStep(p, state, { ...settings, blocks: 'layer' });
    expect(eta).toBeGreaterThan(0);
    const moved = before.map((x, k) => x + eta * d[k]!);
    expect(far(state.theta, moved)).toBeLessThan(1e-10);
  });

  it('stays where no step lowers the loss, forgets its momentum and damps tenfold', async () => {
    const p = problem(5, 12);
    const flat: LeastSquares = { ...p, residuals: async (thetas) => thetas.map(() => new Float64Array(5).fill(1)) };
    const state = { ...startOf(theta0(12), settings), phi: new Float64Array(12).fill(1), since: 3 };
    const before = state.theta;
    const { eta } = await gaussNewtonStep(flat, state, { ...settings, momentum: 0.5 });
    expect(eta).toBe(0);
    expect(state.theta).toEqual(before);
    expect(state.phi).toEqual(new Float64Array(12));
    expect(state.since).toBe(0);
    expect(state.lambda).toBeCloseTo(0.1, 12);
  });

  it('raises lambda tenfold until the matrix can be factorized', async () => {
    const p = problem(5, 12);
    const negative: LeastSquares = {
      ...p,
      linearize: async (theta) => {
        const J = await p.linearize(theta);
        const shift = async () => (await J.gram()).map((x, k) => (k % 6 === 0 ? x - 100 : x));
        return { ...J, gram: shift };
      },
    };
    const { lambda } = await gaussNewtonStep(negative, startOf(theta0(12), settings), settings);
    expect(lambda).toBeCloseTo(100, 9);
  });

  it('asks for losses of several steps at once, and no more than it needs', async () => {
    const p = problem(5, 12);
    await gaussNewtonStep(p, startOf(theta0(12), settings), settings);
    expect(p.asked).toEqual([1, 3]);
  });

  it('converges where Gauss-Newton does: a consistent system to rounding', async () => {
    const p = problem(6, 14);
    const state = startOf(theta0(14), settings);
    let loss = Number.POSITIVE_INFINITY;
    for (let t = 0; t < 30; t++) ({ loss } = await gaussNewtonStep(p, state, settings));
    expect(loss).toBeLessThan(1e-24);
  });
});

it('damping follows the line search', () => {
  expect([2, 1, 1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 2 ** -30, 0].map((eta) => nextDamping(12, eta))).toEqual([
    4, 4, 4, 12, 24, 24, 48, 48, 120,
  ]);
});
