/** Runs whose very first gradient overflows, by every optimizer. Needs an adapter. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Device, openDevice } from '../../../engine/index.ts';
import { hyperparametersFor, optimizers } from '../../../experiments/training/hyperparameters.ts';
import { loop } from '../../../experiments/training/loop.ts';
import { emptyRecord, firstLost, recording, watchDivergence } from '../../../experiments/training/recorder.ts';
import { Trainer } from '../../../experiments/training/trainer.ts';
import { library } from '../../../kernels/index.ts';
import { problemOf, type Run, resolveParameters, thermoelasticity as system } from '../../../systems/index.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device?.close());

const runOf = (gamma: number): Run => {
  const parameters = resolveParameters(system, { gamma });
  return { parameters, seed: 42, points: system.points(parameters, 42) };
};

async function trained(optimizer: 'adam' | 'soap', runs: readonly Run[]) {
  const hyperparameters = hyperparametersFor(system, { optimizer, weighting: 'grad-norm' });
  const problem = problemOf(system, runs, { hidden: 1, width: 8 });
  const trainer = await Trainer.create({ ...hyperparameters, problem }, { device, library });
  const records = runs.map(emptyRecord);
  const { terms } = trainer;
  const observers = [
    watchDivergence({ records, terms, score: 'relative' }, 'last'),
    recording({ records, terms, score: 'relative' }),
  ];
  const { ending } = await loop(trainer, { epochs: 30, observers }).finally(() => trainer.destroy());
  return { ending, records };
}

it.each(optimizers)('are named with term and epoch, and leave the run beside them as it is: %s', async (optimizer) => {
  const [fine, lost] = [runOf(50), runOf(1e30)];
  const both = await trained(optimizer, [fine, lost]);
  const alone = await trained(optimizer, [fine]);
  expect(both.ending).toBe('finished');
  expect(both.records[1]!.diverged).toEqual({ epoch: 1, term: 'Ru', value: 'Infinity' });
  expect(both.records[0]).toEqual(alone.records[0]);
  expect(both.records[0]!.history).toHaveLength(2);
  const only = await trained(optimizer, [lost]);
  expect([only.ending, firstLost(only.records, [lost])]).toEqual(['stopped', 'loss term Ru is Infinity at epoch 1']);
});
