/** Hard constraints and periodic conditions: derivatives against differences, and what holds by construction. */
import { describe, expect, it } from 'vitest';
import { evaluate, graphOf, newTape } from '../../engine/index.ts';
import { isCarriedByJets } from '../../systems/fields.ts';
import {
  type Coordinates,
  defineSystem,
  initialThetas,
  inputValues,
  lossModel,
  problemOf,
  resolveParameters,
  type System,
} from '../../systems/index.ts';

/** Residuals by name, at given points of each group. */
function residualsAt(system: System, points: Readonly<Record<string, Coordinates>>): Record<string, number[]> {
  const problem = problemOf(system, [{ parameters: resolveParameters(system), seed: 5, points }]);
  const model = lossModel(newTape(), problem);
  const values: Record<string, ArrayLike<number>> = {
    ...inputValues(problem, model.data),
    ...initialThetas(problem),
    weights: new Array(model.terms.length).fill(1),
  };
  const results = evaluate(
    graphOf(
      Object.values(model.inputs),
      model.residuals.map(({ value }) => value),
    ),
    Object.keys(model.inputs).map((name) => values[name]!),
  );
  return Object.fromEntries(model.residuals.map(({ name }, k) => [name, [...results[k]!]]));
}

const transform = { u: 'a*x*(1 - x)*exp(y/2*N) + sin(pi*x)*bump', v: 'y*N' };

function systemWith(derivatives: readonly string[]): System {
  return defineSystem({
    ...{
      name: 'probe',
      coordinates: { x: [0, 1], y: [-1, 2] },
      fields: ['u', 'v', 'w'],
      network: { hidden: 2, width: 6 },
    },
    ...{ parameters: { a: 1.3 }, definitions: { bump: '1 + a*y^2' }, transform },
    residuals: Object.fromEntries(derivatives.map((name) => [name, name])),
    points: { interior: 4 },
  });
}

const at = { x: Float64Array.of(0.2, 0.55, 0.9), y: Float64Array.of(1.1, -0.4, 0.3) };

/** Central differences of a field, along one letter after the other. */
function differences(field: string, letters: string, h: number, points: Record<string, Float64Array> = at): number[] {
  const [first, ...rest] = letters;
  if (first === undefined) return residualsAt(systemWith([field]), { interior: points })[field]!;
  const moved = (by: number) =>
    differences(field, rest.join(''), h, { ...points, [first]: points[first]!.map((value) => value + by) });
  const [up, down] = [moved(h), moved(-h)];
  return up.map((value, k) => (value - down[k]!) / (2 * h));
}

describe('a transformed field', () => {
  const general = ['u.x', 'u.y', 'u.xx', 'u.xy', 'u.yx', 'u.yy', 'u.xxy', 'v.yy', 'w.xx'];
  const fused = ['u.x', 'u.lap', 'v.y', 'v.lap', 'w.lap'];

  it.each([
    ['general', general, false],
    ['fused', fused, true],
  ] as const)('has the derivatives that differences say, on the %s path', (_, names, carried) => {
    const system = systemWith(names);
    expect(isCarriedByJets(system)).toBe(carried);
    const found = residualsAt(system, { interior: at });
    for (const name of names) {
      const [field, letters] = name.split('.') as [string, string];
      const h = letters.length > 2 ? 1e-3 : 1e-4;
      const along = (each: string) => differences(field, each, h);
      const expected = letters === 'lap' ? along('xx').map((value, k) => value + along('yy')[k]!) : along(letters);
      const size = Math.max(...expected.map(Math.abs));
      expect(size).toBeGreaterThan(1e-3);
      expected.forEach((value, k) => {
        expect(Math.abs(found[name]![k]! - value) / size, name).toBeLessThan(1e-5);
      });
    }
  });

  it('meets its condition for whatever the network says', () => {
    const system = defineSystem({
      ...{ name: 'hard', coordinates: { x: [0, 1], t: [0, 1] }, fields: ['u'], network: { hidden: 2, width: 6 } },
      ...{ transform: { u: 'x*(1 - x)*t*N + sin(pi*x)' }, residuals: { heat: 'u.t - u.xx' } },
      conditions: [
        { at: { t: 0 }, residuals: ['u - sin(pi*x)'] },
        { at: { x: 0 }, residuals: ['u'] },
      ],
      points: { interior: 4 },
    });
    const found = residualsAt(system, system.points({}, 1));
    for (const name of ['u - sin(pi*x)', 'u']) expect(Math.max(...found[name]!.map(Math.abs))).toBeLessThan(1e-15);
    expect(Math.max(...found['heat']!.map(Math.abs))).toBeGreaterThan(0.1);
  });
});

describe('a periodic condition', () => {
  const system = defineSystem({
    ...{ name: 'ring', coordinates: { x: [-1, 1], t: [0, 2] }, fields: ['u'], network: { hidden: 2, width: 6 } },
    residuals: { advection: 'u.t + u.x' },
    conditions: [{ periodic: 'x', residuals: ['u', 'u.x'], weight: 9, points: 5 }],
    points: { interior: 4 },
  });
  const points = system.points({}, 1);

  it('has pairs of points, one at each end', () => {
    const [low, high] = [points['x = -1, periodic']!, points['x = 1, periodic']!];
    expect([...low['x']!, ...high['x']!]).toEqual([-1, -1, -1, -1, -1, 1, 1, 1, 1, 1]);
    expect(low['t']).toEqual(high['t']);
    expect([...low['t']!]).toEqual([0, 0.5, 1, 1.5, 2]);
  });

  it('is the difference of both ends, times the root of its weight', () => {
    const found = residualsAt(system, points);
    const ends = ['low', 'high'].map((_, k) => {
      const x = k === 0 ? -1 : 1;
      const held = defineSystem({
        ...{ name: 'ring', coordinates: { x: [-1, 1], t: [0, 2] }, fields: ['u'], network: { hidden: 2, width: 6 } },
        ...{ residuals: { advection: 'u.t + u.x' }, conditions: [{ at: { x }, residuals: ['u', 'u.x'], points: 5 }] },
        points: { interior: 4 },
      });
      return residualsAt(held, held.points({}, 1));
    });
    for (const name of ['u', 'u.x'])
      found[name]!.forEach((value, k) => {
        expect(value).toBeCloseTo(3 * (ends[0]![name]![k]! - ends[1]![name]![k]!), 12);
      });
    expect(Math.abs(found['u']![0]!)).toBeGreaterThan(1e-3);
  });
});
