/** The gallery: each file is short, and its reference, by a formula or computed, solves its own equations and conditions. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSystem } from '../../experiments/disk/system-file.ts';
import {
  type Coordinates,
  countOf,
  fieldsOf,
  knownValues,
  resolveParameters,
  type System,
} from '../../systems/index.ts';
import { allRemainders, differences, parameterSets, remainders, slips } from '../support/remainders.ts';

const folder = join(import.meta.dirname, '../../examples');
const files = readdirSync(folder).filter((name) => name.endsWith('.mjs'));
const systems = await Promise.all(
  files.map(async (file) => ({
    file,
    name: file.slice(0, -'.mjs'.length),
    system: await readSystem(join(folder, file)),
  })),
);

it('is there', () => {
  expect(files.length).toBeGreaterThanOrEqual(14);
});

it('is shown on the page that teaches it, letter by letter, and listed on its own', () => {
  const page = readFileSync(join(folder, '../docs/own-equations.md'), 'utf8');
  expect(page).toContain(`\`\`\`mjs\n${readFileSync(join(folder, 'hartmann.mjs'), 'utf8')}\`\`\``);
  const list = readFileSync(join(folder, 'README.md'), 'utf8');
  for (const file of files) expect(list).toContain(`[\`${file}\`](${file})`);
});

it.each(systems)('$file is short, named as its system, and knows what it looks for', ({ file, name, system }) => {
  expect(readFileSync(join(folder, file), 'utf8').trimEnd().split('\n').length).toBeLessThan(40);
  expect(system.name).toBe(name);
  // The pressure under the lid has no bound where the lid meets a wall.
  const fields = fieldsOf(system).filter((field) => !(name === 'cavity' && field === 'p'));
  expect(Object.keys(system.exact).sort()).toEqual(fields.sort());
});

describe.each(systems.filter(({ system }) => !system.reference))('$name, a formula', ({ system }) => {
  it('leaves nothing of any equation or condition', () => {
    for (const parameters of parameterSets(system)) {
      const found = allRemainders(system, parameters);
      expect(Object.keys(found).length).toBeGreaterThan(1);
      expect(Object.entries(found).filter(([, remainder]) => !(remainder < 1e-8))).toEqual([]);
    }
  });

  it('would be found out with any sign turned', () => {
    const parameters = parameterSets(system).at(-1)!;
    for (const wrong of slips(system))
      expect(Math.max(...Object.values(allRemainders(wrong, parameters))), wrong.name).toBeGreaterThan(1e-2);
  });
});

/** How near references that are computed come to their equations, and the steps of differences. The cavity's has no pressure. */
const computed: Readonly<Record<string, { h: number; tolerance: number; equations?: string[] }>> = {
  'allen-cahn': { h: 2e-4, tolerance: 1e-6 },
  arrhenius: { h: 1e-2, tolerance: 1e-8 },
  burgers: { h: 1e-4, tolerance: 1e-6 },
  'burgers-inverse': { h: 1e-3, tolerance: 1e-6 },
  cavity: { h: 1 / 64, tolerance: 1e-2, equations: ['continuity'] },
  convection: { h: 1e-2, tolerance: 1e-3 },
};

describe.each(systems.filter(({ system }) => system.reference))('$name, computed', ({ name, system }) => {
  const { h, tolerance, equations = Object.keys(system.residuals) } = computed[name]!;
  const parameters = resolveParameters(system, name === 'burgers-inverse' ? { nu: 0.05 } : {});
  const groups = system.points(parameters, 3);

  /** A dozen points, so far from the ends of all coordinates but those held that differences stay within. */
  function some(points: Coordinates, held: readonly string[] = []): Coordinates {
    const within = (k: number) =>
      Object.entries(points).every(([key, values]) => {
        const [low, high] = system.extents![key]!;
        return held.includes(key) || Math.min(values[k]! - low, high - values[k]!) > 8 * h;
      });
    const inside = Array.from({ length: countOf(points) }, (_, k) => k).filter(within);
    const taken = inside.filter((_, i) => i % Math.ceil(inside.length / 12) === 0);
    return Object.fromEntries(
      Object.keys(points).map((key) => [key, Float64Array.from(taken, (k) => points[key]![k]!)]),
    );
  }

  const interior = some(groups['interior']!);
  const known = differences(system, parameters, interior, h);
  const worst = ({ residuals }: System) =>
    Math.max(
      ...Object.values(
        remainders(
          system,
          equations.map((each) => residuals[each]!),
          parameters,
          interior,
          known,
        ),
      ),
    );

  it('leaves nothing of the equations, up to its own error', () => {
    expect(worst(system)).toBeLessThan(tolerance);
  });

  it('would be found out with any sign turned', () => {
    const residuals = Object.fromEntries(equations.map((each) => [each, system.residuals[each]!]));
    for (const wrong of slips({ ...system, residuals })) expect(worst(wrong)).toBeGreaterThan(5 * tolerance);
  });

  it('meets every condition', () => {
    for (const { group, pairedWith, residuals } of system.conditions) {
      if (system.observed?.[group]) continue;
      const at = (place: string) => {
        const held = system.coordinates.filter((key) => new Set(groups[place]![key]).size === 1);
        const points = some(groups[place]!, held);
        const slopes = residuals.some((text) => /\.\w/.test(text));
        const found = slopes ? differences(system, parameters, points, h) : valuesOf(points);
        return remainders(
          system,
          residuals.filter((text) => text !== 'p' || 'p' in system.exact),
          parameters,
          points,
          found,
        );
      };
      const there = pairedWith === undefined ? {} : at(pairedWith);
      for (const [text, value] of Object.entries(at(group)))
        expect(Math.abs(value - (there[text] ?? 0)), `${text} at ${group}`).toBeLessThan(tolerance);
    }
  });

  /** The reference without its derivatives. */
  function valuesOf(points: Coordinates) {
    const none = new Float64Array(countOf(points));
    const value = (key: string) => knownValues(system, key, parameters, points);
    const rest = system.coordinates.flatMap(() => [none, none]);
    return Object.fromEntries(Object.keys(system.reference!(parameters)).map((key) => [key, [value(key), ...rest]]));
  }
});
