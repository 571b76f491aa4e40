/** Training from a program: options and mistakes in them, ended early, gone on with, read back. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Device, openDevice } from '../../../engine/index.ts';
import { loadRun, type ProgramOptions, train } from '../../../experiments/library/index.ts';
import { parseLines } from '../../../experiments/training/record.ts';
import { defineSystem, thermoelasticity } from '../../../systems/index.ts';

const decay = defineSystem({
  name: 'decay',
  coordinates: { t: [0, 1] },
  fields: ['u'],
  parameters: { rate: 1 },
  residuals: { decay: 'u.t + rate*u' },
  conditions: [{ at: { t: 0 }, residuals: ['u - 1'], points: 1 }],
  points: { interior: 20 },
  network: { hidden: 1, width: 8 },
  exact: { u: 'exp(-rate*t)' },
});

let folder: string;
const at = (name: string) => join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tapir-library-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('mistakes of a program', () => {
  const wrong = async (system: Parameters<typeof train>[0], options: object) => {
    const out = at('never');
    const error = await train(system, { out, ...options } as ProgramOptions).catch((each: unknown) => each);
    expect(existsSync(out)).toBe(false);
    return (error as Error).message;
  };

  it.each([
    [{ epoch: 10 }, 'there is no option epoch; did you mean epochs?'],
    [{ epochs: -1 }, /^epochs: /],
    [{ lr: 'fast' }, /^learningRate: /],
    [{ optimizer: 'sopa' }, 'optimizer: there is no sopa; did you mean soap?'],
    [{ width: 1.5 }, /^network.width: /],
    [{ set: { speed: 1 } }, /has no parameter speed/],
    [{ track: ['dvcc'] }, '--track: there is no dvcc; did you mean dvc?'],
    [{ resume: 'there' }, '--out and --resume exclude each other'],
    [{ checkpoint: -1 }, '--checkpoint must be at least 0 seconds, not -1'],
  ])('%o', async (options, says) => {
    expect(await wrong(decay, options)).toMatch(says);
  });

  it('of a name: no system has it, or a built-in one', async () => {
    expect(await wrong('thermoelastic', {})).toMatch(/^there is no system thermoelastic/);
    expect(await wrong('./nowhere.mjs', {})).toMatch(/^nowhere.mjs: there is no such file/);
    expect(await wrong({ ...thermoelasticity }, {})).toMatch(/thermoelasticity is a built-in system; take another/);
  });
});

describe('a program that trains', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice();
  });
  afterAll(() => device?.close());

  const bytes = (name: string) => readFileSync(join(at(name), 'checkpoint.safetensors'));

  it('ends where it wants to, goes on from there as if it had not, and reads the run back', async () => {
    const options = { device, optimizer: 'adam', epochs: 50, seeds: [1, 2] } as const;
    await train(decay, { ...options, out: at('whole') });
    const stopped = await train(decay, {
      ...options,
      out: at('parts'),
      observe: ({ epoch }) => (epoch === 25 ? 'stop' : undefined),
    });
    expect(stopped).toMatchObject({ epochs: 25, stopped: 'stopped at epoch 25' });
    const lines = readFileSync(join(at('parts'), 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n');
    expect(parseLines(lines.map((line) => JSON.parse(line) as unknown)).at(-1)!.epoch).toBe(25);
    const done = await train(decay, { device, resume: at('parts') });
    expect(done.stopped).toBeUndefined();
    expect(bytes('parts')).toEqual(bytes('whole'));

    const run = loadRun(at('parts'), { system: decay, seed: 2 });
    const { u } = run.predict({ t: Float64Array.of(0, 1) });
    expect(u!.every(Number.isFinite)).toBe(true);
    expect(run.summary.runs!.map(({ seed }) => seed)).toEqual([1, 2]);
    expect(() => loadRun(at('parts'), { system: thermoelasticity })).toThrow('holds a run of decay');
  });

  it('ends at the target error, though steps beyond it were under way', async () => {
    const options = { device, optimizer: 'adam', lr: 0.02, epochs: 2000, targetError: 0.1 } as const;
    const { reached, ...summary } = await train(decay, { ...options, out: at('target') });
    expect(reached!.epoch).toBeLessThan(2000);
    expect(reached!.epoch % 25).toBe(0);
    expect(reached!.error).toBeLessThanOrEqual(0.1);
    expect(summary).toMatchObject({ epochs: reached!.epoch, final: { error: reached!.error } });
    expect(summary.stopped).toBeUndefined();
    expect(JSON.parse(readFileSync(join(at('target'), 'config.json'), 'utf8'))).toMatchObject({ targetError: 0.1 });
    expect(loadRun(at('target'), { system: decay }).summary.reached).toEqual(reached);
  });

  it('ends at once where the signal is aborted, and leaves what goes on', async () => {
    const options = { device, optimizer: 'adam', out: at('aborted'), epochs: 25 } as const;
    const summary = await train(decay, { ...options, signal: { aborted: true } });
    expect(summary).toMatchObject({ epochs: 0, stopped: 'interrupted at epoch 0' });
    expect((await train(decay, { device, resume: at('aborted') })).epochs).toBe(25);
  });
});
