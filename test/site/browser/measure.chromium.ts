/** "Measure" in a browser. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { BenchResult } from '../../../bench/bench.ts';
import { compare } from '../../../bench/compare.ts';
import { readResult } from '../../../bench/result.ts';
import { library } from '../../../kernels/index.ts';
import { launch, visit, WITHOUT_GPU } from './chromium.ts';

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser?.close());

it('fills its tables with kernels that were right first, in the format of bench compare', () =>
  visit(browser, 'measure.html', async (page) => {
    await page.getByRole('button', { name: 'Measure quickly' }).click();
    const status = page.locator('#status');
    await expect.poll(() => status.textContent(), { timeout: 230_000, interval: 500 }).toMatch(/^(Measured|Stopped)/);
    expect(await status.textContent()).toBe('Measured.');
    const rows = await page.locator('#kernels tbody tr').allTextContents();
    for (const { name } of library) expect(rows.some((row) => row.startsWith(`${name}.`))).toBe(true);
    expect(rows.join()).not.toContain('REFUSED');
    await expect.poll(() => page.locator('#roofline circle').count()).toBeGreaterThan(5);

    const [saved] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download JSON' }).click(),
    ]);
    const result: BenchResult = readResult(await saved.path());
    expect(result.machine.adapter).toMatch(/swiftshader/i);
    expect(result.machine.browser).toMatch(/^Chrome \d/);
    expect(result.kernels!.filter(({ figures }) => figures).length).toBeGreaterThan(library.length);
    for (const { error, tolerance, skipped } of result.kernels!)
      if (!skipped) expect(error).toBeLessThanOrEqual(tolerance);
    const comparison = compare(result, result);
    expect(comparison.ok).toBe(true);
    expect(comparison.changes.length).toBeGreaterThan(library.length);
  }));

/** The last one, the network of the paper at its full size, takes minutes of the interpreter. */
const CASES = [
  'thermoelasticity-small',
  'reaction-diffusion-small',
  'nernst-planck-poisson-small',
  'electroosmotic-flow-small',
  'soap-square-16',
  'soap-square-64',
  'torch-init',
];

it('verifies the golden cases', () =>
  visit(browser, 'measure.html', async (page) => {
    await page.getByRole('button', { name: 'Verify golden cases' }).click();
    const rows = page.locator('#cases tbody tr');
    const status = page.locator('#status');
    const done = async () =>
      /^Stopped/.test((await status.textContent()) ?? '') || (await rows.count()) >= CASES.length;
    await expect.poll(done, { timeout: 235_000, interval: 500 }).toBe(true);
    const shown = await rows.evaluateAll((all) => all.map((row) => [...row.children].map((cell) => cell.textContent)));
    expect(shown.map(([file, ok]) => `${file} ${ok}`)).toEqual(CASES.map((name) => `${name}.json ok`));
    const counted = shown.map(([, , quantities]) => Number(quantities));
    expect(Math.min(...counted)).toBeGreaterThan(1);
  }));

it('without WebGPU shows recorded figures', async () => {
  const plain = await launch(WITHOUT_GPU);
  try {
    await visit(plain, 'measure.html', async (page) => {
      await expect.poll(() => page.locator('#adapter').textContent()).toContain('Chrome');
      const path = resolve(import.meta.dirname, '../../../bench/results/llvmpipe.json');
      const { machine } = JSON.parse(readFileSync(path, 'utf8')) as BenchResult;
      await expect
        .poll(() => page.locator('#kernels .notice').textContent())
        .toContain(`Recorded on ${machine.adapter}`);
      expect(await page.locator('#kernels tbody tr').count()).toBeGreaterThan(10);
    });
  } finally {
    await plain.close();
  }
});

it.each([400, 800, 1400])('fits %i pixels', (width) =>
  visit(
    browser,
    'measure.html',
    async (page) => {
      await expect.poll(() => page.getByRole('button', { name: 'Measure quickly' }).isEnabled()).toBe(true);
      expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
    },
    { viewport: { width, height: 900 } },
  ),
);
