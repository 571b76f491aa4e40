/**
 * Flow in a square cavity under a lid, y = 1, that moves with speed 1: u = psi_y, v = -psi_x with
 * psi_y (lap psi)_x - psi_x (lap psi)_y = nu lap lap psi, by central differences on n x n cells, psi beyond a wall by
 * reflection, and Newton's method. Velocities are extrapolated from n and n/2, their error being of second order.
 */
import { kept } from './chebyshev.mjs';

/** Solves A x = b for rows of a band, A[row][column - row + width], without pivoting. A and b are overwritten. */
function solveBand(A, b, width) {
  const n = b.length;
  for (let k = 0; k < n; k++) {
    const pivot = A[k];
    for (let i = k + 1; i < Math.min(n, k + width + 1); i++) {
      const row = A[i];
      const shift = k - i + width;
      const factor = row[shift] / pivot[width];
      if (factor === 0) continue;
      for (let j = 1; j <= width; j++) row[shift + j] -= factor * pivot[width + j];
      b[i] -= factor * b[k];
    }
  }
  for (let k = n - 1; k >= 0; k--) {
    for (let j = 1; j <= Math.min(width, n - 1 - k); j++) b[k] -= A[k][j + width] * b[k + j];
    b[k] /= A[k][width];
  }
  return b;
}

const NEIGHBOURS = [
  [1, 0],
  [-1, 0],
  [0, 1],
  [0, -1],
];

/** psi at the nodes (i/n, j/n), [(n + 1)^2], j fastest. */
function streamfunction(viscosity, n) {
  const size = n + 1;
  const width = 2 * (n - 1);
  const psi = new Float64Array(size * size);
  const place = (i, j) => (i - 1) * (n - 1) + (j - 1);
  const inside = (i) => i > 0 && i < n;
  const reflected = (i) => (i < 0 ? 1 : i > n ? n - 1 : i);
  /** Calls `term(i, j, weight)` for each node whose psi enters lap psi, and gives what the lid adds. */
  const laplacian = (i, j, term) => {
    for (const [di, dj] of NEIGHBOURS) term(reflected(i + di), reflected(j + dj), n * n);
    term(i, j, -4 * n * n);
    return j === n ? 2 * n : 0;
  };
  const laplacianAt = (_, k) => {
    let sum = 0;
    const lid = laplacian(Math.floor(k / size), k % size, (i, j, weight) => {
      sum += weight * psi[i * size + j];
    });
    return sum + lid;
  };
  const slope = (f, i, j, di, dj) => ((f[(i + di) * size + j + dj] - f[(i - di) * size + j - dj]) * n) / 2;
  for (let step = 0; step < 20; step++) {
    const lap = psi.map(laplacianAt);
    const values = new Float64Array((n - 1) ** 2);
    const A = Array.from(values, () => new Float64Array(2 * width + 1));
    for (let i = 1; i < n; i++)
      for (let j = 1; j < n; j++) {
        const row = place(i, j);
        const add = (k, l, weight) => {
          if (inside(k) && inside(l)) A[row][place(k, l) - row + width] += weight;
        };
        const [px, py] = [slope(psi, i, j, 1, 0), slope(psi, i, j, 0, 1)];
        const [lx, ly] = [slope(lap, i, j, 1, 0), slope(lap, i, j, 0, 1)];
        values[row] = py * lx - px * ly;
        for (const [di, dj] of NEIGHBOURS) {
          const spread = viscosity * n * n;
          add(i + di, j + dj, ((dj * lx - di * ly) * n) / 2);
          laplacian(i + di, j + dj, (k, l, w) => add(k, l, w * (((di * py - dj * px) * n) / 2 - spread)));
          laplacian(i, j, (k, l, w) => add(k, l, w * spread));
          values[row] -= spread * (lap[(i + di) * size + j + dj] - lap[i * size + j]);
        }
      }
    const change = solveBand(A, values, width);
    for (let i = 1; i < n; i++) for (let j = 1; j < n; j++) psi[i * size + j] -= change[place(i, j)];
    if (change.every((each) => Math.abs(each) < 1e-10)) return psi;
  }
  throw new Error("Newton's method did not converge");
}

/** u and v as functions of x and y, from one grid. */
function velocities(viscosity, n) {
  const psi = streamfunction(viscosity, n);
  const at = (i, j) => psi[i * (n + 1) + j];
  const inside = (i, j) => i > 0 && i < n && j > 0 && j < n;
  const lid = (i, j) => Number(j === n && i > 0 && i < n);
  return {
    u: cubic((i, j) => (inside(i, j) ? ((at(i, j + 1) - at(i, j - 1)) * n) / 2 : lid(i, j)), n),
    v: cubic((i, j) => (inside(i, j) ? ((at(i - 1, j) - at(i + 1, j)) * n) / 2 : 0), n),
  };
}

/** Interpolation by cubics along both coordinates through the nearest nodes. */
function cubic(value, n) {
  const along = (x) => {
    const first = Math.min(Math.max(Math.floor(x * n) - 1, 0), n - 3);
    const s = x * n - first;
    const weights = [
      -((s - 1) * (s - 2) * (s - 3)) / 6,
      (s * (s - 2) * (s - 3)) / 2,
      -(s * (s - 1) * (s - 3)) / 2,
      (s * (s - 1) * (s - 2)) / 6,
    ];
    return { first, weights };
  };
  return (x, y) => {
    const [a, b] = [along(x), along(y)];
    const column = (i) => b.weights.reduce((sum, w, j) => sum + w * value(i, b.first + j), 0);
    return a.weights.reduce((sum, w, i) => sum + w * column(a.first + i), 0);
  };
}

/** u and v as functions of x and y. */
export const cavity = kept((viscosity, n = 64) => {
  const [fine, coarse] = [velocities(viscosity, n), velocities(viscosity, n / 2)];
  const extrapolated = (name) => (x, y) => (4 * fine[name](x, y) - coarse[name](x, y)) / 3;
  return { u: extrapolated('u'), v: extrapolated('v') };
});
