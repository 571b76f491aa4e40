/** The gallery: each file is short, and its reference solves its own equations and conditions. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSystem } from '../../experiments/disk/system-file.ts';
import { allRemainders, parameterSets } from '../support/remainders.ts';

const folder = join(import.meta.dirname, '../../examples');
const files = readdirSync(folder).filter((name) => name.endsWith('.mjs'));

it('is there', () => {
  expect(files.length).toBeGreaterThanOrEqual(7);
});

it('is shown on the page that teaches it, letter by letter', () => {
  const page = readFileSync(join(folder, '../docs/own-equations.md'), 'utf8');
  expect(page).toContain(`\`\`\`mjs\n${readFileSync(join(folder, 'hartmann.mjs'), 'utf8')}\`\`\``);
  for (const file of files) expect(page).toContain(`examples/${file}`);
});

describe.each(files)('%s', (file) => {
  it('is short and named as its system', async () => {
    const text = readFileSync(join(folder, file), 'utf8');
    expect(text.trimEnd().split('\n').length).toBeLessThan(40);
    expect(`${(await readSystem(join(folder, file))).name}.mjs`).toBe(file);
  });

  it('has a reference that leaves nothing of any equation or condition, or none', async () => {
    const system = await readSystem(join(folder, file));
    if (file === 'burgers.mjs') expect(system.exact).toEqual({});
    else expect(Object.keys(system.exact)).toEqual(system.networks.flatMap(({ fields }) => [...fields]));
    if (Object.keys(system.exact).length === 0) return;
    for (const parameters of parameterSets(system)) {
      const found = allRemainders(system, parameters);
      expect(Object.keys(found).length).toBeGreaterThan(1);
      expect(Object.entries(found).filter(([, remainder]) => !(remainder < 1e-8))).toEqual([]);
    }
  });
});
