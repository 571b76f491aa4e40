/** Self-scaled Broyden and L-BFGS: their updates against the formulas they come from, and where they lead. */
import { inverse, Matrix } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import {
  broydenStep,
  evaluated,
  lbfgsStep,
  memberOf,
  REMEMBERED,
  startOfBroyden,
  startOfLbfgs,
  twoLoops,
  updateInverse,
  wolfeSearch,
} from '../../optim/index.ts';
import { identity } from '../../optim/ssbroyden.ts';
import { squares } from '../support/squares.ts';

const wave = (n: number, step: number) => Float64Array.from({ length: n }, (_, k) => Math.sin(step * (k + 1)));
const matrix = (H: Float64Array) => {
  const n = Math.sqrt(H.length);
  return Matrix.from1DArray(n, n, [...H]);
};
const column = (x: ArrayLike<number>) => Matrix.columnVector(Array.from(x));
const times = (H: Float64Array, x: ArrayLike<number>) => matrix(H).mmul(column(x)).to1DArray();
const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a, (x, k) => x * b[k]!).reduce((p, q) => p + q);
const close = (a: ArrayLike<number>, b: ArrayLike<number>, digits: number) =>
  Array.from(a).forEach((x, k) => {
    expect(x).toBeCloseTo(b[k]!, digits);
  });

/** H, and a step from it on a quadratic whose Hessian is not that of H. */
function step(n: number) {
  const spread = Matrix.from1DArray(n, n, [...wave(n * n, 0.37)]);
  const hessian = spread
    .transpose()
    .mmul(spread)
    .add(Matrix.eye(n, n, 0.3));
  const H = Float64Array.from(identity(n), (x, k) => x + 0.02 * Math.cos((k % n) * Math.floor(k / n)));
  const gradient = wave(n, 1.7);
  const eta = 0.2;
  const s = Float64Array.from(times(H, gradient), (x) => -eta * x);
  const y = Float64Array.from(hessian.mmul(column(s)).to1DArray());
  return { H, gradient, eta, s, y };
}

describe('the update of H', () => {
  it.each([2, 5, 9])('meets the secant equation H y = s, symmetric and positive definite, for %i parameters', (n) => {
    const { H, gradient, eta, s, y } = step(n);
    updateInverse(H, s, y, gradient, eta);
    close(times(H, y), s, 12);
    const M = matrix(H);
    expect(M.transpose().to1DArray()).toEqual([...H]);
    for (let k = 1; k <= 20; k++) {
      const x = wave(n, 0.61 * k);
      expect(dot(x, times(H, x))).toBeGreaterThan(0);
    }
  });

  it('is the inverse of the update of B in the Broyden class, scaled by tau', () => {
    const { H, gradient, eta, s, y } = step(6);
    const B = inverse(matrix(H));
    const [sBs, ys, yHy] = [dot(s, B.mmul(column(s)).to1DArray()), dot(y, s), dot(y, times(H, y))];
    const [b, h] = [sBs / ys, yHy / ys];
    const { phi, tau } = memberOf({ b, h, n: 6 });
    // B+ = tau (B - Bs (Bs)^T / s.Bs + theta w w^T) + y y^T / y.s; phi = (1 - theta) / (1 + a theta).
    const a = b * h - 1;
    const theta = (1 - phi) / (1 + a * phi);
    const Bs = B.mmul(column(s));
    const w = column(y).div(ys).sub(Bs.clone().div(sBs)).mul(Math.sqrt(sBs));
    const next = B.clone()
      .sub(Bs.mmul(Bs.transpose()).div(sBs))
      .add(w.mmul(w.transpose()).mul(theta))
      .mul(tau)
      .add(column(y).mmul(column(y).transpose()).div(ys));
    updateInverse(H, s, y, gradient, eta);
    close(H, inverse(next).to1DArray(), 10);
  });

  it('takes BFGS unscaled where H was right already', () => {
    const { phi, tau } = memberOf({ b: 1, h: 1, n: 10 });
    expect(phi).toBeCloseTo(1, 7);
    expect(tau).toBeCloseTo(1, 7);
    expect(memberOf({ b: 4, h: 2, n: 10 }).tau).toBeLessThanOrEqual(1 / 4);
  });
});

