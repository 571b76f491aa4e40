/** The same numbers in Chromium and in Node, on the same adapter: the SwiftShader that Chromium brings. */
import { existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Device, openDevice } from '../../../engine/index.ts';
import { byTerm } from '../../../experiments/training/recorder.ts';
import { Trainer } from '../../../experiments/training/trainer.ts';
import { library } from '../../../kernels/index.ts';
import { hyperparametersOfSpec, problemOfSpec, specOf } from '../../../site/train/spec.ts';
import { unflatten } from '../../../systems/index.ts';
import { launch, visit } from './chromium.ts';
import { beyond, go, pause, ready, save } from './training.ts';

/** The file that makes Vulkan take Chromium's SwiftShader. */
function swiftShader(): string {
  const beside = [dirname(realpathSync(process.env['CHROMIUM']!)), '/usr/lib/chromium', '/usr/lib/chromium-browser'];
  const found = beside.map((folder) => join(folder, 'vk_swiftshader_icd.json')).find(existsSync);
  if (!found) throw new Error(`there is no vk_swiftshader_icd.json in ${beside.join(', ')}`);
  return found;
}

let browser: Browser;
let folder: string;
let device: Device;
beforeAll(async () => {
  process.env['VK_DRIVER_FILES'] = swiftShader();
  device = await openDevice();
  browser = await launch();
  folder = mkdtempSync(join(tmpdir(), 'tapir-bits-'));
});
afterAll(async () => {
  await browser?.close();
  await device?.close();
  rmSync(folder, { recursive: true, force: true });
});

/**
 * Chromium lets a shader have fewer storage buffers than SwiftShader does. Which nodes are fused depends on that, and with it
 * the last bit; so Node's device keeps to Chromium's limit.
 */
async function limitedAs(page: Page): Promise<void> {
  const maxStorageBuffers = await page.evaluate(async () => {
    const adapter = await navigator.gpu.requestAdapter();
    return adapter!.limits.maxStorageBuffersPerShaderStage;
  });
  expect(maxStorageBuffers).toBeLessThanOrEqual(device.capabilities.maxStorageBuffers);
  Object.defineProperty(device, 'capabilities', { value: { ...device.capabilities, maxStorageBuffers } });
}

it.each([
  ['SOAP', 'system=thermoelasticity&depth=2&width=16&points=50', 40],
  ['Adam', 'system=reaction-diffusion&optimizer=adam&weighting=lra', 4],
])('%s on %s', async (optimizer, state, epochs) => {
  expect(device.info.name).toMatch(/swiftshader/i);
  await visit(browser, `index.html#${state}`, async (page) => {
    await ready(page);
    await go(page);
    await beyond(page, epochs, optimizer);
    await pause(page);
    const { history, tensors } = await save(page, optimizer, folder);

    const spec = specOf(new URLSearchParams(state));
    const problem = problemOfSpec(spec);
    const how = hyperparametersOfSpec(spec, optimizer === 'SOAP' ? 'soap' : 'adam');
    if (how.optimizer === 'gauss-newton') throw new Error('only what lives on the device is compared');
    await limitedAs(page);
    const trainer = await Trainer.create({ ...how, problem }, { device, library });
    const { terms } = trainer;
    const last = history.at(-1)!.epoch;
    const losses = await trainer.run(last);
    for (const line of history) {
      const own = losses.subarray((line.epoch - 1) * terms.length, line.epoch * terms.length);
      expect(line.losses, `epoch ${line.epoch}`).toEqual(byTerm(terms, own, 0));
    }
    const thetas = await trainer.thetas();
    trainer.destroy();
    for (const { theta, networks, architecture } of problem.stacks)
      networks.forEach((name, k) => {
        const size = thetas[theta]!.length / networks.length;
        const { layers } = unflatten({ name, ...architecture }, thetas[theta]!.slice(k * size, (k + 1) * size));
        layers.forEach(({ W }, layer) => {
          expect(tensors.get(`${name}/W${layer}`)!.data).toEqual(W);
        });
      });
  });
});
