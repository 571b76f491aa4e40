/** "Look inside" in a browser. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { launch, linesOf, visit } from './chromium.ts';

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

it('leads through the guided tour, step by step, with the values found on paper', () =>
  visit(browser, 'look.html', async (page) => {
    await page.getByRole('combobox', { name: 'Guided tour' }).selectOption({ label: '3. Derivatives nest' });
    expect(await page.getByRole('textbox', { name: 'Formula' }).inputValue()).toBe('x^4');
    const results = page.locator('#by-hand li');
    expect(await results.allTextContents()).toEqual([
      "y' = 4*x^3 by hand: 0.5; the tape says 0.5",
      "y'' = 12*x^2 by hand: 3; the tape says 3",
      "y''' = 24*x by hand: 12; the tape says 12",
      "y'''' = 24 by hand: 24; the tape says 24",
    ]);
    const links = page.locator('#lesson-text a');
    expect(await links.allTextContents()).toEqual(['engine/tape/derive.ts', 'test/walk/03-nesting.test.ts']);
    for (const link of await links.all()) {
      const answer = await page.request.get(new URL((await link.getAttribute('href'))!, page.url()).href);
      expect(answer.ok()).toBe(true);
    }

    await page.getByRole('button', { name: 'Next' }).click();
    expect(await page.getByRole('textbox', { name: 'Formula' }).inputValue()).toBe('exp(x^2)');
    const address = new URL(page.url());
    expect(address.hash).toContain('tour=3.2');
    await visit(browser, address.pathname.slice(1) + address.hash, async (other) => {
      expect(await other.getByRole('combobox', { name: 'Guided tour' }).inputValue()).toBe('2');
      expect(await other.locator('#lesson-text').textContent()).toContain('jvp walks the list forwards');
    });
    await page.getByRole('textbox', { name: 'Formula' }).fill('x*x');
    expect(await results.count()).toBe(0);
    expect(new URL(page.url()).hash).not.toContain('tour');
  }));

it('shows the relatives of a line of WGSL and of a dispatch, too', () =>
  visit(browser, 'look.html#f=x*sin(x)&d=grad', async (page) => {
    const marked = () => page.locator('.row.same').allTextContents();
    const code = page.getByRole('listbox', { name: 'WGSL of dispatch 0' });
    await code.locator('.row', { hasText: '= tapir_cos(' }).first().hover();
    const ofLine = await marked();
    for (const part of [/^%\d+ .*cos %0/, /tapir_cos\(/, /^dispatch 0/])
      expect(ofLine.some((row) => part.test(row))).toBe(true);
    await page.getByRole('listbox', { name: 'Schedule' }).locator('.row').first().hover();
    const ofDispatch = await marked();
    expect(ofDispatch.length).toBeGreaterThan(ofLine.length);
    for (const row of ofLine) expect(ofDispatch).toContain(row);
  }));
