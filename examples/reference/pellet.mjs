/**
 * Reaction and conduction in a catalyst slab: c'' = phi^2 c exp(gamma (1 - 1/T)), T = 1 + beta (1 - c) (Prater 1958), with
 * c = 1 on both faces, x = -1 and 1. Chebyshev collocation and Newton's method.
 */
import { chebyshev, interpolation, kept, newton, product } from './chebyshev.mjs';

/** Concentration as a function of x. */
export const pellet = kept((phi, beta, gamma, N = 32) => {
  const grid = chebyshev(N, -1, 1);
  const second = product(grid.first, grid.first);
  const inside = Array.from({ length: N - 1 }, (_, k) => k + 1);
  const rate = (c) => {
    const T = 1 + beta * (1 - c);
    const factor = phi ** 2 * Math.exp(gamma * (1 - 1 / T));
    return { value: c * factor, slope: factor * (1 - (c * gamma * beta) / T ** 2) };
  };
  // From the solution without heat of reaction.
  const start = inside.map((i) => Math.cosh(phi * grid.nodes[i]) / Math.cosh(phi));
  const found = newton(start, (c) => {
    const full = [1, ...c, 1];
    return {
      values: Float64Array.from(
        inside,
        (i, k) => second[i].reduce((sum, w, j) => sum + w * full[j], 0) - rate(c[k]).value,
      ),
      jacobian: inside.map((i, k) => Float64Array.from(inside, (j) => second[i][j] - (i === j ? rate(c[k]).slope : 0))),
    };
  });
  const values = [1, ...found, 1];
  return (x) => interpolation(grid, x).reduce((sum, w, j) => sum + w * values[j], 0);
});
