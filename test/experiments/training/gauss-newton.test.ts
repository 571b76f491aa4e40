/** Gauss-Newton in the house: a run folder, resumed bit for bit, and options that say what they are for. Needs an adapter. */
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Device, openDevice } from '../../../engine/index.ts';
import { SystemSquares } from '../../../experiments/training/least-squares.ts';
import { parseLines } from '../../../experiments/training/record.ts';
import { problemFor, resumedSettings, settingsFor, UsageError } from '../../../experiments/training/settings.ts';
import { TooManyRowsError } from '../../../experiments/training/square-programs.ts';
import { train } from '../../../experiments/training/train.ts';
import { library } from '../../../kernels/index.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device?.close());

const options = { optimizer: 'gauss-newton', width: 6, depth: 1, seeds: [1, 2], momentum: 0.5 } as const;
const begin = (epochs: number, out: string) =>
  train({
    ...{ device, library, out, resume: false, signal: new AbortController().signal },
    settings: settingsFor('thermoelasticity', { ...options, epochs }),
  });
const goOn = (epochs: number, out: string) =>
  train({
    ...{ device, library, out, resume: true, signal: new AbortController().signal },
    settings: resumedSettings(out, 'thermoelasticity', { epochs }),
  });

describe('train --optimizer gauss-newton', () => {
  it('goes on bit for bit, and lowers the loss of every seed at every step', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tapir-newton-'));
    const [whole, parts] = [join(folder, 'whole'), join(folder, 'parts')];
    const summary = await begin(4, whole);
    await begin(2, parts);
    const resumed = await goOn(4, parts);
    const checkpoint = (out: string) => readFileSync(join(out, 'checkpoint.safetensors'));
    expect(checkpoint(parts).equals(checkpoint(whole))).toBe(true);
    expect(resumed.final).toEqual(summary.final);
    expect(summary.optimizer).toBe('gauss-newton');
    expect(summary.runs).toHaveLength(2);
    const lines = parseLines(
      readFileSync(join(whole, 'metrics.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    );
    for (const seed of [1, 2]) {
      const losses = lines.filter((line) => line.seed === seed).map(({ facts }) => facts!['loss']!);
      expect(losses).toHaveLength(4);
      losses.slice(1).forEach((loss, k) => {
        expect(loss).toBeLessThanOrEqual(losses[k]!);
      });
    }
  }, 600_000);
});

describe('its options', () => {
  it('belong to it alone', () => {
    expect(() => settingsFor('thermoelasticity', { momentum: 0.5 })).toThrow(UsageError);
    expect(() => settingsFor('thermoelasticity', { boundaryWeight: 2 })).toThrow('--boundary-weight');
    expect(() => settingsFor('thermoelasticity', { optimizer: 'gauss-newton', lr: 1e-3 })).toThrow('--lr');
    expect(() => settingsFor('thermoelasticity', { optimizer: 'gauss-newton', weighting: 'lra' })).toThrow(
      '--weighting',
    );
  });

  it('have defaults: the line search sets lambda, unless there is momentum', () => {
    const { epochs, ...settings } = settingsFor('thermoelasticity', { optimizer: 'gauss-newton' });
    expect(epochs).toBe(60);
    expect(settings).toMatchObject({
      momentum: 0,
      damping: 1e-2,
      adaptive: true,
      blocks: 'joint',
      precision: 'mixed',
    });
    expect(settingsFor('thermoelasticity', { optimizer: 'gauss-newton', momentum: 0.9 })).toMatchObject({
      adaptive: false,
    });
  });

  it('thin the points of every group', () => {
    const settings = settingsFor('electroosmotic-flow', { optimizer: 'gauss-newton', thin: 5 });
    expect(problemFor(settings).counts).toEqual({ interior: 600, wall: 80, side: 80 });
  });

  it('do not reach for a matrix that cannot be factorized', async () => {
    const settings = settingsFor('electroosmotic-flow', { optimizer: 'gauss-newton' });
    const problem = problemFor(settings);
    const options = { problem, boundaryWeight: 10, precision: 'mixed' } as const;
    await expect(SystemSquares.create(options, { device, library })).rejects.toThrow(TooManyRowsError);
    await expect(SystemSquares.create(options, { device, library })).rejects.toMatchObject({
      message: expect.stringContaining('22400'),
      remedy: expect.stringContaining('--thin'),
    });
  });
});
