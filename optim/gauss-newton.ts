/**
 * Gauss-Newton for sums of squares, in float64 on the host around products that a problem provides: the energy natural
 * gradient in kernel form (ENGD-W; Müller and Zeinhofer 2023, Guzmán-Cordero et al. 2025) and with momentum (SPRING;
 * Goldshlager et al. 2024). With residuals r [M] and J = dr/dtheta [M,P]:
 *
 *     zeta = -r - mu J phi;   phi <- mu phi + J^T (J J^T + lambda)^-1 zeta;   d = phi / sqrt(1 - mu^(2t))
 *
 * which is mu phi + (J^T J + lambda)^-1 J^T zeta: the smaller of the two systems is solved. mu = 0 is ENGD-W.
 */
import { factorize, substitute } from './cholesky.ts';

/** J at one theta. Its columns fall into networks, which share no parameters. Matrices are the caller's to overwrite. */
export interface Linearization {
  /** J_k J_k^T of one network, or of one of its layers, [M,M]; without an argument the sum over all of them. */
  gram(network?: number, layer?: number): Promise<Float64Array>;
  /** J^T J, [P,P]: its lower triangle. */
  normal(): Promise<Float64Array>;
  /** J_k^T y_k for each network, one after the other, [P]; one y serves all. */
  transposed(y: Float64Array | readonly Float64Array[]): Promise<Float64Array>;
  /** J phi, [M]. */
  applied(phi: Float64Array): Promise<Float64Array>;
}

/** Consecutive parameters. */
export interface Span {
  readonly start: number;
  readonly count: number;
}

/** A loss r . r. */
export interface LeastSquares {
  readonly rows: number;
  readonly parameters: number;
  /** The layers of each network: where their parameters lie in theta. */
  readonly networks: readonly (readonly Span[])[];
  /** How many thetas {@link residuals} takes in one go. */
  readonly candidates: number;
  /** r at each of some thetas. */
  residuals(thetas: readonly Float64Array[]): Promise<Float64Array[]>;
  linearize(theta: Float64Array): Promise<Linearization>;
}

/** What one system is solved for: all networks, each as if the others did not move, or each of their layers likewise. */
export const blockings = ['joint', 'network', 'layer'] as const;
export type Blocks = (typeof blockings)[number];

export interface GaussNewtonSettings {
  /** Share of the last direction that is kept: 0 for ENGD-W. */
  readonly momentum: number;
  /** What lambda starts with, and whether the line search sets it from then on. */
  readonly damping: number;
  readonly adaptive: boolean;
  readonly blocks: Blocks;
}

export interface GaussNewtonState {
  theta: Float64Array;
  /** The last direction before its bias correction. */
  phi: Float64Array;
  lambda: number;
  /** Steps since momentum was last set to zero. */
  since: number;
  /** r at theta, where the line search has left it. */
  residual?: Float64Array;
}

export interface GaussNewtonStep {
  /** r before the step. */
  readonly residual: Float64Array;
  /** r . r after the step. */
  readonly loss: number;
  /** The step's length, in directions: 0 where none lowers the loss. */
  readonly eta: number;
  /** The damping that the step was taken with. */
  readonly lambda: number;
}

export const startOf = (theta: Float64Array, { damping }: Pick<GaussNewtonSettings, 'damping'>): GaussNewtonState => ({
  theta,
  phi: new Float64Array(theta.length),
  lambda: damping,
  since: 0,
});

/** Which system is solved: that of the M rows or that of the P parameters, whichever is smaller. */
export const formOf = ({ rows, parameters }: Pick<LeastSquares, 'rows' | 'parameters'>): 'kernel' | 'parameter' =>
  rows <= parameters ? 'kernel' : 'parameter';

/** Takes one step; `state` is changed in place. */
export async function gaussNewtonStep(
  problem: LeastSquares,
  state: GaussNewtonState,
  settings: GaussNewtonSettings,
): Promise<GaussNewtonStep> {
  const { momentum } = settings;
  const residual = state.residual ?? (await problem.residuals([state.theta]))[0]!;
  const loss = dot(residual, residual);
  const J = await problem.linearize(state.theta);
  const carried = momentum > 0 && state.since > 0;
  const zeta = residual.map((r) => -r);
  if (carried) add(zeta, -momentum, await J.applied(state.phi));
  const { update, lambda } = await solve(problem, J, zeta, state.lambda, settings.blocks);
  const phi = carried ? update.map((u, k) => u + momentum * state.phi[k]!) : update;
  const correction = Math.sqrt(1 - momentum ** (2 * (state.since + 1)));
  const direction = phi.map((x) => x / correction);
  const found = await lineSearch(problem, state.theta, direction, { residual, loss });
  if (found.eta === 0) {
    state.phi = new Float64Array(problem.parameters);
    state.since = 0;
  } else {
    state.theta = found.theta;
    state.phi = phi;
    state.since++;
  }
  state.residual = found.residual;
  state.lambda = settings.adaptive ? nextDamping(lambda, found.eta) : lambda;
  return { residual, loss: found.loss, eta: found.eta, lambda };
}

