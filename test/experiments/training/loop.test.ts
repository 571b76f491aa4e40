/** The training loop with a trainer that only counts: which looks there are, who sees them, how it ends. */
import { describe, expect, it } from 'vitest';
import {
  atMostEvery,
  type Block,
  everyEpochs,
  type Look,
  type LoopOptions,
  loop,
  msPerStep,
  type Trainable,
} from '../../../experiments/training/loop.ts';

/** One run with one loss term: the number of the epoch. */
class Counter implements Trainable {
  epoch: number;
  readonly asked: number[] = [];
  constructor(epoch = 0) {
    this.epoch = epoch;
  }
  async run(epochs: number) {
    this.asked.push(epochs);
    const losses = Float32Array.from({ length: epochs }, (_, k) => this.epoch + k);
    this.epoch += epochs;
    return losses;
  }
  errors = async () => [{ relative: { T: 1 }, rmse: { T: 1 }, mean: 1 }];
  weights = async () => Float32Array.of(1);
  facts = () => ({ lambda: [this.epoch] });
}

const seen = () => {
  const looks: Look[] = [];
  return { looks, observe: (look: Look) => void looks.push(look) as undefined };
};

/** The same, run ahead of its looks. */
class Ahead extends Counter {
  readonly blocks: (readonly number[])[] = [];
  async ahead(looks: readonly number[]): Promise<Block> {
    this.blocks.push(looks);
    const readings = [];
    for (const epoch of looks) {
      const from = this.epoch;
      const losses = await this.run(epoch - from);
      readings.push({ from, epoch, losses, weights: await this.weights(), errors: await this.errors(), facts: {} });
    }
    return { started: 0, done: Promise.resolve({ finished: performance.now(), readings }) };
  }
}

describe('a trainer that runs ahead', () => {
  const looksAt = async (options: Partial<LoopOptions>) => {
    const trainer = new Ahead();
    const looks: [epoch: number, of: number, latest: boolean][] = [];
    const observe = ({ epoch, latest }: Look) => void looks.push([epoch, trainer.epoch, latest]) as undefined;
    await loop(trainer, { epochs: 10, next: (epoch) => epoch + 1, observers: [observe], ...options });
    return { looks, blocks: trainer.blocks };
  };

  it('has several looks to a block once its pace is known, and all of them are seen in order', async () => {
    const { looks, blocks } = await looksAt({});
    expect(blocks.slice(0, 2)).toEqual([[1], [2]]);
    expect(blocks.length).toBeLessThan(10);
    expect(looks.map(([epoch]) => epoch)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(looks.filter(([, , latest]) => latest).map(([epoch]) => epoch)).toEqual(blocks.map((block) => block.at(-1)));
  });

  it('stands where its observers look where these look at the trainer itself', async () => {
    const { looks } = await looksAt({ waits: true });
    for (const [epoch, of, latest] of looks) expect([of, latest]).toEqual([epoch, true]);
    expect(looks).toHaveLength(10);
  });
});

describe('the loop', () => {
  it('looks every 25 epochs and at the last, wherever it begins', async () => {
    const trainer = new Counter(10);
    const { looks, observe } = seen();
    const { ending, pace } = await loop(trainer, { epochs: 60, observers: [observe] });
    expect(ending).toBe('finished');
    expect(looks.map(({ from, epoch }) => [from, epoch])).toEqual([
      [10, 25],
      [25, 50],
      [50, 60],
    ]);
    expect(looks.map(({ losses }) => [losses[0], losses.at(-1), losses.length])).toEqual([
      [10, 24, 15],
      [25, 49, 25],
      [50, 59, 10],
    ]);
    expect(looks.map(({ facts }) => facts['lambda'])).toEqual([[25], [50], [60]]);
    // The first steps build shaders.
    expect(pace.steps).toBe(35);
  });

  it('counts the first steps where there are no others, and none where none were taken', async () => {
    const short = await loop(new Counter(), { epochs: 3, observers: [] });
    expect(short.pace.steps).toBe(3);
    const none = await loop(new Counter(3), { epochs: 3, observers: [] });
    expect([none.ending, msPerStep(none.pace)]).toEqual(['finished', null]);
    const more = await loop(new Counter(), { epochs: 75, observers: [], pace: { ms: 1e6, steps: 5 } });
    expect([more.pace.steps, more.pace.ms > 1e6]).toEqual([55, true]);
  });

  it('looks where it is told to', async () => {
    const trainer = new Counter();
    const at = [1, 2, 40];
    await loop(trainer, { epochs: 40, observers: [], next: (epoch) => at.find((each) => each > epoch)! });
    expect(trainer.asked).toEqual([1, 1, 38]);
    expect([0, 24, 25].map(everyEpochs(25))).toEqual([25, 25, 50]);
  });

  it('ends at once where an observer says so, and those after it see nothing of that look', async () => {
    const trainer = new Counter();
    const { looks, observe } = seen();
    const { ending } = await loop(trainer, {
      epochs: 100,
      observers: [({ epoch }) => (epoch === 50 ? 'stop' : undefined), observe],
    });
    expect([ending, trainer.epoch, looks.map(({ epoch }) => epoch)]).toEqual(['stopped', 50, [25]]);
  });

  it('ends between looks where it is interrupted, those done being complete', async () => {
    const stop = new AbortController();
    const trainer = new Counter();
    const { looks, observe } = seen();
    const { ending } = await loop(trainer, {
      ...{ epochs: 100, signal: stop.signal },
      observers: [() => void stop.abort() as undefined, observe],
    });
    expect([ending, trainer.epoch, looks.length]).toEqual(['interrupted', 25, 1]);
  });
});

it('an observer that is slow is passed a look now and then', async () => {
  const { looks, observe } = seen();
  await loop(new Counter(), { epochs: 100, observers: [atMostEvery(1e9, observe)] });
  expect(looks).toEqual([]);
  await loop(new Counter(), { epochs: 100, observers: [atMostEvery(-1, observe)] });
  expect(looks).toHaveLength(4);
});
