/** Loss and gradient of a sum of squares, and a line search for steps under the strong Wolfe conditions. */
import type { LeastSquares } from './gauss-newton.ts';

/** A theta with what is known there of the loss r . r. */
export interface Evaluated {
  readonly theta: Float64Array;
  readonly residual: Float64Array;
  readonly loss: number;
  /** 2 J^T r. */
  readonly gradient: Float64Array;
}

export async function evaluated(problem: LeastSquares, theta: Float64Array): Promise<Evaluated> {
  const [residual] = await problem.residuals([theta]);
  const half = await (await problem.linearize(theta)).transposed(residual!);
  return { theta, residual: residual!, loss: inner(residual!, residual!), gradient: half.map((x) => 2 * x) };
}

/** Share of the fall that the slope promises, and of the slope that may be left (Nocedal and Wright 2006, chapter 3). */
const FALL = 1e-4;
const LEFT = 0.9;
const MOST_TRIALS = 20;

interface Trial {
  readonly eta: number;
  readonly at: Evaluated;
  readonly slope: number;
}

/**
 * A step of eta along a direction of descent with loss <= loss(0) + 1e-4 eta slope(0) and |slope| <= 0.9 |slope(0)|
 * (Nocedal and Wright, algorithms 3.5 and 3.6, with quadratic interpolation). Where 20 trials find none, the lowest of
 * those that lower the loss; undefined where none does.
 */
export async function wolfeSearch(
  problem: LeastSquares,
  here: Evaluated,
  direction: Float64Array,
  first = 1,
): Promise<Trial | undefined> {
  const zero: Trial = { eta: 0, at: here, slope: inner(here.gradient, direction) };
  if (!(zero.slope < 0)) return undefined;
  let best: Trial | undefined;
  let trials = 0;
  const tried = async (eta: number): Promise<Trial> => {
    trials++;
    const at = await evaluated(
      problem,
      here.theta.map((x, k) => x + eta * direction[k]!),
    );
    const trial = { eta, at, slope: inner(at.gradient, direction) };
    if (at.loss < (best?.at.loss ?? here.loss)) best = trial;
    return trial;
  };
  const tooHigh = ({ eta, at }: Trial) => !(at.loss <= here.loss + FALL * eta * zero.slope);
  const flat = ({ slope }: Trial) => Math.abs(slope) <= -LEFT * zero.slope;

  let [low, high]: [Trial, Trial | undefined] = [zero, undefined];
  let eta = first;
  while (trials < MOST_TRIALS) {
    const trial = await tried(eta);
    if (tooHigh(trial) || trial.at.loss >= low.at.loss) high = trial;
    else {
      if (flat(trial)) return trial;
      const turns = high ? trial.slope * (high.eta - low.eta) >= 0 : trial.slope >= 0;
      if (turns) high = low;
      low = trial;
    }
    eta = high ? between(low, high) : 2 * eta;
    if (high && Math.abs(high.eta - low.eta) <= 2 ** -40 * Math.max(high.eta, low.eta)) break;
  }
  return best;
}

/** Where a parabola through the lower end, its slope and the higher end is least, kept off both ends. */
function between(low: Trial, high: Trial): number {
  const width = high.eta - low.eta;
  const rise = high.at.loss - low.at.loss - low.slope * width;
  const share = rise > 0 ? (-low.slope * width) / (2 * rise) : 0.5;
  return low.eta + width * Math.min(0.9, Math.max(0.1, Number.isFinite(share) ? share : 0.1));
}

export function inner(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k]! * b[k]!;
  return sum;
}
