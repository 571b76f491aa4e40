/** Kinds of networks and what enters them: fused jets against nested tangents and differences, gradients, initial weights. */
import { describe, expect, it } from 'vitest';
import { evaluate, grad, graphOf, input, newTape, type Var } from '../../engine/index.ts';
import { derivativesIn, fieldsAt, isCarriedByJets } from '../../systems/fields.ts';
import {
  defineSystem,
  initialTheta,
  initialThetas,
  inputValues,
  layersOf,
  lossModel,
  networkKinds,
  parameterCount,
  problemOf,
  type System,
} from '../../systems/index.ts';
import { architectureOf } from '../../systems/stack.ts';

const fourier = { count: 3, scale: 1.5 };
const shapes = networkKinds.flatMap((kind) => [
  { name: kind, kind, activation: 'tanh' as const },
  { name: `${kind} of periodic Fourier features`, kind, activation: 'silu' as const, fourier, periodic: ['x'] },
]);
type Shape = (typeof shapes)[number];
const sizes = { hidden: 3, width: 5 };

const systemOf = ({ name: _, ...shape }: Shape, residual: string): System =>
  defineSystem({
    ...{
      name: 'probe',
      coordinates: { x: [-1, 2], t: [0.5, 1.5] },
      fields: ['u', 'v'],
      network: { ...sizes, ...shape },
    },
    residuals: { r: residual },
    conditions: [{ at: { x: -1 }, residuals: ['u', 'v'] }],
  });
const fused = 'u.t + u.xx + u.lap - v.xt + v.tt + u.x';
const general = `${fused} + u.xxx`;

/** Values of names at points [x, t] by the tape that a loss would use. */
function valuesOf(system: System, names: readonly string[], points: readonly (readonly [number, number])[]) {
  const columns = { x: Float64Array.from(points, ([x]) => x), t: Float64Array.from(points, ([, t]) => t) };
  const problem = problemOf(system, [{ parameters: {}, seed: 7, points: { interior: columns } }]);
  const tape = newTape();
  const declared: Record<string, Var> = {};
  const declare = (name: string, shape: readonly number[]) => (declared[name] ??= input(tape, name, shape));
  const fields = fieldsAt(problem, declare('X', [1, 2, points.length]), derivativesIn(system), { declare });
  const data: Record<string, Float64Array> = {
    ...{ X: Float64Array.from([...columns.x, ...columns.t]) },
    ...initialThetas(problem),
  };
  const graph = graphOf(
    Object.values(declared),
    names.map((name) => fields(name)!),
  );
  const results = evaluate(
    graph,
    Object.keys(declared).map((key) => data[key]!),
  );
  return Object.fromEntries(names.map((name, k) => [name, [...results[k]!]]));
}

const at = [
  [-0.6, 0.7],
  [0.4, 1.1],
  [1.7, 1.4],
] as const;

describe.each(shapes)('$name', (shape) => {
  const [byJets, byTangents] = [systemOf(shape, fused), systemOf(shape, general)];

  it('has the derivatives of its value, whichever way they are taken', () => {
    expect([byJets, byTangents].map(isCarriedByJets)).toEqual([true, false]);
    const names = ['u', 'u.x', 'v.t', 'u.xx', 'v.xt', 'v.tt', 'u.lap'];
    const [one, other] = [byJets, byTangents].map((system) => valuesOf(system, names, at));
    for (const name of names)
      one![name]!.forEach((value, k) => {
        expect(value, name).toBeCloseTo(other![name]![k]!, 10);
      });
  });

  it.each([
    ['u', 'u.x', 0],
    ['u.x', 'u.xx', 0],
    ['u.x', 'u.xt', 1],
    ['u.xx', 'u.xxx', 0],
  ] as const)('of %s has the slope %s', (name, slope, d) => {
    const h = 1e-5;
    const moved = (by: number) =>
      valuesOf(
        byTangents,
        [name],
        at.map(([x, t]) => (d === 0 ? [x + by, t] : [x, t + by])),
      )[name]!;
    const [up, down] = [moved(h), moved(-h)];
    const expected = up.map((value, k) => (value - down[k]!) / (2 * h));
    expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(1e-3);
    valuesOf(byTangents, [slope], at)[slope]!.forEach((value, k) => {
      expect(value).toBeCloseTo(expected[k]!, 6);
    });
  });

  it('has the gradient that differences of its loss say, along any direction', () => {
    const points = { x: Float64Array.from(at, ([x]) => x), t: Float64Array.from(at, ([, t]) => t) };
    const problem = problemOf(byJets, [{ parameters: {}, seed: 7, points: { interior: points, 'x = -1': points } }]);
    const model = lossModel(newTape(), problem);
    const graph = graphOf(Object.values(model.inputs), [model.total, ...grad(model.total, [...model.thetas])]);
    const values: Record<string, ArrayLike<number>> = {
      ...{ ...inputValues(problem, model.data), ...initialThetas(problem) },
      weights: new Array(model.terms.length).fill(1),
    };
    const theta = Array.from(values['theta']!);
    const direction = theta.map((_, k) => Math.sin(1 + 3 * k));
    const run = (by: number) => {
      const moved = { ...values, theta: theta.map((value, k) => value + by * direction[k]!) };
      return evaluate(
        graph,
        Object.keys(model.inputs).map((key) => moved[key as keyof typeof moved]!),
      );
    };
    const h = 1e-6;
    const slope = (run(h)[0]![0]! - run(-h)[0]![0]!) / (2 * h);
    const along = direction.reduce((sum, each, k) => sum + each * run(0)[1]![k]!, 0);
    expect(Math.abs(along / slope - 1)).toBeLessThan(1e-6);
  });
});