it('the two loops are BFGS updates of the scaled identity, one by one', () => {
  const n = 7;
  const pairs = [1, 2, 3].map((k) => {
    const s = wave(n, 0.7 * k);
    return { s, y: s.map((x, i) => x * (1 + i) + 0.1 * Math.sin(k + i)) };
  });
  const { s: last, y: change } = pairs[2]!;
  let H = Matrix.eye(n, n, dot(last, change) / dot(change, change));
  for (const { s, y } of pairs) {
    const rho = 1 / dot(s, y);
    const left = Matrix.eye(n, n).sub(column(s).mmul(column(y).transpose()).mul(rho));
    H = left
      .mmul(H)
      .mmul(left.transpose())
      .add(column(s).mmul(column(s).transpose()).mul(rho));
  }
  const gradient = wave(n, 1.3);
  close(twoLoops(pairs, gradient), H.mmul(column(gradient)).to1DArray(), 10);
  expect(twoLoops([], gradient)).toEqual(gradient);
});

describe('the line search', () => {
  it('ends where the strong Wolfe conditions hold, from too short and too long a first step', async () => {
    const p = squares(9, 6, 0.3);
    const here = await evaluated(p, wave(6, 0.3));
    const direction = here.gradient.map((g) => -g);
    const slope = dot(here.gradient, direction);
    for (const first of [1e-4, 1, 300]) {
      const found = (await wolfeSearch(p, here, direction, first))!;
      expect(found.at.loss).toBeLessThanOrEqual(here.loss + 1e-4 * found.eta * slope);
      expect(Math.abs(dot(found.at.gradient, direction))).toBeLessThanOrEqual(-0.9 * slope);
    }
  });

  it('goes nowhere uphill', async () => {
    const p = squares(9, 6, 0.3);
    const here = await evaluated(p, wave(6, 0.3));
    expect(await wolfeSearch(p, here, here.gradient)).toBeUndefined();
  });
});

describe.each([
  ['self-scaled Broyden', 'broyden'],
  ['L-BFGS', 'lbfgs'],
] as const)('%s', (_, method) => {
  it('lowers the loss at every step, to rounding where the system is consistent', async () => {
    const p = squares(6, 14);
    const [a, b] = [startOfBroyden(wave(14, 0.2)), startOfLbfgs(wave(14, 0.2))];
    let last = Number.POSITIVE_INFINITY;
    for (let t = 0; t < 80; t++) {
      const { loss, eta } = method === 'broyden' ? await broydenStep(p, a) : await lbfgsStep(p, b);
      expect(loss).toBeLessThanOrEqual(last);
      if (eta === 0) break;
      last = loss;
    }
    expect(last).toBeLessThan(1e-20);
    expect(b.pairs.length).toBeLessThanOrEqual(REMEMBERED);
  });

  it('forgets what it knows where no step lowers the loss', async () => {
    const p = squares(5, 4);
    const flat = { ...p, residuals: async () => [new Float64Array(5).fill(1)] };
    if (method === 'broyden') {
      const state = { ...startOfBroyden(wave(4, 1)), since: 3, H: identity(4).map((x) => 2 * x) };
      expect((await broydenStep(flat, state)).eta).toBe(0);
      expect([state.H, state.since]).toEqual([identity(4), 0]);
    } else {
      const state = { ...startOfLbfgs(wave(4, 1)), pairs: [{ s: wave(4, 2), y: wave(4, 2) }] };
      expect((await lbfgsStep(flat, state)).eta).toBe(0);
      expect(state.pairs).toEqual([]);
    }
  });
});
