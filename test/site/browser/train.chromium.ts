/** "Train" in a browser. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { configSchema, summarySchema } from '../../../experiments/training/record.ts';
import type { Summary } from '../../../experiments/training/results.ts';
import { countOf, knownValues, parseCsv, type System, systemNamed, thermoelasticity } from '../../../systems/index.ts';
import '../../../site/shared/gallery.ts';
import { launch, visit } from './chromium.ts';
import { beyond, epochOf, errorOf, go, pause, ready, SMALL, save } from './training.ts';

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

const tapir = (...args: readonly string[]) =>
  execFileSync(process.execPath, ['bin/tapir.mjs', ...args], { cwd: root, encoding: 'utf8' });

/** What `tapir train` says of a run that it goes on with. */
const resumed = (system: string, run: string, epochs: number): Summary =>
  summarySchema.parse(JSON.parse(tapir('train', system, '--resume', run, '--epochs', String(epochs), '--json')));

/** Relative L2 error of a field over a line, of what `tapir predict` makes of a run. */
function predictedError(system: System, run: string, field: string, ...options: readonly string[]): number {
  const points = system.evaluation();
  tapir('predict', run, '--grid', String(countOf(points)), ...options);
  const values = parseCsv(readFileSync(join(run, 'prediction.csv'), 'utf8'))[field]!;
  const { parameters } = configSchema.parse(JSON.parse(readFileSync(join(run, 'config.json'), 'utf8')));
  const exact = knownValues(system, `${field}_exact`, parameters, points);
  return Math.hypot(...values.map((value, k) => value - exact[k]!)) / Math.hypot(...exact);
}

it('trains thermoelasticity by SOAP, gradient norms balanced, below 5 % within 600 steps; tapir goes on from there', () =>
  visit(browser, 'index.html', async (page) => {
    await ready(page);
    await go(page);
    const done = async () => (await errorOf(page)) < 5 || (await epochOf(page)) >= 600;
    await expect.poll(done, { timeout: 400_000, interval: 200 }).toBe(true);
    await pause(page);
    const epoch = await epochOf(page);
    await page.getByRole('button', { name: 'One step' }).click();
    await expect.poll(() => epochOf(page), { timeout: 60_000 }).toBe(epoch + 1);

    const { history, text, tensors, folder: run } = await save(page, 'SOAP', folder);
    const reached = history.find(({ mean }) => mean !== null && mean < 0.05);
    expect(reached?.epoch).toBeLessThanOrEqual(600);
    const { network, optimizer, weighting, kernels } = configSchema.parse(JSON.parse(text('config.json')));
    expect({ network, optimizer, weighting }).toEqual({
      network: { hidden: 4, width: 64 },
      optimizer: 'soap',
      weighting: 'grad-norm',
    });
    expect(Object.keys(kernels!).length).toBeGreaterThan(0);
    expect(history.at(-1)!.epoch).toBe(epoch + 1);
    expect([...tensors.keys()].filter((name) => name.startsWith('T/'))).toHaveLength(10);

    const { l2 } = summarySchema.parse(JSON.parse(text('summary.json'))).final;
    for (const field of ['T', 'u'])
      expect(Math.abs(predictedError(thermoelasticity, run, field) / l2[field]! - 1)).toBeLessThan(1e-3);

    const summary = resumed('thermoelasticity', run, epoch + 11);
    expect(summary.epochs).toBe(epoch + 11);
    expect(summary.best.mean).toBeLessThan(0.05);
  }));

it('trains a system of the gallery by Gauss-Newton, and tapir goes on with its file', () =>
  visit(browser, 'index.html#system=hartmann&depth=2&width=16&optimizer=gauss-newton', async (page) => {
    await ready(page);
    await go(page);
    await expect.poll(() => errorOf(page, 'Gauss-Newton'), { timeout: 200_000 }).toBeLessThan(5);
    await pause(page);
    const epoch = await epochOf(page, 'Gauss-Newton');
    const { folder: run, text } = await save(page, 'Gauss-Newton', folder);
    expect(configSchema.parse(JSON.parse(text('config.json'))).optimizer).toBe('gauss-newton');
    const { l2 } = summarySchema.parse(JSON.parse(text('summary.json'))).final;
    const hartmann = systemNamed('hartmann');
    const predictedAs = predictedError(hartmann, run, 'u', '--system', 'examples/hartmann.mjs');
    expect(Math.abs(predictedAs / l2['u']! - 1)).toBeLessThan(1e-3);
    const summary = resumed('examples/hartmann.mjs', run, epoch + 1);
    expect(summary.best.mean).toBeLessThan(0.05);
    expect(summary.epochs).toBe(epoch + 1);
  }));

it('opens the device again once it was lost', () =>
  visit(browser, `${SMALL}&optimizer=adam`, async (page) => {
    await ready(page);
    const [worker] = page.workers();
    await worker!.evaluate(() => {
      const { createCommandEncoder } = GPUDevice.prototype;
      GPUDevice.prototype.createCommandEncoder = function (...given) {
        GPUDevice.prototype.createCommandEncoder = createCommandEncoder;
        this.destroy();
        return createCommandEncoder.apply(this, given);
      };
    });
    await go(page);
    const status = () => page.locator('#status').textContent();
    await expect.poll(status, { timeout: 60_000 }).toMatch(/^Stopped: the GPU device was lost/);
    expect(await page.getByRole('button', { name: 'Train', exact: true }).isDisabled()).toBe(true);
    expect(await page.getByRole('button', { name: /^Download/ }).count()).toBe(0);
    await page.getByRole('button', { name: 'Reset' }).click();
    await ready(page);
    await go(page);
    await beyond(page, 5, 'Adam');
  }));

it('trains two optimizers side by side, and a link restores its state', () =>
  visit(browser, `${SMALL}&optimizer=adam,soap&seed=7`, async (page) => {
    await ready(page);
    await go(page);
    const both = async () => (await epochOf(page, 'Adam')) > 5 && (await epochOf(page, 'SOAP')) > 5;
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
  visit(browser, SMALL, async (page) => {
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
    await go(page);
    await beyond(page, 20);
    await pause(page);
    expect(await errorOf(page)).toBeGreaterThan(0);
  }));
