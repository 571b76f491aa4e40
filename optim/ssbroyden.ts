/**
 * Self-scaled Broyden (SSBroyden; Al-Baali 1998, taken up for physics-informed networks by Urbán, Stefanou and Pons
 * 2025): the family of updates between BFGS and DFP, with the member and the scaling chosen from what the last step has
 * shown of the curvature. The dense inverse Hessian H [P,P] is kept on the host: for small networks.
 */
import type { LeastSquares } from './gauss-newton.ts';
import { type Evaluated, evaluated, inner, wolfeSearch } from './wolfe.ts';

/** Parameters of the largest network that it is meant for: H of 128 MB. */
export const MOST_DENSE = 4000;

export interface BroydenState {
  theta: Float64Array;
  /** Approximation of the inverse Hessian, [P,P], symmetric. */
  H: Float64Array;
  /** Steps since H was the identity. */
  since: number;
  /** What is known at theta. */
  here?: Evaluated;
}

export interface QuasiNewtonStep {
  /** r before the step. */
  readonly residual: Float64Array;
  /** r . r after the step. */
  readonly loss: number;
  /** The step's length, in directions: 0 where none lowers the loss. */
  readonly eta: number;
}

export function identity(n: number): Float64Array {
  const H = new Float64Array(n * n);
  for (let i = 0; i < n; i++) H[i * (n + 1)] = 1;
  return H;
}

export const startOfBroyden = (theta: Float64Array): BroydenState => ({ theta, H: identity(theta.length), since: 0 });

/** Takes one step; `state` is changed in place. Where no step lowers the loss, H begins again as the identity. */
export async function broydenStep(problem: LeastSquares, state: BroydenState): Promise<QuasiNewtonStep> {
  const here = state.here ?? (await evaluated(problem, state.theta));
  const direction = times(state.H, here.gradient).map((x) => -x);
  const first = state.since === 0 ? Math.min(1, 1 / Math.sqrt(inner(here.gradient, here.gradient))) : 1;
  const found = await wolfeSearch(problem, here, direction, first);
  if (!found) {
    Object.assign(state, { H: identity(state.theta.length), since: 0, here });
    return { residual: here.residual, loss: here.loss, eta: 0 };
  }
  const { eta, at } = found;
  const s = direction.map((d) => eta * d);
  const y = at.gradient.map((g, k) => g - here.gradient[k]!);
  if (inner(y, s) > 0) updateInverse(state.H, s, y, here.gradient, eta);
  Object.assign(state, { theta: at.theta, since: state.since + 1, here: at });
  return { residual: here.residual, loss: at.loss, eta };
}

/**
 * H+ = (H - Hy (Hy)^T / y.Hy + phi v v^T) / tau + s s^T / y.s,  v = sqrt(y.Hy) (s / y.s - Hy / y.Hy), in place, after the
 * step s = -eta H g with the change y of the gradient, y.s > 0. It satisfies H+ y = s for any phi and tau.
 */
export function updateInverse(
  H: Float64Array,
  s: Float64Array,
  y: Float64Array,
  gradient: Float64Array,
  eta: number,
): void {
  const n = s.length;
  const Hy = times(H, y);
  const [ys, yHy] = [inner(y, s), inner(y, Hy)];
  const { phi, tau } = memberOf({ b: (-eta * inner(s, gradient)) / ys, h: yHy / ys, n });
  const root = Math.sqrt(yHy);
  const v = s.map((x, k) => root * (x / ys - Hy[k]! / yHy));
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      const at = i * n + j;
      const kept = H[at]! - (Hy[i]! * Hy[j]!) / yHy + phi * (v[i]! * v[j]!);
      H[at] = kept / tau + (s[i]! * s[j]!) / ys;
    }
}

/**
 * The member phi of the family (1: BFGS, 0: DFP) and the scaling tau, from b = s.Bs / y.s and h = y.Hy / y.s, B the
 * inverse of H, for n parameters.
 */
export function memberOf({ b, h, n }: { readonly b: number; readonly h: number; readonly n: number }): {
  phi: number;
  tau: number;
} {
  const a = Math.max(h * b - 1, Number.EPSILON);
  const c = Math.sqrt(a / (a + 1));
  const rho = Math.min(1, h * (1 - c));
  const theta = Math.max((rho - 1) / a, Math.min(1 / rho, (1 - b) / b));
  const sigma = 1 + a * theta;
  const scaled = Math.min(1, 1 / b) * sigma ** (-1 / Math.max(1, n - 1));
  const tau = theta > 0 ? Math.min(scaled, Math.min(1, 1 / b) / theta) : Math.min(scaled, sigma);
  return { phi: (1 - theta) / (1 + a * theta), tau };
}

function times(H: Float64Array, x: Float64Array): Float64Array {
  const n = x.length;
  return x.map((_, i) => inner(H.subarray(i * n, (i + 1) * n), x));
}
