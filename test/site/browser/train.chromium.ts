/** "Train" in a browser. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readSafetensors } from '../../../experiments/disk/safetensors.ts';
import { configSchema, parseLines } from '../../../experiments/training/record.ts';
import { launch, visit, WITHOUT_GPU } from './chromium.ts';

const root = resolve(import.meta.dirname, '../../..');

let browser: Browser;
let folder: string;
beforeAll(async () => {
  browser = await launch();
  folder = mkdtempSync(join(tmpdir(), 'tapir-page-'));
});
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

const ready = (page: Page) =>
  expect.poll(() => page.locator('#status').textContent(), { timeout: 100_000 }).toMatch(/^Ready/);

/** The row of an optimizer by column. */
async function standing(page: Page, optimizer: string): Promise<Record<string, string>> {
  const head = await page.locator('#readings th').allTextContents();
  const row = page.locator('#readings tbody tr', { hasText: optimizer });
  const cells = (await row.count()) === 0 ? [] : await row.locator('td').allTextContents();
  return Object.fromEntries(head.map((name, k) => [name, cells[k] ?? '']));
}

const epochOf = async (page: Page, optimizer = 'soap') => Number((await standing(page, optimizer))['epoch'] ?? 0);
const errorOf = async (page: Page, optimizer = 'soap') =>
  Number.parseFloat((await standing(page, optimizer))['error'] ?? 'NaN');

async function pause(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Pause' }).click();
  await expect.poll(() => page.getByRole('button', { name: 'One step' }).isEnabled(), { timeout: 60_000 }).toBe(true);
}

const SMALL = 'index.html#system=thermoelasticity&depth=2&width=16';

it('trains thermoelasticity by SOAP below 5 %, and what it downloads is continued by tapir', () =>
  visit(browser, 'index.html#system=thermoelasticity&depth=3&width=32&coupling=10', async (page) => {
    await ready(page);
    await page.getByRole('button', { name: 'Train', exact: true }).click();
    const done = async () => (await errorOf(page)) < 5 || (await epochOf(page)) > 1500;
    await expect.poll(done, { timeout: 200_000, interval: 500 }).toBe(true);
    await pause(page);
    expect(await errorOf(page)).toBeLessThan(5);
    const epoch = await epochOf(page);
    await page.getByRole('button', { name: 'One step' }).click();
    await expect.poll(() => epochOf(page), { timeout: 60_000 }).toBe(epoch + 1);

    const [saved] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download soap' }).click(),
    ]);
    execFileSync('tar', ['xf', await saved.path(), '-C', folder]);
    const run = join(folder, 'thermoelasticity-soap');
    const read = (file: string) => readFileSync(join(run, file), 'utf8');
    expect(configSchema.parse(JSON.parse(read('config.json'))).network).toEqual({ hidden: 3, width: 32 });
    const history = parseLines(
      read('metrics.jsonl')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    );
    expect(history.at(-1)!.epoch).toBe(epoch + 1);
    const { tensors } = readSafetensors(join(run, 'weights.safetensors'));
    expect([...tensors.keys()].filter((name) => name.startsWith('T/'))).toHaveLength(8);

    const tapir = [
      'bin/tapir.mjs',
      'train',
      'thermoelasticity',
      '--resume',
      run,
      '--epochs',
      String(epoch + 26),
      '--json',
    ];
    const summary = JSON.parse(execFileSync(process.execPath, tapir, { cwd: root, encoding: 'utf8' })) as {
      epochs: number;
      final: { mean: number };
    };
    expect(summary.epochs).toBe(epoch + 26);
    expect(summary.final.mean).toBeLessThan(0.1);
  }));

it('trains two optimizers side by side, and a link restores its state', () =>
  visit(browser, `${SMALL}&points=50&optimizer=adam,soap&seed=7`, async (page) => {
    await ready(page);
    await page.getByRole('button', { name: 'Train', exact: true }).click();
    const both = async () => (await epochOf(page, 'adam')) > 5 && (await epochOf(page, 'soap')) > 5;
    await expect.poll(both, { timeout: 100_000 }).toBe(true);
    await pause(page);
    await page.getByLabel('Balancing of the loss terms').selectOption('none');
    const address = new URL(page.url());
    expect(address.hash).toContain('weighting=none');
    await visit(browser, address.pathname.slice(1) + address.hash, async (other) => {
      expect(await other.getByLabel('Seed').inputValue()).toBe('7');
      expect(await other.getByLabel('Points inside').inputValue()).toBe('50');
      expect(await other.getByLabel('Width').inputValue()).toBe('16');
      expect(await other.getByLabel('Optimizer').inputValue()).toBe('adam,soap');
      expect(await other.getByLabel('Balancing of the loss terms').inputValue()).toBe('none');
    });
  }));

it('shows a mistake in an equation at its place, and trains an edited one', () =>
  visit(browser, `${SMALL}&points=50`, async (page) => {
    await ready(page);
    await page.getByText('Edit the equations').click();
    const equation = page.getByRole('textbox', { name: /^RT = 0/ });
    await equation.fill('-kappa*T.xx - g_T');
    await equation.press('Enter');
    expect(await page.locator('#mistake-RT').textContent()).toContain('uses g_T, which is not defined here');
    expect(await page.locator('#mistake-RT pre').textContent()).toBe('-kappa*T.xx - g_T\n              ^^^');
    await equation.fill('-kappa*T.xx - f_T + 0.1*T^3');
    await equation.press('Enter');
    expect(await page.locator('#mistake-RT').count()).toBe(1);
    expect(decodeURIComponent(new URL(page.url()).hash)).toContain(
      'r.RT=-kappa*T.xx+-+f_T+%2B+0.1*T^3'.replace('%2B', '+'),
    );
    await ready(page);
    await page.getByRole('button', { name: 'Train', exact: true }).click();
    await expect.poll(() => epochOf(page), { timeout: 100_000 }).toBeGreaterThan(20);
    await pause(page);
    expect(await errorOf(page)).toBeGreaterThan(0);
  }));

it('draws fields in the plane', () =>
  visit(browser, 'index.html#system=electroosmotic-flow&depth=1&width=8&points=100', async (page) => {
    await ready(page);
    await page.getByRole('button', { name: 'One step' }).click();
    await expect.poll(() => epochOf(page), { timeout: 100_000 }).toBe(1);
    const painted = () =>
      page.locator('#fields canvas').evaluateAll((all) =>
        all.map((canvas) => {
          const { data } = (canvas as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, 400, 200);
          return new Set(data).size > 20;
        }),
      );
    await expect.poll(async () => new Set(await painted()), { timeout: 30_000 }).toEqual(new Set([true]));
    expect((await painted()).length).toBeGreaterThanOrEqual(4);
  }));

it('without WebGPU says which browsers have it and shows recorded results', async () => {
  const plain = await launch(WITHOUT_GPU);
  try {
    await visit(plain, 'index.html', async (page) => {
      await expect.poll(() => page.locator('#status').textContent()).toContain('use Chrome');
      const loaded = () => page.locator('#recorded img').evaluate((image) => (image as HTMLImageElement).naturalWidth);
      await expect.poll(loaded).toBeGreaterThan(100);
    });
  } finally {
    await plain.close();
  }
});

it.each([400, 800, 1400])('fits %i pixels', (width) =>
  visit(
    browser,
    `${SMALL}&points=50`,
    async (page) => {
      expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
    },
    { viewport: { width, height: 900 } },
  ),
);
