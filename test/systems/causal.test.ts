/** Causal weights for time: against their definition, point by point, in float64. */
import { describe, expect, it } from 'vitest';
import { evaluate, grad, graphOf, newTape } from '../../engine/index.ts';
import {
  CAUSAL,
  CAUSAL_SLICES,
  defineSystem,
  initialThetas,
  inputValues,
  type LossModel,
  lossModel,
  type Problem,
  resolveParameters,
  seeded,
  sliceEnds,
} from '../../systems/index.ts';

const system = defineSystem({
  name: 'pair',
  coordinates: { t: [1, 3], x: [0, 1] },
  fields: ['u', 'v'],
  residuals: { first: 'u.t - u.xx + v', second: '10*v.t + u*v' },
  conditions: [{ at: { t: 1 }, residuals: ['u - x', 'v'], term: 'IC', points: 3 }],
  points: { interior: 90, sampling: 'random' },
});
const SLICES = 32;
const problem = seeded(system, resolveParameters(system), [5, 6], { hidden: 1, width: 5 });

function valuesOf(model: LossModel, of: Problem, epsilon: readonly number[]): Record<string, ArrayLike<number>> {
  return {
    ...{ ...inputValues(of, model.data), ...initialThetas(of), [CAUSAL]: epsilon, [CAUSAL_SLICES]: sliceEnds(system) },
    weights: [1, 2, 3, 1, 2, 3],
  };
}

function computed(model: LossModel, epsilon: readonly number[]) {
  const values = valuesOf(model, problem, epsilon);
  const names = Object.keys(model.inputs);
  const [theta] = grad(model.total, model.thetas);
  const outputs = [
    model.losses,
    model.weighed,
    model.causality!,
    theta,
    ...model.residuals.slice(0, 2).map((r) => r.value),
  ];
  const graph = graphOf(Object.values(model.inputs), outputs);
  const results = evaluate(
    graph,
    names.map((name) => values[name]!),
  ).map((each) => [...each]);
  return {
    losses: results[0]!,
    weighed: results[1]!,
    least: results[2]!,
    gradient: results[3]!,
    residuals: results.slice(4),
  };
}

/** By the definition: weights of the points of a run, each equation's and the smallest. */
function weightsByHand(residuals: readonly (readonly number[])[], run: number, epsilon: number): number[] {
  const t = problem.runs[run]!.points['interior']!['t']!;
  const N = t.length;
  const sliceOf = (k: number) => Math.min(SLICES - 1, Math.floor(((t[k]! - 1) / 2) * SLICES));
  return Array.from(t, (_, point) => {
    const own = residuals.map((values) => {
      let before = 0;
      for (let slice = 0; slice < sliceOf(point); slice++) {
        const squares = [...t.keys()].filter((k) => sliceOf(k) === slice).map((k) => values[run * N + k]! ** 2);
        if (squares.length > 0) before += squares.reduce((a, b) => a + b) / squares.length;
      }
      return Math.exp(-epsilon * before);
    });
    return Math.min(...own);
  });
}

describe('causal weights', () => {
  const model = lossModel(newTape(), problem, { causal: true });
  const epsilon = [0.3, 2];
  const found = computed(model, epsilon);

  it('are exp(-epsilon * what is left before), the smallest of the equations, run by run', () => {
    const N = problem.counts['interior']!;
    for (const run of [0, 1]) {
      const weights = weightsByHand(found.residuals, run, epsilon[run]!);
      expect(found.least[run]).toBeCloseTo(Math.min(...weights), 12);
      expect(found.least[run]).toBeLessThan(0.9);
      found.residuals.forEach((values, term) => {
        const mean = weights.reduce((sum, w, k) => sum + w * values[run * N + k]! ** 2, 0) / N;
        expect(found.weighed[3 * run + term]).toBeCloseTo(mean, 12);
      });
      expect(found.weighed[3 * run + 2]).toBe(found.losses[3 * run + 2]);
    }
  });

  it('leave the loss terms that are reported as they are, and are one where epsilon is zero', () => {
    const plain = lossModel(newTape(), problem);
    expect(plain.weighed).toBe(plain.losses);
    const without = computed(model, [0, 0]);
    expect(without.losses).toEqual(found.losses);
    without.weighed.forEach((value, k) => {
      expect(value).toBeCloseTo(without.losses[k]!, 12);
    });
    expect(without.least).toEqual([1, 1]);
  });

  it('are constants to the gradient', () => {
    // With weights that stay, the loss of a run is quadratic in its residuals: differences of the residuals alone tell.
    const names = Object.keys(model.inputs);
    const graph = graphOf(
      Object.values(model.inputs),
      model.residuals.map((r) => r.value),
    );
    const base = valuesOf(model, problem, epsilon);
    const at = (theta: Float64Array) =>
      evaluate(
        graph,
        names.map((name) => (name === 'theta' ? theta : base[name]!)),
      ).map((each) => [...each]);
    const theta = Float64Array.from(base['theta']!);
    const N = problem.counts['interior']!;
    const M = problem.counts['t = 1']!;
    const held = [0, 1].map((run) => weightsByHand(found.residuals, run, epsilon[run]!));
    const loss = (shifted: Float64Array) => {
      const [first, second, u, v] = at(shifted) as [number[], number[], number[], number[]];
      let total = 0;
      for (const run of [0, 1]) {
        held[run]!.forEach((w, k) => {
          total += (w * (first[run * N + k]! ** 2 + 2 * second[run * N + k]! ** 2)) / N;
        });
        for (let k = 0; k < M; k++) total += (3 * (u[run * M + k]! ** 2 + v[run * M + k]! ** 2)) / M;
      }
      return total;
    };
    for (const k of [0, 7, 20, theta.length - 3]) {
      const moved = (by: number) => loss(theta.map((value, j) => (j === k ? value + by : value)));
      const slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
      expect(found.gradient[k]).toBeCloseTo(slope, 5);
    }
  });
});
