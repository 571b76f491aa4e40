import { LuDecomposition, Matrix } from 'ml-matrix';
import { UserError } from '../engine/index.ts';

/** A Poisson-Boltzmann problem that is ill-posed, or whose solution Newton's method did not find. */
export class PoissonBoltzmannError extends UserError {
  override readonly name = 'PoissonBoltzmannError';
}

/** phi and dphi/dy on [0,1]. */
export interface Potential {
  at(y: number): number;
  derivative(y: number): number;
}

/** Everything has a default that gives phi to 1e-10. */
export interface SolverOptions {
  /** Polynomial degree per element. */
  readonly degree?: number;
  /** How many elements replace one of the default mesh. */
  readonly refine?: number;
  /** Newton iterations allowed. */
  readonly iterations?: number;
}

interface Element {
  readonly from: number;
  readonly length: number;
  /** phi at the Chebyshev points of the element. */
  readonly phi: Float64Array;
}

const TOLERANCE = 1e-10;
const MAX_POTENTIAL = 30;

/** phi of epsilon^2 phi'' = 2 sinh(phi), phi(0) = zeta, phi(1) = 0: the reference of `nernst-planck-poisson`. Throws {@link PoissonBoltzmannError}. */
export function wallPotential(epsilon: number, zeta: number, options: SolverOptions = {}): Potential {
  return solve(epsilon, zeta, 0, options);
}

/** phi of epsilon^2 phi'' = 2 sinh(phi), phi(0) = phi(1) = zeta: the reference of `electroosmotic-flow` across the channel. */
export function channelPotential(epsilon: number, zeta: number, options: SolverOptions = {}): Potential {
  return solve(epsilon, zeta, zeta, options);
}

/** Chebyshev-Lobatto points on [-1,1], ascending. */
function chebyshev(degree: number): Float64Array {
  return Float64Array.from({ length: degree + 1 }, (_, j) => Math.sin((Math.PI * (2 * j - degree)) / (2 * degree)));
}

/** Barycentric weights of {@link chebyshev}. */
function barycentric(degree: number): Float64Array {
  return Float64Array.from({ length: degree + 1 }, (_, j) => (j % 2 ? -1 : 1) * (j === 0 || j === degree ? 0.5 : 1));
}

/** Differentiation on the points of {@link chebyshev}; each row sums to zero. */
function differentiation(degree: number): Matrix {
  const x = chebyshev(degree);
  const w = barycentric(degree);
  const D = Matrix.zeros(degree + 1, degree + 1);
  for (let i = 0; i <= degree; i++) {
    let sum = 0;
    for (let j = 0; j <= degree; j++) {
      if (i === j) continue;
      const entry = w[j]! / w[i]! / (x[i]! - x[j]!);
      D.set(i, j, entry);
      sum += entry;
    }
    D.set(i, i, -sum);
  }
  return D;
}

/**
 * Ends of the elements. The Debye length is lambda = epsilon / sqrt(2); a wall at potential zeta has its singularity a
 * distance -lambda log(tanh(|zeta|/4)) behind it, so elements grow from that size to two Debye lengths, and one element
 * spans what lies further than 45 Debye lengths from both walls, where phi is below 1e-19.
 */
function mesh(epsilon: number, left: number, right: number, refine: number): number[] {
  const debye = epsilon / Math.SQRT2;
  const fromWall = (zeta: number) => {
    const behind = -debye * Math.log1p(-2 / (Math.exp(Math.abs(zeta) / 2) + 1));
    const ends = [0];
    for (let y = 0; y < 0.5 && y <= 45 * debye; ) {
      y = Math.min(0.5, y + Math.min(y + behind, 2 * debye, 0.25));
      ends.push(y);
    }
    return ends;
  };
  const mirrored = fromWall(right).map((y) => 1 - y);
  const coarse = [...new Set([...fromWall(left), ...mirrored.reverse()])];
  return coarse.flatMap((y, i) => {
    const next = coarse[i + 1];
    return next === undefined ? [y] : Array.from({ length: refine }, (_, part) => y + ((next - y) * part) / refine);
  });
}

