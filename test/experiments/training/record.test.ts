/** The record of a run: one schema for train and sweep, which reads what earlier versions wrote. */
import { describe, expect, it } from 'vitest';
import { configSchema, FORMAT, lineSchema, recordSchema, summarySchema } from '../../../experiments/training/record.ts';
import { resolveSettings } from '../../../experiments/training/settings.ts';

const settings = {
  system: 'reaction-diffusion',
  parameters: { k1: 5 },
  network: { hidden: 4, width: 64 },
  optimizer: 'soap',
  betas: [0.99, 0.999],
  optimizerEpsilon: 1e-8,
  weighting: 'grad-norm',
  updateEvery: 1000,
  learningRate: 0.001,
  epochs: 30_000,
};
const id = 'reaction-diffusion-k5-soap-grad-norm-s42';
const coupling = { name: 'k', value: 5 };

describe('config.json', () => {
  it('of a training is what was resolved', () => {
    const resolved = { format: FORMAT, ...resolveSettings('thermoelasticity', { seeds: [1, 2] }) };
    expect(configSchema.parse(JSON.parse(JSON.stringify(resolved)))).toEqual(resolved);
  });

  it('names the activation where it is not the usual one', () => {
    const networkOf = (activation?: 'sine') => {
      const resolved = resolveSettings('thermoelasticity', activation ? { activation } : {});
      return configSchema.parse(JSON.parse(JSON.stringify({ format: FORMAT, ...resolved }))).network;
    };
    expect([networkOf(), networkOf('sine')]).toEqual([
      { hidden: 4, width: 64 },
      { hidden: 4, width: 64, activation: 'sine' },
    ]);
  });

  it('of an earlier sweep had one seed', () => {
    const old = { id, ...settings, variant: 'split', coupling, seed: 42, score: 'rmse', group: '12-x' };
    const { seed, ...rest } = old;
    expect(configSchema.parse(old)).toEqual({ format: FORMAT, ...rest, seeds: [seed] });
  });

  it('of an earlier training had neither score nor variant', () => {
    const old = { ...settings, seeds: [42, 7], kernels: { 'qr [48,64,64]': 'registers' } };
    expect(configSchema.parse(old)).toEqual({ format: FORMAT, ...old, score: 'relative', variant: 'paper' });
  });

  it('is refused where it is none, or of a later format', () => {
    for (const wrong of [{}, [], null, { ...settings, seeds: [] }, { format: 3, ...settings, seeds: [1] }])
      expect(configSchema.safeParse(wrong).success).toBe(false);
  });
});

describe('metrics.jsonl', () => {
  it('of an earlier training had no weights and no rmse', () => {
    const old = { epoch: 25, seed: 42, losses: { RT: 1, BC: null }, l2: { T: 0.5 }, mean: 0.5 };
    expect(lineSchema.parse(old)).toEqual({ ...old, weights: {}, rmse: null });
  });
});

describe('summary.json', () => {
  const about = { system: 'reaction-diffusion', params: { k1: 5 }, optimizer: 'soap', weighting: 'grad-norm' };
  const found = { losses: { R1: 1e-6 }, weights: { R1: 4 }, msPerStep: 33, dispatchesPerStep: 24, adapter: 'any' };

  it('of an earlier sweep had the mean of rmse alone', () => {
    const old = {
      ...{ id, ...about, coupling, seed: 42, epochs: 30_000, score: 'rmse' },
      final: { error: 5e-5, l2: { cA: 2e-5 }, mean: 2e-5, rmse: 5e-5 },
      best: { error: 2e-6, epoch: 4650 },
      bestLoss: { loss: 2e-7, error: 1.8e-5, epoch: 26_450 },
      ...{ ...found, stackedWith: 1, finished: '2026-11-24T00:59:27.381Z' },
    };
    expect(summarySchema.parse(old)).toEqual({
      ...old,
      format: FORMAT,
      final: { ...old.final, rmse: {} },
      best: { ...old.best, mean: null },
    });
    const relative = summarySchema.parse({ ...old, score: 'relative' });
    expect(relative.best).toEqual({ error: 2e-6, mean: 2e-6, epoch: 4650 });
  });

  it('of an earlier training had no error beside the mean, and a list of its runs', () => {
    const run = (seed: number) => ({
      ...{ seed, losses: found.losses, weights: found.weights },
      final: { l2: { cA: 0.1 }, mean: 0.1, rmse: { cA: 0.2 } },
      best: { mean: 0.05, epoch: 75 },
    });
    const old = { ...about, epochs: 100, ...found, ...run(42), out: 'runs/x', runs: [run(42), run(7)] };
    const now = (seed: number) => ({
      ...run(seed),
      final: { ...run(seed).final, error: 0.1 },
      best: { error: 0.05, mean: 0.05, epoch: 75 },
      bestLoss: { loss: null, error: null, epoch: 0 },
    });
    expect(summarySchema.parse(old)).toEqual({
      ...old,
      ...{ format: FORMAT, score: 'relative', stackedWith: 1 },
      ...now(42),
      runs: [now(42), now(7)],
    });
  });
});

it('a run under way in a checkpoint of an earlier sweep knew no mean of its best', () => {
  const old = { history: [], best: { error: 1, epoch: 25 }, bestLoss: { loss: 1, error: 1, epoch: 25 } };
  expect(recordSchema.parse(old)).toEqual({ ...old, best: { ...old.best, mean: null } });
});
