/** Systems as a user writes them: what is wrong is one line with its place; what is right has the points it asks for. */
import { describe, expect, it } from 'vitest';
import { defineSystem, SystemError, type SystemSpec } from '../../systems/index.ts';

const heat: SystemSpec = {
  name: 'heat',
  coordinates: { x: [0, 2], t: [0, 1] },
  fields: ['T'],
  parameters: { alpha: 0.1, beta: { value: 1, about: 'nothing', positive: true } },
  definitions: { f: 'alpha*sin(pi*x)' },
  residuals: { heat: 'T.t - alpha*T.xx - f' },
  conditions: [
    { at: { t: 0 }, residuals: ['T - sin(pi*x)'], term: 'IC', points: 30 },
    { at: { x: 0 }, residuals: ['T'] },
    { at: { x: 2 }, residuals: ['T'] },
  ],
  points: { interior: 60 },
};

/** A definition that differs from a right one, and what is said of it. */
const wrong: readonly (readonly [what: string, change: object, says: RegExp])[] = [
  ['no name', { name: undefined }, /^name: /],
  ['a name with spaces', { name: 'my heat' }, /^name: a name is a letter/],
  ['an unknown key', { residual: {} }, /Unrecognized key: "residual"/],
  ['no coordinate', { coordinates: {} }, /^coordinates: 1 to 3 are possible, not 0/],
  ['four coordinates', { coordinates: { x: [0, 1], y: [0, 1], z: [0, 1], t: [0, 1] } }, /^coordinates: 1 to 3/],
  ['an extent the wrong way round', { coordinates: { x: [2, 0], t: [0, 1] } }, /^coordinates.x: it must end beyond/],
  ['an extent that is no pair', { coordinates: { x: [0], t: [0, 1] } }, /^coordinates.x/],
  [
    'an extent that is not finite',
    { coordinates: { x: [0, Number.POSITIVE_INFINITY], t: [0, 1] } },
    /^coordinates.x\[1\]/,
  ],
  ['no field', { fields: [] }, /^fields: /],
  ['a field named twice', { fields: ['T', 'T'] }, /^T: the name is given twice/],
  ['a field named as a parameter', { fields: ['T', 'alpha'] }, /^alpha: the name is given twice/],
  ['a field that is no name', { fields: ['T 1'] }, /^fields/],
  ['a parameter called pi', { parameters: { pi: 3, alpha: 1 } }, /^pi: the name stands for the number/],
  ['a parameter that is text', { parameters: { alpha: 'large' } }, /^parameters.alpha: /],
  [
    'a coupling of no parameter',
    { coupling: { parameter: 'alpa', values: [1] } },
    /^coupling.parameter: .*did you mean alpha/,
  ],
  ['no equation', { residuals: {} }, /^residuals: there is no equation/],
  ['an equation that cannot be read', { residuals: { heat: 'T.t - (' } }, /^residuals.heat: cannot read "T.t - \("/],
  [
    'a misspelt name',
    { residuals: { heat: 'T.t - alhpa*T.xx' } },
    /^residuals.heat: .* uses alhpa, .*did you mean alpha\?/,
  ],
  ['a misspelt field', { residuals: { heat: 'Tt.t - alpha' } }, /^residuals.heat: .* uses Tt.t/],
  [
    'a derivative along nothing',
    { residuals: { heat: 'T.tz' } },
    /^residuals.heat: .* a derivative names coordinates \(x, t\)/,
  ],
  ['an equation without a field', { residuals: { heat: 'alpha*x' } }, /^residuals.heat: .* mentions no field/],
  [
    'a condition without a field',
    { conditions: [{ at: { x: 0 }, residuals: ['x'] }] },
    /^conditions\[0\].residuals\[0\]: .*no field/,
  ],
  [
    'a condition that holds nothing',
    { conditions: [{ at: {}, residuals: ['T'] }] },
    /^conditions\[0\].at: no coordinate is held/,
  ],
  [
    'a condition on an unknown coordinate',
    { conditions: [{ at: { y: 0 }, residuals: ['T'] }] },
    /^conditions\[0\].at: there is no y/,
  ],
  [
    'a condition outside',
    { conditions: [{ at: { x: 3 }, residuals: ['T'] }] },
    /^conditions\[0\].at.x: 3 is outside 0 to 2/,
  ],
  [
    'two conditions at one place',
    { conditions: [1, 2].map(() => ({ at: { x: 0 }, residuals: ['T'] })) },
    /^conditions\[1\].at: conditions\[0\] is held there too/,
  ],
  ['no points', { points: { interior: 0 } }, /^points.interior/],
  ['an unknown sampling', { points: { sampling: 'sobol' } }, /^points.sampling/],
  ['a definition by fields', { definitions: { f: 'T' } }, /^definitions.f: .*uses T/],
  ['a definition by itself', { definitions: { f: 'g', g: 'f' } }, /^definitions.f: it is defined by itself/],
  ['a reference of no field', { exact: { S: 'x' } }, /^exact.S: there is no S; there is T/],
  ['a reference of an unknown name', { exact: { T: 'exp(-alpha*tau)' } }, /^exact.T: .*uses tau/],
  ['a name of every object', { residuals: { heat: 'T.t - toString' } }, /^residuals.heat: .*uses toString/],
  [
    'a key misspelt in a condition',
    { conditions: [{ at: { x: 0 }, residuals: ['T'], wieght: 2 }] },
    /^conditions\[0\]: .*"wieght"; did you mean weight\?/,
  ],
  ['a weight of nothing', { conditions: [{ at: { x: 0 }, residuals: ['T'], weight: 0 }] }, /^conditions\[0\].weight/],
  [
    'two conditions at one place with other points',
    { conditions: [1, 2].map((weight) => ({ at: { x: 0 }, residuals: ['T'], weight, points: 10 * weight })) },
    /^conditions\[1\].points: conditions\[0\] is held there too, with other points/,
  ],
  [
    'a misspelt key of a parameter',
    { parameters: { alpha: { value: 1, trainible: true } } },
    /^parameters.alpha: .*"trainible"; did you mean trainable\?/,
  ],
  ['observations of nothing', { observations: [{}] }, /^observations\[0\]: give either a file or values/],
  ['a misspelt key of observations', { observations: [{ path: 'a.csv' }] }, /^observations\[0\]: .*"path"; /],
  ...(
    [
      ['without a coordinate', { x: [1], T: [1] }, /there is no column t; /],
      ['of no field', { x: [1], t: [1] }, /there is no column of a field; the fields are T/],
      ['of an unknown field', { x: [1], t: [1], TT: [1] }, /TT is neither coordinate nor field; there are x, t, T/],
      ['of unequal length', { x: [1, 2], t: [1], T: [1] }, /the columns must be of one length/],
      ['of nothing', { x: [], t: [], T: [] }, /the columns .* not empty/],
      ['outside', { x: [3], t: [1], T: [1] }, /x = 3 is outside 0 to 2/],
    ] as const
  ).map(
    ([what, values, says]) =>
      [
        `observations ${what}`,
        { observations: [{ values }] },
        new RegExp(`^observations\\[0\\].values: ${says.source}`),
      ] as const,
  ),
  [
    'observations from a file in a program',
    { observations: [{ file: 'a.csv' }] },
    /^observations\[0\].file: a program gives values/,
  ],
  [
    'neither place nor period',
    { conditions: [{ residuals: ['T'] }] },
    /^conditions\[0\]: it takes either at or periodic/,
  ],
  [
    'a period of nothing',
    { conditions: [{ periodic: 'y', residuals: ['T'] }] },
    /^conditions\[0\].periodic: there is no y; /,
  ],
  [
    'a curve of another name',
    { conditions: [{ at: { x: 'cos(r)' }, residuals: ['T'] }] },
    /^conditions\[0\].at.x: .*uses r.*; there is s/,
  ],
  ['a transform of no field', { transform: { S: 'x*N' } }, /^transform.S: there is no S; there is T/],
  ['a transform without its network', { transform: { T: 'x' } }, /^transform.T: "x" does not mention N/],
  ['a transform of unknown names', { transform: { T: 'x*N + alfa' } }, /^transform.T: .*alfa.*did you mean alpha/],
  [
    'a parameter that a transform cannot tell',
    { transform: { T: 'x*N' }, parameters: { alpha: 1, N: 2 } },
    /^N: in transform the name stands for/,
  ],
  ['an inside-test of unknown names', { inside: '1 - x^2 - z' }, /^inside: .*uses z.*; there are x, t/],
  ['nothing inside', { inside: '-1 - x^2' }, /^inside: of 60000 points only 0 are inside/],
  [
    'a layer of no coordinate',
    { points: { layers: [{ at: { y: 0 }, depth: 1 }] } },
    /^points.layers\[0\].at: there is no y/,
  ],
  [
    'a layer of no depth',
    { points: { layers: [{ at: { x: 0 }, depth: 0 }] } },
    /^points.layers\[0\].depth: it must be positive/,
  ],
  [
    'a depth of unknown names',
    { points: { layers: [{ at: { x: 0 }, depth: '5*alph' }] } },
    /^points.layers\[0\].depth: .*did you mean alpha/,
  ],
  ['points that adapt at no time', { points: { adaptive: {} } }, /^points.adaptive: say by resample/],
  [
    'points drawn anew that are the same',
    { points: { resample: 10, sampling: 'uniform' } },
    /^points.resample: uniform points are the same/,
  ],
  ['a misspelt key of points', { points: { interiour: 10 } }, /^points: .*"interiour"; did you mean interior\?/],
  ['a negative learning rate', { learningRate: -1 }, /^learningRate/],
];

