/** Which path the gallery's systems take, and what that costs in dispatches of a training step. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { optionsOf } from '../../bench/workloads.ts';
import { compile } from '../../engine/index.ts';
import { readSystem } from '../../experiments/disk/system-file.ts';
import { stepSource } from '../../experiments/training/tapes.ts';
import { library } from '../../kernels/index.ts';
import { isCarriedByJets } from '../../systems/fields.ts';
import { type System, thermoelasticity } from '../../systems/index.ts';
import { leastAdapter, llvmpipe } from '../support/gpu.ts';

const adapters = [llvmpipe, leastAdapter];
const dispatches = (system: System) =>
  adapters.map((device) => compile(stepSource(optionsOf(system, 1, 'adam')).source, { library, device }).dispatches);
const example = (name: string) => readSystem(join(import.meta.dirname, `../../examples/${name}.mjs`));

it.each(['burgers', 'heat', 'helmholtz', 'wave', 'hartmann'])(
  '%s takes hardly more than a built-in system',
  async (name) => {
    const system = await example(name);
    expect(isCarriedByJets(system)).toBe(true);
    const builtIn = dispatches(thermoelasticity);
    dispatches(system).forEach((own, k) => {
      expect(own.length).toBeLessThanOrEqual(builtIn[k]!.length + 2);
      const fused = own.filter(({ kernel }) => kernel.includes('dense_jet'));
      // Five layers there and back, some of them in one dispatch with others.
      expect(fused.length).toBeGreaterThanOrEqual(10);
    });
  },
);

it.each(['kdv', 'beam'])('%s asks for more than fused jets carry', async (name) => {
  expect(isCarriedByJets(await example(name))).toBe(false);
});
