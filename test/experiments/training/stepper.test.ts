/** Steps handed over in blocks, against the same steps waited for look by look. Needs an adapter. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Device, openDevice } from '../../../engine/index.ts';
import { hyperparametersFor } from '../../../experiments/training/hyperparameters.ts';
import { type Block, type Look, loop, type Reading } from '../../../experiments/training/loop.ts';
import { emptyRecord, watchDivergence } from '../../../experiments/training/recorder.ts';
import { Trainer } from '../../../experiments/training/trainer.ts';
import { library } from '../../../kernels/index.ts';
import type { Weighting } from '../../../optim/index.ts';
import { type Optimizer, resolveParameters, seeded, thermoelasticity } from '../../../systems/index.ts';
import { bitsOf } from '../../support/gpu.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device?.close());

const parameters = resolveParameters(thermoelasticity, { gamma: 50 });

async function withTrainer<T>(
  optimizer: Optimizer,
  weighting: Weighting,
  work: (trainer: Trainer) => Promise<T>,
): Promise<T> {
  const problem = seeded(thermoelasticity, parameters, [1, 2], { hidden: 1, width: 8 });
  const options = { ...hyperparametersFor(thermoelasticity, { optimizer, weighting }), problem };
  const updateEvery = weighting === 'none' ? 0 : weighting === 'lra' ? 1 : 7;
  const trainer = await Trainer.create({ ...options, updateEvery }, { device, library });
  return work(trainer).finally(() => trainer.destroy());
}

/** What is known at the ends of blocks that are handed over one after the other, none of them waited for. */
async function ahead(trainer: Trainer, blocks: readonly (readonly number[])[]): Promise<Reading[]> {
  const under: Block[] = [];
  for (const looks of blocks) under.push(await trainer.ahead(looks));
  const done = await Promise.all(under.map((block) => block.done));
  return done.flatMap(({ readings }) => readings);
}

/** The same, each look waited for. */
async function inTurn(trainer: Trainer, looks: readonly number[]): Promise<Reading[]> {
  const readings: Reading[] = [];
  for (const epoch of looks) {
    const from = trainer.epoch;
    const losses = await trainer.run(epoch - from);
    readings.push({ from, epoch, losses, errors: await trainer.errors(), weights: await trainer.weights(), facts: {} });
  }
  return readings;
}

const essence = (readings: readonly Reading[]) =>
  readings.map(({ from, epoch, losses, weights, errors }) => ({
    ...{ from, epoch, errors },
    ...{ losses: bitsOf(losses), weights: bitsOf(weights) },
  }));

describe('steps in blocks', () => {
  it.each<[Optimizer, Weighting]>([
    ['soap', 'grad-norm'],
    ['soap', 'none'],
    ['adam', 'lra'],
  ])('give the bits of steps looked at one by one: %s, %s', async (optimizer, weighting) => {
    const blocks = [[5], [8, 20, 25, 40], [41, 53]];
    const inBlocks = await withTrainer(optimizer, weighting, async (trainer) => ({
      readings: await ahead(trainer, blocks),
      thetas: await trainer.thetas(),
    }));
    const oneByOne = await withTrainer(optimizer, weighting, async (trainer) => ({
      readings: await inTurn(trainer, blocks.flat()),
      thetas: await trainer.thetas(),
    }));
    expect(essence(inBlocks.readings)).toEqual(essence(oneByOne.readings));
    expect(inBlocks.thetas).toEqual(oneByOne.thetas);
  });
});

describe('a state', () => {
  const until = (epoch: number) =>
    withTrainer('soap', 'grad-norm', async (trainer) => {
      await trainer.run(epoch);
      return trainer.snapshot();
    });

  it('is kept after the newest look of a block, while later steps are under way', async () => {
    const states = await withTrainer('soap', 'grad-norm', async (trainer) => {
      const first = await trainer.ahead([10, 20]);
      const second = await trainer.ahead([30]);
      const kept = [await trainer.stateAt(20), await trainer.stateAt(10), await trainer.stateAt(30)];
      await Promise.all([first.done, second.done]);
      return kept;
    });
    expect(states).toEqual([await until(20), undefined, await until(30)]);
  });

  it('is gone back to: the last look at which every number was finite, though steps beyond it were taken', async () => {
    const poison = (trainer: Trainer) => trainer.step.write('weights', [Number.NaN, 1, 1, 1, 1, 1]);
    const [lost, back] = await withTrainer('soap', 'grad-norm', async (trainer) => {
      const records = [emptyRecord(), emptyRecord()];
      const watch = watchDivergence({ records, terms: trainer.terms, score: 'relative' }, 'first');
      const passed: number[] = [];
      const note = ({ epoch }: Look) => {
        passed.push(epoch);
        if (epoch === 40) poison(trainer);
        return undefined;
      };
      const { ending } = await loop(trainer, { epochs: 400, next: (at) => at + 5, observers: [watch, note] });
      expect(ending).toBe('stopped');
      expect(trainer.epoch).toBeGreaterThan(passed.at(-1)!);
      expect(await trainer.goBack(passed)).toBe(true);
      return [records[0]!.diverged!, { last: passed.at(-1)!, state: await trainer.snapshot() }];
    });
    expect(lost.epoch).toBeGreaterThan(back.last);
    expect(back.state.epoch).toBeLessThanOrEqual(back.last);
    expect(back.state).toEqual(await until(back.state.epoch));
  });

  it('is out of reach where it is older than what is kept', async () => {
    await withTrainer('adam', 'none', async (trainer) => {
      for (const epoch of [5, 10, 15, 20]) await (await trainer.ahead([epoch])).done;
      expect(await trainer.goBack([5])).toBe(false);
      expect(await trainer.goBack([10, 12])).toBe(true);
      expect(trainer.epoch).toBe(12);
    });
  });
});