describe('a definition with', () => {
  it.each(wrong)('%s is refused in one line', (_, change, says) => {
    const define = () => defineSystem({ ...heat, ...change } as SystemSpec);
    expect(define).toThrow(SystemError);
    expect(define).toThrow(says);
    try {
      define();
    } catch (error) {
      expect((error as SystemError).message).not.toContain('\n');
      expect((error as SystemError).exitCode).toBe(2);
    }
  });
});

describe('a definition', () => {
  const system = defineSystem(heat);

  it('has the points it asks for, inside and where coordinates are held, the same for the same seed', () => {
    const groups = system.points({}, 5);
    expect(Object.keys(groups)).toEqual(['interior', 't = 0', 'x = 0', 'x = 2']);
    expect(Object.values(groups).map(({ x }) => x!.length)).toEqual([60, 30, 100, 100]);
    expect(groups['t = 0']!['t']!.every((t) => t === 0)).toBe(true);
    expect(groups['x = 2']!['x']!.every((x) => x === 2)).toBe(true);
    expect([groups['x = 0']!['t']![0], groups['x = 0']!['t']!.at(-1)]).toEqual([0, 1]);
    expect(system.points({}, 5)).toEqual(groups);
    expect(system.points({}, 6)['interior']).not.toEqual(groups['interior']);
  });

  it('takes its points from a Latin hypercube: one in each slice of every coordinate', () => {
    const { x, t } = system.points({}, 5)['interior']!;
    const slices = (values: Float64Array, length: number) => [...values].map((v) => Math.floor((v / length) * 60));
    const all = Array.from({ length: 60 }, (_, k) => k);
    expect(slices(x!, 2).sort((a, b) => a - b)).toEqual(all);
    expect(slices(t!, 1).sort((a, b) => a - b)).toEqual(all);
    expect(slices(x!, 2)).not.toEqual(slices(t!, 1));
  });

  it('or random ones, or the middles of cells', () => {
    const drawn = (sampling: 'random' | 'uniform') =>
      defineSystem({ ...heat, points: { interior: 9, sampling } }).points({}, 1)['interior']!;
    expect([...drawn('uniform')['x']!]).toEqual([1, 1, 1, 3, 3, 3, 5, 5, 5].map((k) => k / 3));
    const { x } = drawn('random');
    expect(x!.every((value) => value >= 0 && value < 2)).toBe(true);
    expect(new Set(x).size).toBe(9);
  });

  it('leaves a parameter that it does not have out, those of every object too', async () => {
    const { resolveParameters } = await import('../../systems/index.ts');
    expect(() => resolveParameters(system, { toString: 1 })).toThrow(/has no parameter toString/);
    expect(resolveParameters(system, { alpha: 2 })).toEqual({ alpha: 2, beta: 1 });
  });
});
