/** What the page "Train" trains, as its address says it. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { configSchema, FORMAT } from '../../experiments/training/record.ts';
import { gallery } from '../../site/shared/gallery.ts';
import { thin } from '../../site/shared/thin.ts';
import { colourOf } from '../../site/train/colours.ts';
import {
  addressOf,
  contests,
  mistakeIn,
  parametersOf,
  problemOfSpec,
  type Spec,
  START,
  settingsOfSpec,
  specOf,
} from '../../site/train/spec.ts';
import { decades, ticks } from '../../site/train/ticks.ts';
import { systems } from '../../systems/index.ts';

function link(spec: Spec): URLSearchParams {
  const address = new URLSearchParams();
  for (const [name, value] of Object.entries(addressOf(spec)))
    if (value !== undefined) address.set(name, String(value));
  return address;
}

/** Of the gallery, but not on the page: their references take seconds, or they learn from measurements, which it does not show. */
const LEFT_OUT = ['allen-cahn', 'arrhenius', 'burgers-inverse', 'cavity', 'conductivity', 'convection', 'terzaghi'];

it('offers every other file of the gallery', () => {
  const files = readdirSync(join(import.meta.dirname, '../../examples')).filter((name) => name.endsWith('.mjs'));
  const names = [...gallery.map(({ name }) => name), ...LEFT_OUT];
  expect(names.map((name) => `${name}.mjs`).sort()).toEqual(files.sort());
});

it('is restored by a link', () => {
  const spec: Spec = {
    ...START,
    system: 'hartmann',
    coupling: 20,
    optimizers: 'soap,gauss-newton',
    points: 50,
    seed: 7,
    edited: { induction: 'b.yy + Ha*u.y + b^3' },
  };
  expect(specOf(link(spec))).toEqual(spec);
  expect(specOf(link(START))).toEqual(START);
});

it('is as at the start where an address makes no sense', () => {
  expect(specOf(new URLSearchParams('system=nobody'))).toEqual(START);
  expect(specOf(new URLSearchParams('optimizer=toString&depth=99&seed=-1&r.RX=1'))).toEqual(START);
  for (const text of ['points=', 'points=3', 'points=many', 'coupling=', 'coupling=1e39', 'coupling=1e999', 'width= '])
    expect(specOf(new URLSearchParams(text)), text).toEqual(START);
  expect(specOf(new URLSearchParams('r.toString=1&r.__proto__=1&r.constructor=1&r.=1'))).toEqual(START);
  expect(specOf(new URLSearchParams('system=nernst-planck-poisson&coupling=-1')).coupling).toBeUndefined();
});

it('is one that makes sense, whatever the address, and comes back from its own link', () => {
  const key = fc.oneof(
    fc.constantFrom('system', 'coupling', 'depth', 'width', 'points', 'optimizer', 'weighting', 'seed'),
    fc.constantFrom('r.RT', 'r.__proto__', 'r.toString', '__proto__', 'r.Ru'),
    fc.string({ maxLength: 8 }),
  );
  const text = fc.oneof(
    fc.constantFrom(...[...systems, ...gallery].map(({ name }) => name), 'constructor', '__proto__'),
    fc.constantFrom(...Object.keys(contests), 'toString', 'lra', 'none', '-0', '1e999', '0x10', '1e-45', 'NaN', ''),
    fc.constantFrom('T.xx', 'toString(T)', '<img src=x onerror=alert(1)>', 'T^1e9', '('),
    fc.double().map(String),
    fc.string({ unit: 'binary' }),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(key, text)), (pairs) => {
      const spec = specOf(new URLSearchParams(new URLSearchParams(pairs).toString()));
      for (const value of Object.values(parametersOf(spec))) expect(Number.isFinite(value)).toBe(true);
      for (const name of Object.keys(spec.edited)) expect(mistakeIn(spec, name)?.message).not.toBe('');
      expect(specOf(link(spec))).toEqual(spec);
    }),
    { numRuns: 200 },
  );
});

it.each([...systems, ...gallery].map(({ name }) => name))(
  '%s is a problem, and each optimizer has settings for it',
  (name) => {
    const spec = specOf(new URLSearchParams(`system=${name}&points=20`));
    expect(problemOfSpec(spec).counts['interior']).toBe(20);
    for (const methods of Object.values(contests))
      for (const method of methods) {
        const { optimizer, seeds } = configSchema.parse({ format: FORMAT, ...settingsOfSpec(spec, method, 10, {}) });
        expect({ optimizer, seeds }).toEqual({ optimizer: method, seeds: [42] });
      }
  },
);

it('is drawn in colours from dark to light', () => {
  const lightness = Array.from({ length: 41 }, (_, k) => {
    const [red, green, blue] = colourOf(k / 40);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  });
  expect(lightness).toEqual([...lightness].sort((a, b) => a - b));
  expect(colourOf(-1)).toEqual(colourOf(0));
  expect(colourOf(2)).toEqual(colourOf(1));
});

it('keeps a history of bounded length, its end included', () => {
  const list = Array.from({ length: 11 }, (_, k) => k);
  thin(list, 11);
  expect(list).toHaveLength(11);
  thin(list, 10);
  expect(list).toEqual([0, 2, 4, 6, 8, 10]);
});

it('has round numbers at its axes', () => {
  expect(ticks(0, 575, 5)).toEqual([0, 200, 400]);
  expect(ticks(-0.5, 0.5, 5)).toEqual([-0.4, -0.2, 0, 0.2, 0.4].map((value) => expect.closeTo(value, 12)));
  expect(ticks(1, 1.2, 5).length).toBeGreaterThan(3);
  expect(decades(0.002, 3)).toEqual([0.001, 0.01, 0.1, 1, 10]);
  expect(decades(1, 1)).toEqual([1, 10]);
  expect(decades(1e-12, 1)).toEqual(
    [1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 1].map((value) => expect.closeTo(value, 14)),
  );
});
