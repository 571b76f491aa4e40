/** What the page "Train" trains, as its address says it. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { configSchema, FORMAT } from '../../experiments/training/record.ts';
import { gallery } from '../../site/shared/gallery.ts';
import { thin } from '../../site/shared/thin.ts';
import { colourOf } from '../../site/train/colours.ts';
import { addressOf, contests, problemOfSpec, type Spec, START, settingsOfSpec, specOf } from '../../site/train/spec.ts';
import { systems } from '../../systems/index.ts';

function link(spec: Spec): URLSearchParams {
  const address = new URLSearchParams();
  for (const [name, value] of Object.entries(addressOf(spec)))
    if (value !== undefined) address.set(name, String(value));
  return address;
}

it('offers every file of the gallery', () => {
  const files = readdirSync(join(import.meta.dirname, '../../examples')).filter((name) => name.endsWith('.mjs'));
  expect(gallery.map(({ name }) => `${name}.mjs`).sort()).toEqual(files.sort());
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
