/** Options of Adam and SOAP: what settings they make, what is refused, and that a trainer follows them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Device, openDevice } from '../../../engine/index.ts';
import { configSchema, FORMAT } from '../../../experiments/training/record.ts';
import {
  type AnyTrainOptions,
  problemFor,
  resolveSettings,
  settingsFor,
} from '../../../experiments/training/settings.ts';
import { Trainer } from '../../../experiments/training/trainer.ts';
import { library } from '../../../kernels/index.ts';
import { shareAt } from '../../../optim/index.ts';
import { defineSystem } from '../../../systems/index.ts';

const transport = defineSystem({
  name: 'transport',
  coordinates: { x: [0, 1], t: [0, 1] },
  fields: ['u'],
  residuals: { transport: 'u.t + u.x' },
  conditions: [
    { at: { t: 0 }, residuals: ['u - sin(pi*x)'], term: 'IC', points: 10 },
    { at: { x: 0 }, residuals: ['u + sin(pi*t)'], points: 10 },
  ],
  points: { interior: 60 },
  network: { hidden: 1, width: 6 },
});

describe('settings', () => {
  it('hold what is asked, and nothing of what is not', () => {
    const plain = resolveSettings(transport, {});
    for (const key of ['weights', 'causal', 'schedule', 'soap', 'targetError']) expect(plain).not.toHaveProperty(key);
    const all = resolveSettings(transport, {
      ...{ weights: { IC: 100 }, causal: 2, betas: [0.9, 0.95], preconditionFrequency: 5, weightDecay: 0.1 },
      ...{ schedule: 'cosine', warmup: 20, epochs: 300 },
    });
    expect(all).toMatchObject({
      weighting: 'none',
      weights: { transport: 1, IC: 100, BC: 1 },
      causal: 2,
      betas: [0.9, 0.95],
      schedule: { name: 'cosine', warmup: 20, final: 0, steps: 300 },
      soap: { preconditionFrequency: 5, shampooBeta: 0.95, weightDecay: 0.1, maxPrecondDim: 10_000 },
    });
    const config = { format: FORMAT, ...all };
    expect(configSchema.parse(JSON.parse(JSON.stringify(config)))).toEqual(config);
  });

  it.each<[AnyTrainOptions, string]>([
    [{ weights: { ICC: 2 } }, '--weights: transport has no loss term ICC; did you mean IC?'],
    [{ weights: { IC: 2 }, weighting: 'lra' }, '--weights stay as they are, --weighting lra would change them'],
    [{ schedule: 'cosine', decayRate: 0.5 }, '--decay-rate is an option of --schedule exponential'],
    [{ finalRate: 0.5 }, '--final-rate is an option of --schedule cosine'],
    [{ warmup: 200, epochs: 100 }, '--warmup 200 is longer than the training, 100 epochs'],
    [{ optimizer: 'adam', shampooBeta: 0.9 }, '--shampoo-beta is an option of --optimizer soap'],
    [{ optimizer: 'gauss-newton', causal: 1 }, '--causal is an option of --optimizer adam and soap'],
    [{ targetError: 1e-3 }, '--target-error: transport has no reference solution, so no error'],
  ])('%o', (options, says) => {
    expect(() => settingsFor(transport, options)).toThrow(says);
  });

  it('causal weights need a time', () => {
    expect(() => settingsFor('thermoelasticity', { causal: 1 })).toThrow(
      '--causal weighs equations by the time t, which thermoelasticity has not; its coordinates are x',
    );
  });
});

describe('a trainer', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice();
  });
  afterAll(() => device?.close());

  const withTrainer = async <T>(options: AnyTrainOptions, use: (trainer: Trainer) => Promise<T>): Promise<T> => {
    const settings = settingsFor(transport, { seeds: [1, 2], ...options });
    if (settings.optimizer !== 'adam' && settings.optimizer !== 'soap') throw new Error('of first order');
    const problem = problemFor(settings, transport);
    const trainer = await Trainer.create({ ...settings, problem }, { device, library });
    return use(trainer).finally(() => trainer.destroy());
  };

  it('follows a schedule step by step, and goes on bit for bit', async () => {
    const options = { optimizer: 'soap', schedule: 'exponential', decayRate: 0.5, decayEvery: 10, warmup: 5 } as const;
    const all = { ...options, causal: 0.01, weights: { IC: 10 }, preconditionFrequency: 3, weightDecay: 0.1 };
    const looks = [1, 2, 3, 8, 20];
    const whole = await withTrainer(all, async (trainer) => {
      const { readings } = await (await trainer.ahead(looks)).done;
      return { readings, end: await trainer.snapshot() };
    });
    const schedule = { name: 'exponential', warmup: 5, factor: 0.5, every: 10 } as const;
    for (const { epoch, facts } of whole.readings.slice(1))
      for (const rate of facts['lr']!) expect(rate).toBeCloseTo(1e-3 * shareAt(schedule, epoch - 1), 9);
    expect(whole.readings[0]!.facts).toEqual({});
    for (const { facts } of whole.readings.slice(1))
      for (const least of facts['causality']!) expect(Math.abs(least - 0.5)).toBeLessThan(0.5);
    const parts = await withTrainer(all, async (trainer) => {
      await trainer.run(8);
      return trainer.snapshot();
    });
    const resumed = await withTrainer(all, async (trainer) => {
      await trainer.restore(parts);
      await trainer.run(12);
      return trainer.snapshot();
    });
    expect(resumed).toEqual(whole.end);
  });

  it('compiles the same step whatever the rate does', async () => {
    const codes = (options: AnyTrainOptions) =>
      withTrainer({ optimizer: 'adam', ...options }, async ({ plan }) => plan.dispatches.map(({ code }) => code));
    const plain = await codes({});
    expect(await codes({ schedule: 'cosine', epochs: 50 })).toEqual(plain);
    expect(await codes({ schedule: 'exponential', warmup: 9, lr: 0.1, weights: { BC: 3 } })).toEqual(plain);
  });

  it('weighs loss terms as it is told, and keeps to it', async () => {
    const weights = await withTrainer({ optimizer: 'adam', weights: { IC: 100 } }, async (trainer) => {
      await trainer.run(3);
      return trainer.weights();
    });
    expect([...weights]).toEqual([1, 100, 1, 1, 100, 1]);
  });

  it('turns only sides that are short enough', async () => {
    const roles = (options: AnyTrainOptions) =>
      withTrainer({ optimizer: 'soap', ...options }, async (trainer) => {
        await trainer.run(4);
        return { roles: Object.keys(trainer.programs).sort(), state: Object.keys(trainer.stateShapes()) };
      });
    const whole = await roles({});
    expect(whole.state).toEqual(expect.arrayContaining(['theta.L.2', 'theta.L.6']));
    const short = await roles({ maxPrecondDim: 2 });
    expect(short.state).toContain('theta.L.2');
    expect(short.state).not.toContain('theta.L.6');
    const none = await roles({ maxPrecondDim: 1 });
    expect(none.state.filter((name) => /\.[LQ]\./.test(name))).toEqual([]);
    expect(whole.roles).toEqual([...none.roles, 'refresh'].sort());
  });
});
