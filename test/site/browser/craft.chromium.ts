/** What holds for every page: it fits, it can be read and used without a mouse, and it is of use without a GPU. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BenchResult } from '../../../bench/bench.ts';
import { launch, linesOf, visit, WITHOUT_GPU } from './chromium.ts';
import { epochOf, ready, SMALL } from './training.ts';

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser?.close());

/** Each page with something on it. */
const pages: readonly (readonly [name: string, path: string, fill: (page: Page) => Promise<void>])[] = [
  [
    'train',
    SMALL,
    async (page) => {
      await ready(page);
      await page.getByText('Edit the equations').click();
      await page.getByRole('button', { name: 'One step' }).click();
      await expect.poll(() => epochOf(page), { timeout: 100_000 }).toBe(1);
    },
  ],
  [
    'look',
    'look.html#tour=3.1&f=x%5E4&d=grad,grad,grad,grad',
    (page) => expect.poll(() => linesOf(page, 'Schedule'), { timeout: 60_000 }).not.toEqual([]),
  ],
  [
    'measure',
    'measure.html',
    (page) =>
      expect
        .poll(() => page.getByRole('button', { name: 'Measure quickly' }).isEnabled(), { timeout: 60_000 })
        .toBe(true),
  ],
];

/** How far what was there already moved while the page loaded; search engines call less than 0.1 good. */
const layoutShift = (page: Page) =>
  page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        new PerformanceObserver((list) => {
          const shifts = list.getEntries() as unknown as { value: number; hadRecentInput: boolean }[];
          resolve(shifts.reduce((sum, { value, hadRecentInput }) => sum + (hadRecentInput ? 0 : value), 0));
        }).observe({ type: 'layout-shift', buffered: true });
        setTimeout(() => resolve(0), 1000);
      }),
  );

/** Pictures of the pages are kept where this names a folder. */
const shots = process.env['TAPIR_SHOTS'];

describe.each(pages)('%s', (name, path, fill) => {
  it('stays where it is while it loads, fits 400, 900 and 1400 pixels, has labels, roles and contrast of WCAG 2.1 AA', () =>
    visit(browser, path, async (page) => {
      await fill(page);
      expect(await layoutShift(page)).toBeLessThan(0.1);
      await page.addScriptTag({ content: axe.source });
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        for (const width of [400, 900, 1400]) {
          await page.setViewportSize({ width, height: 900 });
          expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
          if (shots === undefined) continue;
          mkdirSync(shots, { recursive: true });
          await page.screenshot({ path: join(shots, `${name}-${width}-${colorScheme}.png`), fullPage: true });
        }
        const found = await page.evaluate(async () => {
          const { axe } = globalThis as unknown as { axe: typeof import('axe-core') };
          const { passes, violations } = await axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa'] });
          const wrong = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
          return { wrong, kept: passes.map(({ id }) => id) };
        });
        expect(found.wrong, colorScheme).toEqual([]);
        expect(found.kept).toContain('color-contrast');
      }
    }));
});

it('is used with the keyboard alone, and shows where it is', () =>
  visit(browser, SMALL, async (page) => {
    await ready(page);
    const here = () =>
      page.evaluate(() => {
        const { activeElement } = document;
        const { outlineStyle } = getComputedStyle(activeElement!);
        const label = document.querySelector(`label[for="${activeElement!.id}"]`);
        return { name: (label ?? activeElement!).textContent, outlineStyle, id: activeElement!.id };
      });
    const seen: string[] = [];
    for (let k = 0; k < 30; k++) {
      await page.keyboard.press('Tab');
      const { name, outlineStyle } = await here();
      expect(outlineStyle, name ?? '').not.toBe('none');
      seen.push(name ?? '');
      if (name === 'Train' && seen.length > 5) break;
    }
    expect(seen[0]).toBe('Skip to content');
    for (const name of [/^System/, /^Coupling/, /^Optimizer/, /^Seed/, /^Edit the equations/, /^Train$/])
      expect(
        seen.some((each) => name.test(each)),
        String(name),
      ).toBe(true);
    await page.keyboard.press('Enter');
    await expect.poll(() => epochOf(page), { timeout: 100_000 }).toBeGreaterThan(0);
    await page.keyboard.press('Enter');
    await expect.poll(() => page.getByRole('button', { name: 'One step' }).isEnabled(), { timeout: 60_000 }).toBe(true);
  }));

describe('without WebGPU', () => {
  let plain: Browser;
  beforeAll(async () => {
    plain = await launch(WITHOUT_GPU);
  });
  afterAll(() => plain?.close());

  it('Train says which browsers have it and shows recorded results', () =>
    visit(plain, 'index.html', async (page) => {
      await expect.poll(() => page.locator('#status').textContent()).toContain('use Chrome');
      const loaded = () => page.locator('#recorded img').evaluate((image) => (image as HTMLImageElement).naturalWidth);
      await expect.poll(loaded).toBeGreaterThan(100);
    }));

  it('Look inside shows everything but values of a GPU', () =>
    visit(plain, 'look.html', async (page) => {
      await expect.poll(() => page.getByRole('status').allTextContents()).toEqual([expect.stringContaining('Chrome')]);
      expect(await linesOf(page, 'Graph after the pass')).toContain('%1  []  sin %0');
    }));

  it('Measure shows recorded figures', () =>
    visit(plain, 'measure.html', async (page) => {
      await expect.poll(() => page.locator('#adapter').textContent()).toContain('Chrome');
      const path = resolve(import.meta.dirname, '../../../bench/results/llvmpipe.json');
      const { machine } = JSON.parse(readFileSync(path, 'utf8')) as BenchResult;
      await expect
        .poll(() => page.locator('#kernels .notice').textContent())
        .toContain(`Recorded on ${machine.adapter}`);
      expect(await page.locator('#kernels tbody tr').count()).toBeGreaterThan(10);
    }));
});
