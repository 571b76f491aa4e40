/**
 * One run under way by an optimizer of sums of squares. All that a step depends on is rounded to double-single after each,
 * so that a checkpoint holds all of its digits.
 */
import { joinPairs, splitPairs } from '../../engine/index.ts';
import {
  broydenStep,
  type Evaluated,
  type GaussNewtonSettings,
  type GaussNewtonState,
  gaussNewtonStep,
  type LbfgsState,
  type LeastSquares,
  lbfgsStep,
  REMEMBERED,
  startOf,
  startOfBroyden,
  startOfLbfgs,
} from '../../optim/index.ts';
import type { SquaresHyperparameters } from './hyperparameters.ts';

export interface Step {
  /** r before the step. */
  readonly residual: Float64Array;
  /** What there is to say of it: the loss after it, its length, a damping. */
  readonly facts: Readonly<Record<string, number>>;
}

export interface Descent {
  readonly theta: Float64Array;
  step(problem: LeastSquares): Promise<Step>;
  /** The residual at theta is not what it was: points have moved. */
  forget(): void;
  /** By name and of fixed lengths, theta among them. */
  state(): Readonly<Record<string, Float64Array>>;
  restore(state: Readonly<Record<string, Float64Array>>): void;
}

/** What double-single keeps of numbers. */
const rounded = (values: Float64Array): Float64Array => joinPairs(splitPairs(values));

/** What is known at theta, a device has computed from no more digits. */
function roundTheta(state: { theta: Float64Array; here?: Evaluated }): void {
  state.theta = rounded(state.theta);
  if (state.here) state.here = { ...state.here, theta: state.theta };
}

/** How a run begins at a theta. */
export function descentFrom(theta: Float64Array, settings: SquaresHyperparameters): Descent {
  if (settings.optimizer === 'gauss-newton') return new GaussNewtonDescent(theta, settings);
  return settings.optimizer === 'ssbroyden' ? new BroydenDescent(theta) : new LbfgsDescent(theta);
}

class GaussNewtonDescent implements Descent {
  readonly #settings: GaussNewtonSettings;
  readonly #state: GaussNewtonState;

  constructor(theta: Float64Array, settings: GaussNewtonSettings) {
    this.#settings = settings;
    this.#state = startOf(theta, settings);
  }

  get theta(): Float64Array {
    return this.#state.theta;
  }

  async step(problem: LeastSquares): Promise<Step> {
    const state = this.#state;
    const { residual, loss, lambda, eta } = await gaussNewtonStep(problem, state, this.#settings);
    state.theta = rounded(state.theta);
    state.phi = rounded(state.phi);
    state.lambda = rounded(Float64Array.of(state.lambda))[0]!;
    return { residual, facts: { loss, lambda, eta } };
  }

  forget(): void {
    delete this.#state.residual;
  }

  state() {
    const { theta, phi, lambda, since } = this.#state;
    return { theta, phi, lambda: Float64Array.of(lambda), since: Float64Array.of(since) };
  }

  restore({ theta, phi, lambda, since }: Readonly<Record<string, Float64Array>>): void {
    Object.assign(this.#state, { theta, phi, lambda: lambda![0], since: since![0] });
    this.forget();
  }
}

class BroydenDescent implements Descent {
  readonly #state: ReturnType<typeof startOfBroyden>;

  constructor(theta: Float64Array) {
    this.#state = startOfBroyden(theta);
  }

  get theta(): Float64Array {
    return this.#state.theta;
  }

  async step(problem: LeastSquares): Promise<Step> {
    const state = this.#state;
    const { residual, loss, eta } = await broydenStep(problem, state);
    roundTheta(state);
    state.H = rounded(state.H);
    return { residual, facts: { loss, eta } };
  }

  /** What H has learned of the curvature stays. */
  forget(): void {
    delete this.#state.here;
  }

  state() {
    const { theta, H, since } = this.#state;
    return { theta, H, since: Float64Array.of(since) };
  }

  restore({ theta, H, since }: Readonly<Record<string, Float64Array>>): void {
    Object.assign(this.#state, { theta, H, since: since![0] });
    this.forget();
  }
}

class LbfgsDescent implements Descent {
  readonly #state: LbfgsState;

  constructor(theta: Float64Array) {
    this.#state = startOfLbfgs(theta);
  }

  get theta(): Float64Array {
    return this.#state.theta;
  }

  async step(problem: LeastSquares): Promise<Step> {
    const state = this.#state;
    const { residual, loss, eta } = await lbfgsStep(problem, state);
    roundTheta(state);
    state.pairs = state.pairs.map(({ s, y }) => ({ s: rounded(s), y: rounded(y) }));
    return { residual, facts: { loss, eta } };
  }

  forget(): void {
    delete this.#state.here;
  }

  state() {
    const { theta, pairs } = this.#state;
    const n = theta.length;
    const all = (of: 's' | 'y') => {
      const values = new Float64Array(REMEMBERED * n);
      for (const [k, pair] of pairs.entries()) values.set(pair[of], k * n);
      return values;
    };
    return { theta, s: all('s'), y: all('y'), pairs: Float64Array.of(pairs.length) };
  }

  restore({ theta, s, y, pairs }: Readonly<Record<string, Float64Array>>): void {
    const n = theta!.length;
    const part = (all: Float64Array, k: number) => all.slice(k * n, (k + 1) * n);
    const remembered = Array.from({ length: pairs![0]! }, (_, k) => ({ s: part(s!, k), y: part(y!, k) }));
    Object.assign(this.#state, { theta, pairs: remembered });
    this.forget();
  }
}
