/** Chebyshev collocation in float64: nodes, derivatives, interpolation, and Newton's method for what they lead to. */

/** x_j = cos(pi j/N) mapped to [low, high], falling, with the matrix of d/dx on polynomials through them. */
export function chebyshev(N, low, high) {
  const unit = Float64Array.from({ length: N + 1 }, (_, j) => Math.cos((Math.PI * j) / N));
  const weights = unit.map((_, j) => (j % 2 === 0 ? 1 : -1) * (j === 0 || j === N ? 0.5 : 1));
  const nodes = unit.map((x) => (low + high + (high - low) * x) / 2);
  return { nodes, weights, first: derivative(nodes, weights) };
}

/** Barycentric weights of any nodes. */
export const weightsOf = (nodes) =>
  nodes.map((x, j) => nodes.reduce((product, other, k) => (k === j ? product : product / (4 * (x - other))), 1));

/** The matrix of d/dx on polynomials through nodes with barycentric weights (Berrut and Trefethen 2004). */
export function derivative(nodes, weights) {
  return Array.from(nodes, (x, i) => {
    const row = nodes.map((other, j) => (i === j ? 0 : weights[j] / weights[i] / (x - other)));
    row[i] = -row.reduce((a, b) => a + b, 0);
    return row;
  });
}

/** Coefficients with which values at the nodes give the polynomial's value at x. */
export function interpolation({ nodes, weights }, x) {
  const hit = nodes.indexOf(x);
  if (hit >= 0) return nodes.map((_, j) => (j === hit ? 1 : 0));
  const terms = nodes.map((node, j) => weights[j] / (x - node));
  const total = terms.reduce((a, b) => a + b, 0);
  return terms.map((term) => term / total);
}

export const product = (A, B) =>
  A.map((row) => B[0].map((_, j) => row.reduce((sum, value, k) => sum + value * B[k][j], 0)));

/** Solves A x = b by elimination with row pivoting; A and b are overwritten. */
export function solve(A, b) {
  const n = b.length;
  for (let k = 0; k < n; k++) {
    let best = k;
    for (let i = k + 1; i < n; i++) if (Math.abs(A[i][k]) > Math.abs(A[best][k])) best = i;
    [A[k], A[best]] = [A[best], A[k]];
    [b[k], b[best]] = [b[best], b[k]];
    const pivot = A[k];
    for (let i = k + 1; i < n; i++) {
      const row = A[i];
      const factor = row[k] / pivot[k];
      if (factor === 0) continue;
      for (let j = k + 1; j < n; j++) row[j] -= factor * pivot[j];
      b[i] -= factor * b[k];
    }
  }
  for (let k = n - 1; k >= 0; k--) {
    for (let j = k + 1; j < n; j++) b[k] -= A[k][j] * b[j];
    b[k] /= A[k][k];
  }
  return b;
}

/** Zero of a function that gives its values and the rows of its Jacobian. Throws where 30 steps do not find it. */
export function newton(start, valuesAndJacobian, tolerance = 1e-10) {
  const x = Float64Array.from(start);
  for (let step = 0; step < 30; step++) {
    const { values, jacobian } = valuesAndJacobian(x);
    const change = solve(jacobian, values);
    for (let k = 0; k < x.length; k++) x[k] -= change[k];
    if (change.every((each) => Math.abs(each) < tolerance)) return x;
  }
  throw new Error("Newton's method did not converge");
}

/** A function of parameters that keeps its results. */
export function kept(compute) {
  const results = new Map();
  return (...parameters) => {
    const key = parameters.join(' ');
    if (!results.has(key)) results.set(key, compute(...parameters));
    return results.get(key);
  };
}
