/** "Look inside" in a browser. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { launch, linesOf, visit, WITHOUT_GPU } from './chromium.ts';

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser?.close());

const readme = readFileSync(resolve(import.meta.dirname, '../../../engine/README.md'), 'utf8');
const [, expected = ''] = /```text\n(%0 [^`]*? -> [^\n]*)\n/.exec(readme)!;

it('prints for x*sin(x) the tape of engine/README.md', () =>
  visit(browser, 'look.html', async (page) => {
    const lines = await linesOf(page, 'Graph after the pass');
    expect(lines.map((line) => line.trimEnd())).toEqual(expected.trimEnd().split('\n'));
  }));

it('shows values of the GPU beside float64, and relatives of a line in every view', () =>
  visit(browser, 'look.html#f=x*sin(x)&d=grad&at.x=0.7', async (page) => {
    const cells = page.locator('#outputs tbody tr').nth(1).locator('td');
    await expect.poll(() => cells.nth(3).textContent(), { timeout: 30_000 }).toMatch(/^1\.179/);
    expect(Number(await cells.nth(2).textContent())).toBeCloseTo(Math.sin(0.7) + 0.7 * Math.cos(0.7), 12);
    // Tapir's own sin and cos: those of SwiftShader are wrong by 6e-5 here, as WGSL allows.
    expect(Number(await cells.nth(3).textContent())).toBeCloseTo(Math.sin(0.7) + 0.7 * Math.cos(0.7), 5);
    await page.getByRole('listbox', { name: 'As written' }).locator('.row').nth(1).hover();
    expect(await page.locator('.row.same').allTextContents()).toEqual([
      expect.stringContaining('sin %0'),
      expect.stringContaining('sin %0'),
      expect.stringContaining('dispatch 0'),
      expect.stringContaining('= tapir_sin('),
    ]);
    await expect.poll(() => page.locator('#sentence').textContent()).toBe('%1 is sin of %0.');
    expect(await page.locator('.row.near').count()).toBeGreaterThan(2);
  }));

it('shows a mistake at its place and recovers', () =>
  visit(browser, 'look.html', async (page) => {
    const formula = page.getByRole('textbox', { name: 'Formula' });
    await formula.fill('x*sinn(x)');
    expect(await page.locator('#mistake').textContent()).toContain('calls sinn; the functions are');
    expect(await page.locator('#mistake pre').textContent()).toBe('x*sinn(x)\n  ^^^^');
    expect(await formula.getAttribute('aria-invalid')).toBe('true');
    await formula.fill('cos(x)');
    expect(await page.locator('#mistake').textContent()).toBe('');
    expect(await linesOf(page, 'As written')).toEqual([
      expect.stringContaining('input x'),
      expect.stringContaining('cos %0'),
    ]);
  }));

it('keeps its state in the address: a link restores it', () =>
  visit(browser, 'look.html', async (page) => {
    await page.getByLabel('or one of these').selectOption('thermoelasticity:Ru');
    await page.getByRole('button', { name: '+ jet' }).click();
    const address = page.url();
    expect(address).toContain('thermoelasticity');
    const shown = await linesOf(page, 'Graph after the pass');
    await visit(browser, new URL(address).pathname.slice(1) + new URL(address).hash, async (other) => {
      expect(await linesOf(other, 'Graph after the pass')).toEqual(shown);
    });
  }));

it('lets the tape grow node by node with the keyboard', () =>
  visit(browser, 'look.html', async (page) => {
    const slider = page.getByLabel('Let it grow node by node');
    await slider.press('Home');
    expect(await page.locator('#tape .row').count()).toBe(1);
    for (let k = 0; k < 3; k++) await slider.press('ArrowRight');
    expect(await page.locator('#tape .row').count()).toBe(4);
    expect(await page.locator('#tape .stage').count()).toBe(2);
  }));

it('without WebGPU says which browsers have it and shows everything else', async () => {
  const plain = await launch(WITHOUT_GPU);
  try {
    await visit(plain, 'look.html', async (page) => {
      await expect.poll(() => page.getByRole('status').allTextContents()).toEqual([expect.stringContaining('Chrome')]);
      expect(await linesOf(page, 'Graph after the pass')).toContain('%1  []  sin %0');
    });
  } finally {
    await plain.close();
  }
});

it.each([400, 800, 1400])('fits %i pixels', (width) =>
  visit(
    browser,
    'look.html#f=electroosmotic-flow:NP%2B&d=grad',
    async (page) => {
      expect(await page.locator('#mistake').textContent()).toBe('');
      expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
    },
    { viewport: { width, height: 900 } },
  ),
);
