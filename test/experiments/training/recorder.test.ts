/** What is remembered of runs under way, without a GPU: histories, best errors, where a run was lost. */
import { describe, expect, it } from 'vitest';
import { EVERY, type Look } from '../../../experiments/training/loop.ts';
import type { Line, RunRecord, Score } from '../../../experiments/training/record.ts';
import {
  emptyRecord,
  firstLost,
  recordFrom,
  recording,
  resultOf,
  strideOf,
  thinned,
  watchDivergence,
} from '../../../experiments/training/recorder.ts';

const terms = ['a', 'b'];

/** A look at one run for each error, all with losses `loss`. */
function look(epoch: number, errors: readonly number[], loss: number): Look {
  return {
    ...{ from: epoch - 1, epoch, facts: {}, pace: { ms: 1, steps: 1 }, latest: true },
    losses: new Float32Array(terms.length * errors.length).fill(loss),
    weights: new Float32Array(terms.length * errors.length).fill(1),
    errors: errors.map((error) => ({
      ...{ relative: { T: error, u: error }, rmse: { T: 2 * error, u: 4 * error }, mean: error },
    })),
  };
}

/** What observers make of looks at one run. */
function remembered(looks: readonly Look[], score: Score = 'relative', keeps?: (epoch: number) => boolean): RunRecord {
  const records = [emptyRecord()];
  const observe = recording({ records, terms, score, ...(keeps ? { keeps } : {}) });
  for (const each of looks) observe(each);
  return records[0]!;
}

describe('what is remembered of a run', () => {
  it('is at most 400 looks where it is thinned, the last among them, and the best of all', () => {
    for (const epochs of [1, 30, 25 * 400, 30_000, 100_001]) {
      const looks: Look[] = [];
      for (let epoch = EVERY; epoch < epochs; epoch += EVERY) looks.push(look(epoch, [1 + epoch], 1));
      const record = remembered([...looks, look(epochs, [9], 1)], 'relative', thinned(epochs));
      expect(record.history.length).toBeLessThanOrEqual(401);
      expect(record.history.at(-1)!.epoch).toBe(epochs);
      expect(record.best).toEqual({ error: 9, mean: 9, epoch: epochs });
    }
    expect([strideOf(30_000), strideOf(100_000), strideOf(500)]).toEqual([75, 250, 25]);
  });

  it('is best by error, and by loss', () => {
    const looks = [look(25, [3], 3), look(50, [1], 2), look(75, [2], 1)];
    const record = remembered(looks);
    expect(record.best).toEqual({ error: 1, mean: 1, epoch: 50 });
    expect(record.bestLoss).toEqual({ loss: 2, error: 2, epoch: 75 });
    const { best } = remembered([...looks, look(100, [0.1], 5)], 'rmse');
    expect(best.error).toBeCloseTo(0.3, 12);
    expect(best.mean).toBe(0.1);
  });

  it('is the same from its lines, where every look was kept', () => {
    const record = remembered([look(25, [3], 3), look(50, [1], 2), look(75, [2], 1)]);
    const lines = JSON.parse(JSON.stringify(record.history)) as Line[];
    expect(recordFrom(lines, 'relative')).toEqual(record);
  });

  it('holds what the optimizer has to say of that run', () => {
    const records = [emptyRecord(), emptyRecord()];
    const observe = recording({ records, terms, score: 'relative' });
    observe({ ...look(25, [1, 2], 1), facts: { lambda: [1e-3, Number.NaN] } });
    expect(records.map(({ history }) => history[0]!.facts)).toEqual([{ lambda: 1e-3 }, { lambda: null }]);
  });
});

describe('a run that is lost', () => {
  const { POSITIVE_INFINITY: infinity, NaN: nan } = Number;

  it('is marked with the epoch and the term, of the first only', () => {
    const records = [emptyRecord(), emptyRecord()];
    const watch = watchDivergence({ records, terms, score: 'relative' }, 'last');
    const losses = Float32Array.of(1, 1, 1, 1, 1, 1, 1, infinity, 1, 1, nan, nan);
    expect(watch({ ...look(28, [1, nan], 1), from: 25, losses })).toBeUndefined();
    expect(records.map(({ diverged }) => diverged)).toEqual([undefined, { epoch: 27, term: 'b', value: 'Infinity' }]);
    expect(watch(look(50, [nan, 1], 1))).toBe('stop');
    expect(records[0]!.diverged).toEqual({ epoch: 50, term: 'error', value: 'NaN' });
    const seeds = [{ seed: 1 }, { seed: 2 }];
    expect(firstLost(records, seeds)).toBe('loss term b of seed 2 is Infinity at epoch 27');
    expect(firstLost(records.slice(0, 1), seeds.slice(0, 1))).toBe('the error is NaN at epoch 50');
    expect(firstLost([emptyRecord()], seeds)).toBeUndefined();
  });

  it('ends the training of all where the first is not to be survived', () => {
    const records = [emptyRecord(), emptyRecord()];
    const watch = watchDivergence({ records, terms, score: 'relative' }, 'first');
    expect(watch(look(25, [1, 2], 1))).toBeUndefined();
    expect(watch(look(50, [1, nan], 1))).toBe('stop');
  });

  it('is remembered up to there, and has no final error', () => {
    const records = [emptyRecord(), emptyRecord()];
    const observers = [
      watchDivergence({ records, terms, score: 'relative' }, 'last'),
      recording({ records, terms, score: 'relative' }),
    ];
    for (const each of [look(25, [1, 2], 3), look(50, [0.5, nan], 2), look(75, [0.25, 1], 1)])
      for (const observe of observers) observe(each);
    expect(records.map(({ history }) => history.map(({ epoch }) => epoch))).toEqual([[25, 50, 75], [25]]);
    const lost = resultOf(7, records[1]!, 'relative', undefined, ['T', 'u']);
    expect(lost.final).toEqual({ error: null, l2: { T: null, u: null }, mean: null, rmse: { T: null, u: null } });
    expect([lost.best.error, lost.losses['a'], lost.diverged?.epoch]).toEqual([2, 3, 50]);
  });
});