describe('a coordinate that is periodic', () => {
  it('has equal values and slopes at both ends, whatever the weights', () => {
    const system = systemOf(shapes.find(({ fourier }) => fourier)!, general);
    const found = valuesOf(
      system,
      ['u', 'u.x', 'u.xxx'],
      [
        [-1, 0.8],
        [2, 0.8],
        [0.5, 0.8],
      ],
    );
    for (const [low, high, middle] of Object.values(found)) {
      expect(low).toBeCloseTo(high!, 10);
      expect(Math.abs(low! - middle!)).toBeGreaterThan(1e-3);
    }
  });

  it('must be one of the coordinates', () => {
    const wrong = () => systemOf({ ...shapes[0]!, periodic: ['y'] } as Shape, fused);
    expect(wrong).toThrow('network.periodic[0]: there is no y');
    expect(() => architectureOf({ coordinates: ['x'] }, { ...sizes, periodic: ['y'] }, 1)).toThrow('no coordinate y');
  });
});

describe('layers', () => {
  const layers = (shape: object) => layersOf(architectureOf({ coordinates: ['x', 't'] }, { ...sizes, ...shape }, 1));

  it('are those of features, encodings, hidden layers and outputs', () => {
    expect(layers({})).toEqual([
      [5, 2],
      [5, 5],
      [5, 5],
      [1, 5],
    ]);
    expect(layers({ kind: 'residual' })).toEqual(layers({}));
    expect(layers({ periodic: ['t'], fourier })).toEqual([
      [6, 3],
      [5, 6],
      [5, 5],
      [5, 5],
      [1, 5],
    ]);
    expect(layers({ kind: 'modified', fourier })).toEqual([
      [6, 2],
      [5, 6],
      [5, 6],
      [5, 6],
      [5, 5],
      [5, 5],
      [1, 5],
    ]);
    expect(() => layers({ fourier: { count: 0, scale: 1 } })).toThrow('positive count');
  });

  it('of Fourier features begin as cosines and sines of the same directions, normal with the scale asked for', () => {
    const shape = { ...sizes, fourier: { count: 2000, scale: 3 } };
    const system = { coordinates: ['x', 't'], networks: [{ name: 'u', fields: ['u'] }] };
    const theta = initialTheta(system, shape, 5)['u']!;
    expect(theta.length).toBe(parameterCount(architectureOf(system, shape, 1)));
    const W = Array.from({ length: 8000 }, (_, k) => theta[k]!);
    expect(W.slice(0, 4000)).toEqual(W.slice(4000));
    const mean = (of: (w: number) => number) => W.slice(0, 4000).reduce((sum, w) => sum + of(w), 0) / 4000;
    expect(Math.abs(mean((w) => w))).toBeLessThan(0.15);
    expect(Math.sqrt(mean((w) => w * w))).toBeCloseTo(3, 0);
    const b = Array.from({ length: 4000 }, (_, k) => theta[8000 + k]!);
    expect(new Set(b)).toEqual(new Set([Math.fround(Math.PI / 2), 0]));
    expect(initialTheta(system, shape, 5)['u']).toEqual(theta);
  });
});
