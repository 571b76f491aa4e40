/** `tapir tune`: what it chooses, what it refuses, what it leaves behind and what later runs make of it. Needs an adapter. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { cacheOf, candidates, decide, tuneCall } from '../../bench/tune.ts';
import { tuneCommand } from '../../bench/tune-command.ts';
import { type Device, type Kernel, openDevice } from '../../engine/index.ts';
import { callText } from '../../experiments/adapter/choices.ts';
import { cachePath, readCache, tunedChoices } from '../../experiments/adapter/tune-cache.ts';
import { hyperparametersFor } from '../../experiments/training/hyperparameters.ts';
import { Trainer } from '../../experiments/training/trainer.ts';
import { library } from '../../kernels/index.ts';
import { resolveParameters, seeded, thermoelasticity } from '../../systems/index.ts';
import { within } from '../support/command.ts';
import { mistaken } from '../support/mistake.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(async () => device?.close());

const parameters = resolveParameters(thermoelasticity);
const training = {
  ...hyperparametersFor(thermoelasticity, { optimizer: 'adam', weighting: 'none' }),
  problem: seeded(thermoelasticity, parameters, [42], { hidden: 1, width: 8 }),
};
const jet = library.find(({ name }) => name === 'dense_jet')!;
const clock = { method: 'wall clock', emptyNs: 0 } as const;
const effort = { budgetMs: 5, least: 2 };

describe('the choice', () => {
  const time = (medianNs: number, minNs = medianNs) => ({ medianNs, minNs, p90Ns: medianNs, samples: 9 });
  const timed = (times: Record<string, ReturnType<typeof time>>) =>
    Object.entries(times).map(([name, each]) => ({ name, time: each }));

  it('is the fastest version where the difference is clear', () => {
    expect(decide(timed({ a: time(100), b: time(200), c: time(50) }), 'b')).toMatchObject({ choice: 'c', gain: 4 });
  });

  it('is the usual version within 5 %, and where it was once as fast as the other usually is', () => {
    expect(decide(timed({ a: time(100), b: time(104) }), 'b')).toMatchObject({ choice: 'b', gain: 1 });
    expect(decide(timed({ a: time(100, 50), b: time(200, 99) }), 'b')).toMatchObject({ choice: 'b', gain: 1 });
    expect(decide(timed({ a: time(100, 50), b: time(200, 101) }), 'b')).toMatchObject({ choice: 'a', gain: 2 });
  });

  it('is never a version that is wrong, even if it is the usual one', () => {
    const wrong = { name: 'b', refused: 'error 1e-1 > 1e-6' };
    expect(decide([...timed({ a: time(300), c: time(200) }), wrong], 'b')).toMatchObject({ choice: 'c' });
    expect(decide([...timed({ a: time(300), c: time(200) }), wrong], 'a')).toMatchObject({ choice: 'c' });
  });

  it('is not remembered where no version was right', () => {
    const call = { text: 'k [1]', usual: 'a', choice: 'a', gain: 1, shaders: '' };
    expect(cacheOf([{ ...call, versions: [{ name: 'a', refused: 'error' }] }], '')).toEqual({});
    expect(cacheOf([{ ...call, versions: [{ name: 'a', time: time(1234567) }] }], 'now')).toEqual({
      'k [1]': { version: 'a', shaders: '', ms: { a: 1.23 }, measured: 'now' },
    });
  });
});

describe('the calls', () => {
  it('of a training are found once each, with every version that serves them', () => {
    const found = candidates([training, { ...training, learningRate: 1 }], library, device);
    const texts = found.map(({ text }) => text);
    expect(new Set(texts).size).toBe(texts.length);
    expect(texts).toContain('dense_jet D=1 second from=linear to=tanh [2,3,1,202] [2,8,1] [2,8]');
    for (const { kernel, call, text, usual, versions } of found) {
      expect(callText(kernel.name, call)).toBe(text);
      expect(versions.length).toBeGreaterThan(1);
      expect(versions).toContain(usual);
    }
  });

  it('refuse a version that is wrong by a thousandth, however fast it is', async () => {
    const wrong: Kernel = {
      ...jet,
      versions: [
        ...jet.versions,
        {
          ...mistaken(jet.versions[0]!, (code) => code.replaceAll('+= w * ', '+= 1.001 * w * ')),
          name: 'wrong',
        },
      ],
    };
    const [first] = candidates([training], [wrong], device);
    expect(first).toMatchObject({ usual: 'wrong' });
    const { versions, choice } = await tuneCall(first!, { device, clock, effort });
    expect(versions.find(({ name }) => name === 'wrong')).toMatchObject({
      refused: expect.stringMatching(/^error \d\.\de-[34] > /),
    });
    expect(choice).not.toBe('wrong');
  });
});

describe('the command', () => {
  let cwd = '';
  let home: string | undefined;
  beforeAll(() => {
    cwd = mkdtempSync(join(tmpdir(), 'tapir-'));
    home = process.env['XDG_CACHE_HOME'];
    process.env['XDG_CACHE_HOME'] = join(cwd, 'cache');
  });
  afterAll(() => {
    process.env['XDG_CACHE_HOME'] = home;
    rmSync(cwd, { recursive: true, force: true });
  });

  async function tune(...args: string[]): Promise<{ printed: string; status: unknown }> {
    let printed = '';
    const code = process.exitCode;
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      printed += text;
      return true;
    });
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    try {
      await tuneCommand([jet]).parseAsync(args, { from: 'user' });
      return { printed, status: process.exitCode };
    } finally {
      vi.restoreAllMocks();
      process.exitCode = code;
    }
  }
  const small = ['thermoelasticity', '--optimizer', 'adam', '--weighting', 'none', '--width', '8', '--depth', '1'];

  it('measures, remembers, shows and forgets', async () => {
    const { printed, status } = await tune(...small, '--quick', '--json');
    expect(status).toBeUndefined();
    const { file, calls } = JSON.parse(printed);
    expect(file).toBe(cachePath(device));
    expect(file.startsWith(join(cwd, 'cache', 'tapir'))).toBe(true);
    expect(calls.length).toBeGreaterThanOrEqual(2);
    const cache = readCache(device);
    for (const { text, choice, versions } of calls) {
      expect(cache[text]!.version).toBe(choice);
      expect(Object.keys(cache[text]!.ms)).toEqual(versions.map(({ name }: { name: string }) => name));
      for (const { time } of versions) expect(time.medianNs).toBeGreaterThan(0);
    }
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ format: 1, adapter: { adapter: device.info.name } });

    const shown = (await tune('--show')).printed;
    for (const { text } of calls) expect(shown).toContain(text);
    expect(JSON.parse((await tune('--forget', '--json')).printed)).toMatchObject({
      removed: true,
      calls: calls.length,
    });
    expect(existsSync(file)).toBe(false);
    expect((await tune('--forget')).printed).toMatch(/^nothing was tuned on /);
  });

  it('says in its table what was chosen', async () => {
    const { printed } = await tune(...small, '--quick');
    expect(printed).toMatch(/^versions, median ms +choice +gain\ndense_jet .*\n {2}simple [\d.]+ {2}/);
    expect(printed).toContain(`on ${device.info.name}`);
  });

  it('leaves choices that a trainer takes', async () => {
    const choices = tunedChoices(device);
    expect(Object.keys(choices).length).toBeGreaterThanOrEqual(2);
    const trainer = await Trainer.create(training, { device, library, choices });
    const { kernels } = trainer;
    trainer.destroy();
    for (const [text, { version }] of Object.entries(choices).filter(([text]) => text in kernels))
      expect([text, kernels[text]]).toEqual([text, version]);
    expect(Object.keys(choices).filter((text) => text in kernels).length).toBeGreaterThanOrEqual(2);
  });

  it.each([
    ['--show --forget', /--show and --forget exclude each other/],
    ['symmetric --forget', /--forget is about this adapter; leave out symmetric/],
    ['symmetric --seeds 1,2 --runs 2', /--seeds and --runs exclude each other/],
    ['thermo', /no system thermo; there are /],
  ])('refuses tune %s', async (args, says) => {
    await expect(tune(...args.split(' '))).rejects.toThrow(says);
  });

  it('is known to doctor', async () => {
    expect((await within(cwd, ['doctor'])).stdout).toMatch(/\ntuned +\d+ kernel calls, last on \d{4}-\d\d-\d\d\n/);
    await tune('--forget');
    expect((await within(cwd, ['doctor'])).stdout).toMatch(/\ntuned +no: see tapir tune\n/);
  });
});