/** The Gouy-Chapman layers of the two walls, corrected linearly to meet both boundary values. */
function guess(y: number, epsilon: number, left: number, right: number): number {
  const layer = (zeta: number, distance: number) =>
    4 * Math.atanh(Math.tanh(zeta / 4) * Math.exp((-Math.SQRT2 * distance) / epsilon));
  const farLeft = layer(left, 1);
  const farRight = layer(right, 1);
  const linear = (1 - y) * farRight + y * farLeft;
  return layer(left, y) + layer(right, 1 - y) - linear;
}

/**
 * One Newton step, in place: eliminates the unknowns inside each element, solves the tridiagonal system that equal slopes
 * on both sides of each element boundary give, substitutes back. Returns the largest change of phi.
 */
function newtonStep(elements: readonly Element[], D: Matrix, D2: Matrix, epsilon: number): number {
  const degree = D.rows - 1;
  const inside = Array.from({ length: degree - 1 }, (_, j) => j + 1);
  const condensed = elements.map(({ length, phi }) => {
    const stiffness = (2 * epsilon) ** 2 / length ** 2;
    const A = D2.selection(inside, inside).mul(stiffness);
    const rhs = Matrix.zeros(degree - 1, 3);
    for (const [row, j] of inside.entries()) {
      const curvature = dot(D2, j, (k) => phi[k]!);
      rhs.set(row, 0, 2 * Math.sinh(phi[j]!) - stiffness * curvature);
      rhs.set(row, 1, -stiffness * D2.get(j, 0));
      rhs.set(row, 2, -stiffness * D2.get(j, degree));
      A.set(row, row, A.get(row, row) - 2 * Math.cosh(phi[j]!));
    }
    const response = new LuDecomposition(A).solve(rhs);
    /** Change of phi at node k from the residual (0), per unit change of the left (1) or right (2) end. */
    const change = (column: number) => (k: number) =>
      k === 0 ? Number(column === 1) : k === degree ? Number(column === 2) : response.get(k - 1, column);
    const slopes = (node: number) => {
      const slope = (value: (k: number) => number) => (2 / length) * dot(D, node, value);
      return { now: slope((k) => phi[k]!) + slope(change(0)), left: slope(change(1)), right: slope(change(2)) };
    };
    return { phi, change, atLeft: slopes(0), atRight: slopes(degree) };
  });

  const rows = condensed.slice(1).map((next, i) => {
    const before = condensed[i]!.atRight;
    const after = next.atLeft;
    return {
      lower: before.left,
      diagonal: before.right - after.left,
      upper: -after.right,
      rhs: after.now - before.now,
    };
  });
  const ends = [0, ...tridiagonal(rows), 0];
  let largest = 0;
  for (const [e, { phi, change }] of condensed.entries())
    for (let k = 0; k <= degree; k++) {
      const delta = change(0)(k) + ends[e]! * change(1)(k) + ends[e + 1]! * change(2)(k);
      phi[k]! += delta;
      if (!(Math.abs(delta) <= largest)) largest = Math.abs(delta);
    }
  return largest;
}

function dot(matrix: Matrix, row: number, value: (column: number) => number): number {
  let sum = 0;
  for (let k = 0; k < matrix.columns; k++) sum += matrix.get(row, k) * value(k);
  return sum;
}

/** Thomas's algorithm; the systems here are diagonally dominant. */
function tridiagonal(rows: readonly { lower: number; diagonal: number; upper: number; rhs: number }[]): number[] {
  const swept: { upper: number; rhs: number }[] = [];
  for (const { lower, diagonal, upper, rhs } of rows) {
    const above = swept.at(-1) ?? { upper: 0, rhs: 0 };
    const pivot = diagonal - lower * above.upper;
    swept.push({ upper: upper / pivot, rhs: (rhs - lower * above.rhs) / pivot });
  }
  const solution: number[] = [];
  for (const { upper, rhs } of swept.reverse()) solution.push(rhs - upper * (solution.at(-1) ?? 0));
  return solution.reverse();
}

