/** Gauss-Newton in the house: a run folder, resumed bit for bit, and options that say what they are for. Needs an adapter. */
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Device, openDevice } from '../../../engine/index.ts';
import { writeReport } from '../../../experiments/report/write.ts';
import { presetOver } from '../../../experiments/sweep/own.ts';
import { sweepPlan } from '../../../experiments/sweep/plan.ts';
import { sweep } from '../../../experiments/sweep/sweep.ts';
import { SystemSquares } from '../../../experiments/training/least-squares.ts';
import { parseLines } from '../../../experiments/training/record.ts';
import { TooManyParametersError } from '../../../experiments/training/second-order.ts';
import {
  type AnyTrainOptions,
  problemFor,
  resumedSettings,
  settingsFor,
  UsageError,
} from '../../../experiments/training/settings.ts';
import { TooManyRowsError } from '../../../experiments/training/square-programs.ts';
import { train } from '../../../experiments/training/train.ts';
import { trainerFor } from '../../../experiments/training/trainers.ts';
import { library } from '../../../kernels/index.ts';
import { systemNamed } from '../../../systems/index.ts';

// llvmpipe's own optimizer takes most of the time, and it is not what is tested. GALLIVM_PERF= puts it back.
process.env['GALLIVM_PERF'] ??= 'nopt';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device?.close());

const options = { optimizer: 'gauss-newton', width: 6, depth: 1, seeds: [1, 2], momentum: 0.5 } as const;
const begin = (epochs: number, out: string, own: AnyTrainOptions = options) =>
  train({
    ...{ device, library, out, resume: false, signal: new AbortController().signal },
    settings: settingsFor('thermoelasticity', { ...own, epochs }),
  });
const goOn = (epochs: number, out: string) =>
  train({
    ...{ device, library, out, resume: true, signal: new AbortController().signal },
    settings: resumedSettings(out, 'thermoelasticity', { epochs }),
  });

const linesOf = (folder: string) =>
  parseLines(
    readFileSync(join(folder, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
  );

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
    const lines = linesOf(whole);
    for (const seed of [1, 2]) {
      const losses = lines.filter((line) => line.seed === seed).map(({ facts }) => facts!['loss']!);
      expect(losses).toHaveLength(4);
      losses.slice(1).forEach((loss, k) => {
        expect(loss).toBeLessThanOrEqual(losses[k]!);
      });
    }
    // Begun with its weights, another run is where this one goes on, as far as float32 holds weights.
    const begun = join(folder, 'begun');
    await begin(1, begun, { ...options, start: whole });
    await goOn(5, parts);
    const after = linesOf(parts).slice(-2);
    for (const [k, { losses }] of linesOf(begun).entries())
      for (const [term, loss] of Object.entries(losses)) expect(loss! / after[k]!.losses[term]!).toBeCloseTo(1, 3);
    const other = begin(1, join(folder, 'other'), { ...options, width: 7, start: whole });
    await expect(other).rejects.toThrow('has other networks than this run; give --width and --depth as there');
  }, 600_000);
});

describe.each(['ssbroyden', 'lbfgs'] as const)('train --optimizer %s', (optimizer) => {
  it('goes on bit for bit, and lowers the loss', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tapir-newton-'));
    const [whole, parts] = [join(folder, 'whole'), join(folder, 'parts')];
    const small = { optimizer, width: 6, depth: 1, thin: 5, seeds: [1, 2] };
    const summary = await begin(12, whole, small);
    await begin(5, parts, small);
    const resumed = await goOn(12, parts);
    const checkpoint = (out: string) => readFileSync(join(out, 'checkpoint.safetensors'));
    expect(checkpoint(parts).equals(checkpoint(whole))).toBe(true);
    expect(resumed.final).toEqual(summary.final);
    expect(summary.runs).toHaveLength(2);
    const lines = linesOf(whole);
    expect(lines.map(({ epoch }) => epoch)).toEqual([5, 5, 10, 10, 12, 12]);
    for (const seed of [1, 2]) {
      const losses = lines.filter((line) => line.seed === seed).map(({ facts }) => facts!['loss']!);
      expect(losses[2]).toBeLessThan(losses[0]! / 2);
    }
  }, 300_000);
});

it('ssbroyden keeps no matrix that is too large', async () => {
  const settings = settingsFor('thermoelasticity', { optimizer: 'ssbroyden' });
  const trainer = trainerFor(settings, problemFor(settings), { device, library });
  await expect(trainer).rejects.toThrow(TooManyParametersError);
  await expect(trainer).rejects.toThrow('a matrix of 25346 x 25346 numbers; its limit is 4000 parameters');
});

describe('a sweep of it', () => {
  it('trains couplings and seeds in one stack, and goes on where it was stopped, bit for bit', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tapir-newton-'));
    const overrides = {
      set: { gamma: [5, 50] },
      optimizers: ['gauss-newton'],
      seeds: [1, 2],
      width: 6,
      depth: 1,
    } as const;
    const plan = sweepPlan(presetOver(systemNamed('thermoelasticity'), overrides), { ...overrides, steps: 4 });
    expect(plan.groups.map(({ runs }) => runs.length)).toEqual([4]);
    const begin = (name: string, signal: AbortSignal, stream: Writable) =>
      sweep({ ...{ device, library, plan, signal, stream, checkpointEvery: 0 }, out: join(folder, name), command: '' });
    const silent = new Writable({ write: (_, __, done) => done() });
    await begin('whole', new AbortController().signal, silent);
    const stop = new AbortController();
    const stopping = new Writable({
      write: (line, _, done) => {
        if (String(line).includes('2/4')) stop.abort();
        done();
      },
    });
    expect((await begin('parts', stop.signal, stopping)).finished).toBe(0);
    expect((await begin('parts', new AbortController().signal, silent)).finished).toBe(4);
    const read = (name: string, file: string) =>
      plan.runs.map(({ id }) => readFileSync(join(folder, name, 'runs', id, file)).toString('base64'));
    for (const file of ['weights.safetensors', 'metrics.jsonl'])
      expect(read('parts', file)).toEqual(read('whole', file));
    expect(linesOf(join(folder, 'whole', 'runs', plan.runs[0]!.id)).map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4]);
    const { report, html } = await writeReport(join(folder, 'whole'));
    expect(report.systems[0]!.rows.map(({ name, cells }) => [name, cells.map(({ done }) => done)])).toEqual([
      ['Gauss-Newton', [2, 2]],
    ]);
    expect(readFileSync(html, 'utf8')).toContain('>seconds<');
  }, 300_000);
});

describe('its options', () => {
  it('belong to it alone', () => {
    expect(() => settingsFor('thermoelasticity', { momentum: 0.5 })).toThrow(UsageError);
    expect(() => settingsFor('thermoelasticity', { boundaryWeight: 2 })).toThrow('--boundary-weight');
    expect(() => settingsFor('thermoelasticity', { optimizer: 'lbfgs', damping: 2 })).toThrow('--damping');
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
