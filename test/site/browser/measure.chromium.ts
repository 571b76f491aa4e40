/** "Measure" in a browser. */
import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { BenchResult } from '../../../bench/bench.ts';
import { compare } from '../../../bench/compare.ts';
import { readResult } from '../../../bench/result.ts';
import { library } from '../../../kernels/index.ts';
import { launch, visit } from './chromium.ts';

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser?.close());

it('fills its tables with kernels that were right first, in the format of bench compare', () =>
  visit(browser, 'measure.html', async (page) => {
    await page.getByRole('button', { name: 'Measure quickly' }).click();
    const status = page.locator('#status');
    await expect.poll(() => status.textContent(), { timeout: 580_000, interval: 500 }).toMatch(/^(Measured|Stopped)/);
    expect(await status.textContent()).toBe('Measured.');
    const rows = await page.locator('#kernels tbody tr').allTextContents();
    for (const { name } of library) expect(rows.some((row) => row.startsWith(`${name}.`))).toBe(true);
    expect(rows.join()).not.toContain('REFUSED');
    await expect.poll(() => page.locator('#roofline circle').count()).toBeGreaterThan(5);

    const letters = () =>
      page
        .locator('#roofline text')
        .first()
        .evaluate((text) => text.getBoundingClientRect().height);
    for (const width of [400, 1400]) {
      await page.setViewportSize({ width, height: 900 });
      await expect.poll(letters).toBeGreaterThan(11);
      expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
    }

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

/** The paper's network at its full size takes a minute or two of the interpreter, more on a busy machine. */
const MINUTES = 1_500_000;

it('verifies every golden case', { timeout: MINUTES + 60_000 }, () =>
  visit(browser, 'measure.html', async (page) => {
    await page.getByRole('button', { name: 'Verify golden cases' }).click();
    const rows = page.locator('#cases tbody tr');
    const status = page.locator('#status');
    const ended = async () => /^(Stopped|Verified)/.test((await status.textContent()) ?? '');
    await expect.poll(ended, { timeout: MINUTES, interval: 500 }).toBe(true);
    expect(await status.textContent()).toBe('Verified.');
    const golden = readdirSync(resolve(import.meta.dirname, '../../golden'));
    const cases = golden.filter((file) => file.endsWith('.json')).sort();
    const shown = await rows.evaluateAll((all) => all.map((row) => [...row.children].map((cell) => cell.textContent)));
    expect(shown.map(([file, ok]) => `${file} ${ok}`).sort()).toEqual(cases.map((file) => `${file} ok`));
    const counted = shown.map(([, , quantities]) => Number(quantities));
    expect(Math.min(...counted)).toBeGreaterThan(1);
  }),
);
