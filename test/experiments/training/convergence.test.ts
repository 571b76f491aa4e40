/** One training at full width, to an error that only a right gradient, a right step and a right system reach. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Device, openDevice } from '../../../engine/index.ts';
import { hyperparametersFor } from '../../../experiments/training/hyperparameters.ts';
import { Trainer } from '../../../experiments/training/trainer.ts';
import { library } from '../../../kernels/index.ts';
import { resolveParameters, seeded, thermoelasticity as system } from '../../../systems/index.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device?.close());

it('600 epochs of Adam with grad-norm solve thermoelasticity at gamma = 10 to less than 5 %', async () => {
  const parameters = resolveParameters(system, { gamma: 10 });
  const trainer = await Trainer.create(
    {
      ...hyperparametersFor(system, { optimizer: 'adam', weighting: 'grad-norm' }),
      problem: seeded(system, parameters, [42]),
    },
    { device, library },
  );
  try {
    const [before] = await trainer.errors();
    const losses = await trainer.run(600);
    const [after] = await trainer.errors();
    expect(before!.mean).toBeGreaterThan(0.5);
    expect(after!.mean).toBeLessThan(5e-2);
    const K = trainer.terms.length;
    const total = (row: ArrayLike<number>) => Array.from(row).reduce((a, b) => a + b, 0);
    expect(total(losses.slice(-K))).toBeLessThan(total(losses.slice(0, K)) / 1000);
  } finally {
    trainer.destroy();
  }
});