/**
 * Levenberg's damping, set by how far the line search went: longer steps ask for less of it, shorter ones for more. It
 * worked better here than the ratio of the loss's fall to its prediction (Nielsen 1999).
 */
export function nextDamping(lambda: number, eta: number): number {
  if (eta >= 1 / 2) return lambda / 3;
  if (eta >= 1 / 4) return lambda;
  if (eta >= 1 / 16) return 2 * lambda;
  return Math.min(eta > 0 ? 4 * lambda : 10 * lambda, MOST_DAMPING);
}

/** At the floor of rounding no step lowers the loss, and more damping changes nothing. */
const MOST_DAMPING = 1e12;

/** J^T (J J^T + lambda)^-1 zeta. Where the matrix is not positive definite as computed, lambda grows tenfold. */
async function solve(
  problem: LeastSquares,
  J: Linearization,
  zeta: Float64Array,
  damping: number,
  blocks: Blocks,
): Promise<{ update: Float64Array; lambda: number }> {
  let lambda = damping;
  const damped = async (matrix: () => Promise<Float64Array>, right: Float64Array): Promise<Float64Array> => {
    const n = right.length;
    for (; ; lambda *= 10) {
      const factor = await matrix();
      for (let i = 0; i < n; i++) {
        const diagonal = factor[i * (n + 1)]!;
        // By Cauchy and Schwarz no entry is larger than the largest of the diagonal.
        if (!Number.isFinite(diagonal)) throw new RangeError('products of Jacobian rows are not numbers any more');
        factor[i * (n + 1)] = diagonal + lambda;
      }
      if (!factorize(factor, n)) continue;
      const x = right.slice();
      substitute(factor, n, x);
      return x;
    }
  };
  if (blocks === 'network') {
    const ys: Float64Array[] = [];
    for (const k of problem.networks.keys()) ys.push(await damped(() => J.gram(k), zeta));
    return { update: await J.transposed(ys), lambda };
  }
  if (blocks === 'layer') {
    const update = new Float64Array(problem.parameters);
    for (const [k, layers] of problem.networks.entries())
      for (const [layer, { start, count }] of layers.entries()) {
        const all = await J.transposed(await damped(() => J.gram(k, layer), zeta));
        update.set(all.subarray(start, start + count), start);
      }
    return { update, lambda };
  }
  if (formOf(problem) === 'kernel') {
    const y = await damped(() => J.gram(), zeta);
    return { update: await J.transposed(y), lambda };
  }
  const update = await damped(() => J.normal(), await J.transposed(zeta));
  return { update, lambda };
}

/** The smallest step that is tried. */
const LEAST_ETA = 2 ** -30;

/** The eta among 2, 1, 1/2, .. of least loss, as far as the first rise below the loss at theta. */
async function lineSearch(
  problem: LeastSquares,
  theta: Float64Array,
  direction: Float64Array,
  here: { residual: Float64Array; loss: number },
): Promise<{ eta: number; loss: number; theta: Float64Array; residual: Float64Array }> {
  let best = { ...here, eta: 0, theta };
  for (let eta = 2; eta >= LEAST_ETA; ) {
    const etas = Array.from({ length: problem.candidates }, (_, k) => eta * 2 ** -k);
    const thetas = etas.map((eta) => theta.map((x, k) => x + eta * direction[k]!));
    const residuals = await problem.residuals(thetas);
    for (const [k, r] of residuals.entries()) {
      const own = dot(r, r);
      if (own < best.loss) best = { eta: etas[k]!, loss: own, theta: thetas[k]!, residual: r };
      else if (best.eta > 0) return best;
    }
    eta *= 2 ** -problem.candidates;
  }
  return best;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k]! * b[k]!;
  return sum;
}

/** a += factor b. */
function add(a: Float64Array, factor: number, b: Float64Array): void {
  for (let k = 0; k < a.length; k++) a[k] = a[k]! + factor * b[k]!;
}
