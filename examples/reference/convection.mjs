/**
 * Natural convection in the unit square, in free-fall units: u . grad u = -grad p + sqrt(Pr/Ra) lap u + (0, T), div u = 0,
 * u . grad T = lap T / sqrt(Ra Pr); T = 1 at x = 0, T = 0 at x = 1, the other walls are insulated. Velocities and T are
 * polynomials of degree N through Chebyshev nodes, the pressure is one of degree N - 2 through the inner ones, which leaves no
 * spurious pressure (Bernardi and Maday 1992). Newton's method from rest.
 */
import { chebyshev, derivative, interpolation, kept, newton, product, weightsOf } from './chebyshev.mjs';

/** u, v, p and T as functions of x and y; p is 0 at the origin. */
export const convection = kept((Ra, Pr, N = 12) => {
  const viscosity = Math.sqrt(Pr / Ra);
  const diffusivity = 1 / Math.sqrt(Ra * Pr);
  const line = chebyshev(N, 0, 1);
  const second = product(line.first, line.first);
  const inner = line.nodes.subarray(1, N);
  const pressure = { nodes: inner, weights: weightsOf(inner) };
  const slopes = derivative(pressure.nodes, pressure.weights);
  const n = N - 1;
  const size = n * n;
  const [U, V, P, T] = [0, size, 2 * size, 3 * size];
  const total = 3 * size + n * (N + 1);
  const inside = (i, j) => i > 0 && i < N && j > 0 && j < N;
  // Places of unknowns: i counts nodes along x, j along y, both from 1 downwards. On insulated walls T is unknown.
  const at = (start, i, j) => start + (i - 1) * n + (j - 1);
  const atT = (i, j) => T + (i - 1) * (N + 1) + j;
  /** A field at a node: the place of an unknown, or a value that is given. */
  const velocity = (start) => (i, j) => (inside(i, j) ? { place: at(start, i, j) } : { value: 0 });
  const temperature = (i, j) => (i === 0 || i === N ? { value: i / N } : { place: atT(i, j) });

  return solution();

  function solution() {
    const found = newton(new Float64Array(total), equations);
    const value = (field) => (i, j) => {
      const { place, value: given } = field(i, j);
      return place === undefined ? given : found[place];
    };
    const sample = (grid, offset, valueAt) => (x, y) => {
      const [alongX, alongY] = [interpolation(grid, x), interpolation(grid, y)];
      return alongX.reduce(
        (sum, w, i) => sum + w * alongY.reduce((part, v, j) => part + v * valueAt(i + offset, j + offset), 0),
        0,
      );
    };
    const p = sample(pressure, 1, (i, j) => found[at(P, i, j)]);
    const origin = p(0, 0);
    return {
      u: sample(line, 0, value(velocity(U))),
      v: sample(line, 0, value(velocity(V))),
      p: (x, y) => p(x, y) - origin,
      T: sample(line, 0, value(temperature)),
    };
  }

  function equations(x) {
    const values = new Float64Array(total);
    const jacobian = Array.from({ length: total }, () => new Float64Array(total));
    /** Adds weight times a field at a node to an equation; returns what it adds. */
    const add = (row, { place, value }, weight) => {
      if (place === undefined) return weight * value;
      jacobian[row][place] += weight;
      return weight * x[place];
    };
    const now = ({ place, value }) => (place === undefined ? value : x[place]);
    /** Adds u . grad f - diffusivity lap f at an inner node, or one on an insulated wall. */
    const transport = (row, field, i, j, diffusivity) => {
      const [u, v] = [now(velocity(U)(i, j)), now(velocity(V)(i, j))];
      let [along, across] = [0, 0];
      for (let k = 0; k <= N; k++) {
        const [fx, fy] = [field(k, j), field(i, k)];
        along += line.first[i][k] * now(fx);
        across += line.first[j][k] * now(fy);
        values[row] += add(row, fx, u * line.first[i][k] - diffusivity * second[i][k]);
        values[row] += add(row, fy, v * line.first[j][k] - diffusivity * second[j][k]);
      }
      jacobian[row][at(U, i, j)] += along;
      jacobian[row][at(V, i, j)] += across;
    };
    for (let i = 1; i < N; i++)
      for (let j = 1; j < N; j++) {
        const [ru, rv, rp] = [at(U, i, j), at(V, i, j), at(P, i, j)];
        transport(ru, velocity(U), i, j, viscosity);
        transport(rv, velocity(V), i, j, viscosity);
        for (let k = 1; k < N; k++) {
          values[ru] += add(ru, { place: at(P, k, j) }, slopes[i - 1][k - 1]);
          values[rv] += add(rv, { place: at(P, i, k) }, slopes[j - 1][k - 1]);
        }
        values[rv] += add(rv, temperature(i, j), -1);
        if (i === 1 && j === 1) values[rp] = add(rp, { place: rp }, 1);
        else
          for (let k = 0; k <= N; k++) {
            values[rp] += add(rp, velocity(U)(k, j), line.first[i][k]);
            values[rp] += add(rp, velocity(V)(i, k), line.first[j][k]);
          }
        transport(atT(i, j), temperature, i, j, diffusivity);
      }
    for (let i = 1; i < N; i++)
      for (const j of [0, N])
        for (let k = 0; k <= N; k++) values[atT(i, j)] += add(atT(i, j), temperature(i, k), line.first[j][k]);
    return { values, jacobian };
  }
});
