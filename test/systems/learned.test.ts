/** Learned parameters on the tape: their gradient against differences, and what of a definition is computed beforehand. */
import { describe, expect, it } from 'vitest';
import { evaluate, grad, graphOf, newTape } from '../../engine/index.ts';
import {
  defineSystem,
  initialThetas,
  inputValues,
  LEARNED,
  learnedNames,
  learnedValues,
  lossModel,
  resolveParameters,
  seeded,
} from '../../systems/index.ts';

const system = defineSystem({
  ...{ name: 'inverse', coordinates: { x: [0, 1] }, fields: ['u'], network: { hidden: 2, width: 6 } },
  parameters: { a: { value: 2, positive: true, trainable: true }, b: { value: 0.5, trainable: true }, c: 3 },
  definitions: { source: 'shift*sin(c*x)', shift: 'b + 1', known: 'c*x' },
  residuals: { balance: 'a*u.xx + source - known' },
  conditions: [{ at: { x: 0 }, residuals: ['u'] }],
  observations: [{ values: { x: [0.2, 0.7], u: [1, -1] }, weight: 4 }],
  points: { interior: 5 },
});
const parameters = resolveParameters(system);
const problem = seeded(system, parameters, [3, 4]);

/** Losses and the gradient of their sum, at values of s. */
function at(s: readonly number[]) {
  const model = lossModel(newTape(), problem);
  const names = Object.keys(model.inputs);
  const values: Record<string, ArrayLike<number>> = {
    ...inputValues(problem, model.data),
    ...initialThetas(problem),
    ...{ weights: new Array(2 * model.terms.length).fill(1), [LEARNED]: s },
  };
  const [gradient] = grad(model.total, [model.learned!]);
  const graph = graphOf(Object.values(model.inputs), [model.total, gradient!, model.losses]);
  const [total, own, losses] = evaluate(
    graph,
    names.map((name) => values[name]!),
  );
  return { model, total: total![0]!, gradient: [...own!], losses: [...losses!] };
}

describe('learned parameters', () => {
  it('begin where the system says, the positive ones stay positive', () => {
    expect(learnedNames(system)).toEqual(['a', 'b']);
    expect([...initialThetas(problem)[LEARNED]!]).toEqual([0, 0, 0, 0]);
    expect(learnedValues(problem, [0, 0, 1, -2])).toEqual({ a: [2, 2 * Math.E], b: [0.5, -1.5] });
  });

  it('have the gradient that differences say, each run its own', () => {
    const s = [0.3, -0.2, 0.1, 0.4];
    const { gradient } = at(s);
    const h = 1e-5;
    s.forEach((_, k) => {
      const moved = (by: number) => at(s.map((value, i) => (i === k ? value + by : value))).total;
      const expected = (moved(h) - moved(-h)) / (2 * h);
      expect(Math.abs(expected)).toBeGreaterThan(1e-4);
      expect(Math.abs(gradient[k]! / expected - 1)).toBeLessThan(1e-6);
    });
  });

  it('are read by definitions on the tape; only what reads none is computed beforehand', () => {
    const { model } = at([0, 0, 0, 0]);
    const known = model.data.flatMap((datum) => (datum.kind === 'known' ? [datum.name] : []));
    expect(known.sort()).toEqual(['known', 'u_data', 'x']);
  });

  it('are not known to a reference solution', () => {
    expect(() =>
      defineSystem({
        ...{
          name: 'inverse',
          coordinates: { x: [0, 1] },
          fields: ['u'],
          parameters: { a: { value: 1, trainable: true } },
        },
        ...{ residuals: { r: 'u.xx + a' }, definitions: { twice: '2*a' }, exact: { u: 'twice*x' } },
      }),
    ).toThrow(/^exact.u: twice is learned, so it is not known here/);
  });
});

describe('observations', () => {
  it('are a loss term: the mean square of what the network has and what was measured, times its weight', () => {
    const { model, losses } = at([0, 0, 0, 0]);
    expect(model.terms).toEqual(['balance', 'BC', 'data']);
    const own = model.residuals.find(({ term }) => term === 'data')!;
    expect([own.name, own.group, own.value.shape]).toEqual(['u - u_data', 'data', [2, 2]]);
    const single = defineSystem({
      ...{ name: 'inverse', coordinates: { x: [0, 1] }, fields: ['u'], network: { hidden: 2, width: 6 } },
      ...{
        residuals: { r: 'u.xx' },
        conditions: [
          { at: { x: 0.2 }, residuals: ['u - 1'] },
          { at: { x: 0.7 }, residuals: ['u + 1'] },
        ],
      },
      points: { interior: 5 },
    });
    const other = seeded(single, {}, [3]);
    const plain = lossModel(newTape(), other);
    const values: Record<string, ArrayLike<number>> = {
      ...{ ...inputValues(other, plain.data), ...initialThetas(other) },
      weights: [1, 1],
    };
    const [expected] = evaluate(
      graphOf(Object.values(plain.inputs), [plain.losses]),
      Object.keys(plain.inputs).map((name) => values[name]!),
    );
    // Two points summed there, averaged here, with weight 4.
    expect(losses[2]! / expected![1]!).toBeCloseTo(2, 12);
  });
});
