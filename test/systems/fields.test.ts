/** Derivatives of fields by name: whichever way they are taken, against differences in float64. */
import { describe, expect, it } from 'vitest';
import { evaluate, graphOf, input, newTape, type Var } from '../../engine/index.ts';
import { derivativesIn, fieldsAt, isCarriedByJets } from '../../systems/fields.ts';
import { defineSystem, initialThetas, problemOf, type System } from '../../systems/index.ts';

const shape = { hidden: 2, width: 7 };
const at = { x: [-0.7, 0.1, 1.3], t: [0.2, 0.9, 1.4] };

function systemWith(residuals: Readonly<Record<string, string>>): System {
  return defineSystem({
    ...{ name: 'probe', coordinates: { x: [-1, 2], t: [0, 1.5] }, fields: ['u', 'v'], residuals, network: shape },
    conditions: [{ at: { x: -1 }, residuals: ['u', 'v'] }],
  });
}

/** Values of names at points, by the tape that a system's loss would use. */
function valuesOf(system: System, names: readonly string[], points: Readonly<Record<string, readonly number[]>>) {
  const own = Object.fromEntries(Object.entries(points).map(([key, data]) => [key, Float64Array.from(data)]));
  const N = own['x']!.length;
  const problem = problemOf(system, [{ parameters: {}, seed: 7, points: { interior: own } }], shape);
  const tape = newTape();
  const declared: Record<string, Var> = {};
  const declare = (name: string, extents: readonly number[]) => (declared[name] ??= input(tape, name, extents));
  const X = declare('X', [1, system.coordinates.length, N]);
  const fields = fieldsAt(problem, X, derivativesIn(system), { declare });
  const thetas = initialThetas(problem);
  const data: Record<string, Float64Array> = {
    X: Float64Array.from(system.coordinates.flatMap((key) => [...own[key]!])),
    ...thetas,
  };
  const outputs = names.map((name) => fields(name)!);
  const results = evaluate(
    graphOf(Object.values(declared), outputs),
    Object.keys(declared).map((key) => data[key]!),
  );
  return Object.fromEntries(names.map((name, k) => [name, [...results[k]!]]));
}

/** Central differences at points, along one coordinate after the other. */
function differences(
  system: System,
  field: string,
  along: readonly string[],
  h: number,
  points: Readonly<Record<string, readonly number[]>> = at,
): number[] {
  const [first, ...rest] = along;
  if (first === undefined) return valuesOf(system, [field], points)[field]!;
  const shifted = (by: number) =>
    differences(system, field, rest, h, { ...points, [first]: points[first]!.map((value) => value + by) });
  const [up, down] = [shifted(h), shifted(-h)];
  return up.map((value, k) => (value - down[k]!) / (2 * h));
}

const POINT = { x: Float64Array.of(0.3), y: Float64Array.of(0.6), t: Float64Array.of(0.1) };
const general = systemWith({ r: 'u.xt + u.xxxx + v.xxx + u.x + u.t + u.tt + u.xx + v.t' });
const fused = systemWith({ r: 'u.t - u.x + v.x' });
const slotted = systemWith({ r: 'u.tx + u.xx - v.lap + u.t + v.tt' });

describe('a derivative by name', () => {
  it.each([
    ['u.x', 1e-5],
    ['u.t', 1e-5],
    ['u.xx', 1e-4],
    ['u.tt', 1e-4],
    ['u.xt', 1e-4],
    ['v.xxx', 1e-3],
    ['u.xxxx', 4e-3],
  ] as const)('%s is what differences say', (name, h) => {
    const [field, letters] = name.split('.') as [string, string];
    const expected = differences(general, field, [...letters], h);
    const size = Math.max(...expected.map(Math.abs));
    expect(size).toBeGreaterThan(1e-3);
    for (const system of letters.length > 2 ? [general] : [general, slotted])
      valuesOf(system, [name], at)[name]!.forEach((value, k) => {
        expect(Math.abs(value - expected[k]!) / size).toBeLessThan(2e-4);
      });
  });

  it('is the same whichever way it is taken', () => {
    expect([general, fused, slotted].map(isCarriedByJets)).toEqual([false, true, true]);
    const agree = (systems: readonly System[], names: readonly string[]) => {
      const [one, other] = systems.map((system) => valuesOf(system, names, at));
      for (const name of names)
        one![name]!.forEach((value, k) => {
          expect(value).toBeCloseTo(other![name]![k]!, 11);
        });
    };
    agree([general, fused], ['u', 'v', 'u.x', 'u.t', 'v.x']);
    agree([general, slotted], ['u', 'u.x', 'v.t', 'u.xx', 'u.tt', 'v.xt', 'v.tx', 'u.lap']);
  });

  it('takes a slot for itself, a sum none where its parts are carried', () => {
    const jetsOf = (equation: string) => {
      const system = defineSystem({
        ...{ name: 'probe', coordinates: { x: [0, 1], y: [0, 1], t: [0, 1] }, fields: ['u'] },
        residuals: { r: equation },
      });
      const problem = problemOf(system, [{ parameters: {}, seed: 7, points: { interior: POINT } }], shape);
      const tape = newTape();
      const X = input(tape, 'X', [1, 3, 1]);
      fieldsAt(problem, X, derivativesIn(system), { declare: (name, extents) => input(tape, name, extents) });
      const layer = tape.nodes.find(({ op }) => op === 'composite');
      return layer?.op === 'composite' ? [layer.params.args['D'], layer.params.args['second']] : undefined;
    };
    expect(jetsOf('u')).toEqual([0, false]);
    expect(jetsOf('u.t')).toEqual([1, false]);
    expect(jetsOf('u.yy')).toEqual([1, true]);
    expect(jetsOf('u.lap')).toEqual([2, true]);
    expect(jetsOf('u.t - u.lap')).toEqual([3, 'xx+yy']);
    expect(jetsOf('u.lap - u.xx')).toEqual([2, 'xx,xx+yy']);
    expect(jetsOf('u.lap - u.yy + u.xx')).toEqual([2, 'xx,yy']);
    expect(jetsOf('u.yx + u.xy + u.tt')).toEqual([3, 'xy,zz']);
    expect(jetsOf('u.xxx')).toEqual([0, false]);
  });

  it('is mixed in either order, and lap is the sum over space', () => {
    const {
      'u.xt': xt,
      'u.tx': tx,
      'u.lap': lap,
      'u.xx': xx,
    } = valuesOf(general, ['u.xt', 'u.tx', 'u.lap', 'u.xx'], at);
    expect(xt).toEqual(tx);
    expect(lap).toEqual(xx);
  });

  it('of what is no coordinate is refused with the coordinates there are', () => {
    expect(() => systemWith({ r: 'u.q' })).toThrow(
      /residuals.r: "u.q" uses u.q; a derivative names coordinates \(x, t\)/,
    );
  });
});