function interpolant(elements: readonly Element[], D: Matrix): Potential {
  const degree = D.rows - 1;
  const x = chebyshev(degree);
  const w = barycentric(degree);
  const slopes = elements.map(({ length, phi }) => phi.map((_, j) => (2 / length) * dot(D, j, (k) => phi[k]!)));
  const evaluate = (y: number, values: (e: number) => Float64Array): number => {
    if (!(y >= 0 && y <= 1)) throw new PoissonBoltzmannError(`y is ${y}, the potential is defined on [0, 1]`);
    let low = 0;
    for (let high = elements.length; high - low > 1; ) {
      const middle = (low + high) >> 1;
      if (elements[middle]!.from <= y) low = middle;
      else high = middle;
    }
    const { from, length } = elements[low]!;
    const at = values(low);
    const s = (2 * (y - from)) / length - 1;
    let numerator = 0;
    let denominator = 0;
    for (let j = 0; j <= degree; j++) {
      if (s === x[j]) return at[j]!;
      const weight = w[j]! / (s - x[j]!);
      numerator += weight * at[j]!;
      denominator += weight;
    }
    return numerator / denominator;
  };
  return { at: (y) => evaluate(y, (e) => elements[e]!.phi), derivative: (y) => evaluate(y, (e) => slopes[e]!) };
}

/**
 * Chebyshev collocation on elements, phi and its slope continuous between them, solved by Newton's method. Throws
 * {@link PoissonBoltzmannError} for arguments out of range and where Newton's method does not converge.
 */
function solve(epsilon: number, left: number, right: number, options: SolverOptions): Potential {
  const { degree = 20, refine = 1, iterations = 60 } = options;
  for (const [name, value, least] of [
    ['degree', degree, 2],
    ['refine', refine, 1],
    ['iterations', iterations, 1],
  ] as const)
    if (!Number.isInteger(value) || value < least)
      throw new PoissonBoltzmannError(`${name} is ${value}, it must be an integer of at least ${least}`);
  if (!(epsilon > 0 && Number.isFinite(epsilon)))
    throw new PoissonBoltzmannError(`epsilon is ${epsilon}, it must be a positive number`);
  for (const zeta of [left, right])
    if (!(Math.abs(zeta) <= MAX_POTENTIAL))
      throw new PoissonBoltzmannError(`zeta is ${zeta}, it must lie between -${MAX_POTENTIAL} and ${MAX_POTENTIAL}`);
  const ends = mesh(epsilon, left, right, refine);
  const x = chebyshev(degree);
  const D = differentiation(degree);
  const D2 = D.mmul(D);
  const elements: Element[] = ends.slice(0, -1).map((from, e) => {
    const length = ends[e + 1]! - from;
    return { from, length, phi: x.map((s) => guess(from + ((1 + s) / 2) * length, epsilon, left, right)) };
  });
  for (const [e, { phi }] of elements.entries()) phi[degree] = elements[e + 1]?.phi[0] ?? right;
  elements[0]!.phi[0] = left;

  const tolerance = TOLERANCE * Math.max(1, Math.abs(left), Math.abs(right));
  let update = Number.POSITIVE_INFINITY;
  for (let iteration = 0; iteration < iterations && update > tolerance; iteration++)
    update = newtonStep(elements, D, D2, epsilon);
  if (!(update <= tolerance))
    throw new PoissonBoltzmannError(
      `no Poisson-Boltzmann solution found for epsilon ${epsilon} with walls at ${left} and ${right}: Newton's method ` +
        `still changes phi by ${update} after ${iterations} iterations; give a larger epsilon or a smaller zeta`,
    );
  return interpolant(elements, D);
}
