/** Tuned kernel versions: from the cache into plans and run folders, and how little they may change. Needs an adapter. */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { compile, type Device, openDevice, type Plan } from '../../../engine/index.ts';
import {
  asServed,
  type Choices,
  callText,
  dense,
  preferred,
  servedBy,
  shadersOf,
} from '../../../experiments/adapter/choices.ts';
import {
  cachePath,
  forgetCache,
  readCache,
  tunedChoices,
  writeCache,
} from '../../../experiments/adapter/tune-cache.ts';
import { readSafetensors } from '../../../experiments/disk/safetensors.ts';
import { readSweep } from '../../../experiments/sweep/folder.ts';
import { groupsOf, sweepPlan } from '../../../experiments/sweep/plan.ts';
import { presetNamed } from '../../../experiments/sweep/presets.ts';
import { trainerOptions } from '../../../experiments/sweep/stack.ts';
import { sweep } from '../../../experiments/sweep/sweep.ts';
import { hyperparametersFor, isFirstOrder } from '../../../experiments/training/hyperparameters.ts';
import { trainingPlans } from '../../../experiments/training/plans.ts';
import { stepSource } from '../../../experiments/training/tapes.ts';
import { Trainer } from '../../../experiments/training/trainer.ts';
import { library } from '../../../kernels/index.ts';
import { resolveParameters, seeded, thermoelasticity } from '../../../systems/index.ts';
import { ownLines, within } from '../../support/command.ts';
import { bitsOf, leastAdapter, llvmpipe } from '../../support/gpu.ts';
import { mistaken } from '../../support/mistake.ts';

let device: Device;
let base = '';
let folders = 0;
let home: string | undefined;
beforeAll(async () => {
  device = await openDevice();
  home = process.env['XDG_CACHE_HOME'];
  base = mkdtempSync(join(tmpdir(), 'tapir-'));
});
/** A cache folder for each test. */
beforeEach(() => {
  process.env['XDG_CACHE_HOME'] = join(base, `cache-${folders++}`);
});
afterAll(async () => {
  await device?.close();
  process.env['XDG_CACHE_HOME'] = home;
  rmSync(base, { recursive: true, force: true });
});

const parameters = resolveParameters(thermoelasticity);
const training = {
  ...hyperparametersFor(thermoelasticity, { optimizer: 'adam', weighting: 'none' }),
  problem: seeded(thermoelasticity, parameters, [42], { hidden: 2, width: 8 }),
};
const planWith = (more: object): Plan => compile(stepSource(training).source, { library, device: llvmpipe, ...more });
const usual = planWith({});
/** Every call by the first version of its kernel, which supports everything and is the usual one nowhere where another does. */
const simply = (served: Readonly<Record<string, string>>): Choices =>
  asServed(Object.fromEntries(Object.keys(served).map((call) => [call, 'simple'])));

describe('a plan', () => {
  const text = Object.keys(servedBy([usual])).find((call) => call.startsWith('vjp(dense_jet)'))!;

  it('takes the version that is preferred for a call, and the usual ones for the others', () => {
    const before = servedBy([usual]);
    expect(before[text]).not.toBe('simple');
    const prefer = preferred({ [text]: { version: 'simple' } }, llvmpipe);
    expect(servedBy([planWith({ prefer })])).toEqual({ ...before, [text]: 'simple' });
  });

  it('takes a pinned version over one that is preferred', () => {
    const prefer = preferred({ [text]: { version: 'simple' } }, llvmpipe);
    const served = servedBy([planWith({ prefer, versions: { 'vjp(dense_jet)': 'staged' } })]);
    expect(served[text]).toBe('staged');
  });

  it('passes over versions that do not exist or do not support the call', () => {
    const all = (version: string) =>
      preferred(Object.fromEntries(Object.keys(servedBy([usual])).map((call) => [call, { version }])), leastAdapter);
    const plain = servedBy([planWith({ device: leastAdapter })]);
    expect(servedBy([planWith({ device: leastAdapter, prefer: all('best') })])).toEqual(plain);
    expect(servedBy([planWith({ device: leastAdapter, prefer: all('lanes') })])).toEqual(plain);
  });

  it('passes over what was measured with other shaders', () => {
    const { kernel: name, call } = usual.calls.find((each) => callText(each.kernel, each.call) === text)!;
    const kernel = library.find((each) => each.name === name)!;
    const shaders = shadersOf(kernel, call, llvmpipe);
    expect(shadersOf(kernel, dense(call), llvmpipe)).toBe(shaders);
    expect(shadersOf(kernel, call, leastAdapter)).not.toBe(shaders);
    const [simple, ...others] = kernel.versions;
    const edited = { ...kernel, versions: [mistaken(simple!, (code) => code.replace('0.0', '0.5')), ...others] };
    expect(shadersOf(edited, call, llvmpipe)).not.toBe(shaders);
    const servedFor = (choice: Choices[string]) =>
      servedBy([planWith({ prefer: preferred({ [text]: choice }, llvmpipe) })])[text];
    expect(servedFor({ version: 'simple', shaders })).toBe('simple');
    expect(servedFor({ version: 'simple', shaders: 'other' })).toBe('lanes');
  });

  it('names a call by kernel, parameters and shapes', () => {
    expect(Object.keys(servedBy([usual]))).toContain(
      'dense_jet D=1 second from=linear to=tanh [2,3,1,202] [2,8,1] [2,8]',
    );
  });
});

describe('the cache', () => {
  const entry = { version: 'simple', shaders: 'abc', ms: { simple: 1.5, lanes: 2 }, measured: '2026-01-02T03:04:05Z' };

  it('keeps what was written, adds to it, and forgets', () => {
    expect(readCache(device)).toEqual({});
    const path = writeCache(device, { a: entry, b: entry });
    writeCache(device, { b: { ...entry, version: 'lanes' } });
    expect(readCache(device)).toEqual({ a: entry, b: { ...entry, version: 'lanes' } });
    expect(tunedChoices(device)['a']).toEqual({ version: 'simple', shaders: 'abc' });
    expect(tunedChoices(device, true)).toEqual({});
    expect(readdirSync(dirname(path))).toHaveLength(1);
    expect([forgetCache(device), forgetCache(device)]).toEqual([true, false]);
    expect(readCache(device)).toEqual({});
  });

  it('is one of this adapter alone', () => {
    writeCache(device, { a: entry });
    const other = { ...device, info: { ...device.info, name: `${device.info.name} 2` } } as Device;
    expect(readCache(other)).toEqual({});
    const same = { ...device, info: { ...device.info, limits: { ...device.info.limits, maxBufferSize: 1 } } };
    expect(cachePath(same as unknown as Device)).not.toBe(cachePath(device));
  });

  it('lies where the platform has caches, and only under an absolute path', () => {
    const { XDG_CACHE_HOME: given, HOME } = process.env;
    expect(cachePath(device).startsWith(join(given!, 'tapir', 'tune'))).toBe(true);
    try {
      process.env['HOME'] = base;
      for (const none of ['', 'relative']) {
        process.env['XDG_CACHE_HOME'] = none;
        expect(cachePath(device).startsWith(join(base, '.cache', 'tapir', 'tune'))).toBe(true);
      }
    } finally {
      process.env['HOME'] = HOME;
    }
  });

  it.each([
    ['', 'damaged'],
    ['{"format": 1, "adap', 'damaged'],
    ['[]', 'damaged'],
    ['{"format": 2, "adapter": {}, "calls": {}}', 'damaged'],
    ['{"format": 1, "adapter": {}, "calls": {"a": {"version": 3}}}', 'damaged'],
    [null, 'EISDIR'],
  ])('that holds %s is reported in one line and ignored', (contents, why) => {
    const path = cachePath(device);
    mkdirSync(contents === null ? path : dirname(path), { recursive: true });
    if (contents !== null) writeFileSync(path, contents);
    const lines: string[] = [];
    expect(readCache(device, (line) => lines.push(line))).toEqual({});
    expect(lines).toEqual([expect.stringMatching(new RegExp(`^${path} is ignored, .*${why}.*: [^\\n]*--forget`))]);
    if (contents === null) return;
    writeCache(device, { a: entry });
    expect(readCache(device)).toEqual({ a: entry });
  });

  it.skipIf(process.getuid?.() === 0)('that cannot be written is refused with a remedy', () => {
    const path = dirname(cachePath(device));
    mkdirSync(path, { recursive: true });
    chmodSync(path, 0o500);
    expect(() => writeCache(device, { a: entry })).toThrow(/cannot be written .*XDG_CACHE_HOME/);
    chmodSync(path, 0o700);
  });
});

/** Tunes every call of a trainer to its first version, by hand. */
function tuneSimply(): void {
  const { plans } = trainingPlans(
    { ...training, weighting: 'grad-norm' as const },
    { library, device: device.capabilities },
  );
  const measured = new Date().toISOString();
  for (const { kernel: name, call } of Object.values(plans).flatMap(({ calls }) => calls)) {
    const kernel = library.find((each) => each.name === name)!;
    const shaders = shadersOf(kernel, call, device.capabilities);
    writeCache(device, { [callText(name, call)]: { version: 'simple', shaders, ms: {}, measured } });
  }
}

describe('tapir train', () => {
  const train = async (...more: string[]) => {
    const small = ['thermoelasticity', '--optimizer', 'adam', '--width', '8', '--depth', '2'];
    const outcome = await within(base, ['train', ...small, ...more]);
    expect([outcome.status, ownLines(outcome).filter((line) => line.startsWith('tapir: '))]).toEqual([0, []]);
  };
  const read = (name: string, file: string) => JSON.parse(readFileSync(join(base, name, file), 'utf8'));
  const kernels = (name: string): Record<string, string> => read(name, 'config.json').kernels;
  const weights = (name: string) =>
    [...readSafetensors(join(base, name, 'weights.safetensors')).tensors].map(([key, { data }]) => [
      key,
      bitsOf(data as Float32Array),
    ]);

  it('uses what tune found, writes it down, and comes to the same numbers up to rounding', async () => {
    await train('--epochs', '50', '--out', 'plain');
    expect(new Set(Object.values(kernels('plain')))).not.toEqual(new Set(['simple']));
    tuneSimply();
    await train('--epochs', '50', '--out', 'tuned');
    expect(new Set(Object.values(kernels('tuned')))).toEqual(new Set(['simple']));
    expect(Object.keys(kernels('tuned'))).toEqual(Object.keys(kernels('plain')));
    const [a, b] = ['plain', 'tuned'].map((name) => read(name, 'summary.json'));
    for (const term of ['RT', 'Ru', 'BC'])
      expect(Math.abs(a.losses[term] / b.losses[term] - 1), term).toBeLessThan(1e-3);
    await train('--epochs', '50', '--untuned', '--out', 'untuned');
    expect(kernels('untuned')).toEqual(kernels('plain'));
    expect(weights('untuned')).toEqual(weights('plain'));
    expect(weights('tuned')).not.toEqual(weights('plain'));
    await train('--epochs', '1', '--kernel', 'dense_jet=staged', '--out', 'pinned');
    for (const [call, version] of Object.entries(kernels('pinned')))
      expect([call, version === 'staged']).toEqual([call, call.startsWith('dense_jet') && !call.includes('[2,1,8]')]);
  });

  it('that is resumed keeps the versions it was begun with, bit for bit, whatever the cache says', async () => {
    tuneSimply();
    await train('--epochs', '60', '--out', 'whole');
    await train('--epochs', '30', '--out', 'part');
    cpSync(join(base, 'part'), join(base, 'repinned'), { recursive: true });
    forgetCache(device);
    const resume = ['train', 'thermoelasticity', '--epochs', '60', '--resume'];
    expect((await within(base, [...resume, 'part'])).status).toBe(0);
    expect(kernels('part')).toEqual(kernels('whole'));
    expect(weights('part')).toEqual(weights('whole'));
    expect((await within(base, [...resume, 'repinned', '--kernel', 'vjp(dense_jet)=staged'])).status).toBe(0);
    expect(kernels('repinned')).not.toEqual(kernels('whole'));
    const refused = await within(base, [...resume, 'part', '--untuned']);
    expect([refused.status, refused.stderr]).toEqual([2, expect.stringMatching(/leave out --untuned\n$/)]);
  });
});

describe('a sweep', () => {
  it('that is stopped keeps the versions it was made with, whatever the cache says', async () => {
    const tiny = { width: 8, depth: 2, epochs: 75, seeds: [42, 123], updateEvery: 10 };
    const runs = sweepPlan(presetNamed('quick'), tiny)
      .runs.filter(isFirstOrder)
      .filter((run) => run.system === 'thermoelasticity' && run.optimizer === 'adam' && run.coupling.value === 50);
    const plan = { preset: 'quick', overrides: tiny, stack: 2, runs, groups: groupsOf(runs, 2) };
    const trainer = await Trainer.create(trainerOptions(runs), { device, library });
    const choices = simply(trainer.kernels);
    trainer.destroy();
    const silent = new Writable({ write: (_, __, done) => done() });
    const go = (name: string, more: object) => {
      const { signal } = new AbortController();
      const out = join(base, name);
      return sweep({ device, library, plan, out, command: 'tapir sweep quick', signal, stream: silent, ...more });
    };
    const bits = (name: string) =>
      runs.map(({ id }) => readFileSync(join(base, name, 'runs', id, 'weights.safetensors')).toString('base64'));
    const served = (name: string): Record<string, string>[] =>
      runs.map(({ id }) => JSON.parse(readFileSync(join(base, name, 'runs', id, 'summary.json'), 'utf8')).kernels);

    await go('undisturbed', { choices });
    const stop = new AbortController();
    const checkpoints = join(base, 'stopped', 'groups', plan.groups[0]!.id);
    const held = () =>
      existsSync(checkpoints) && readdirSync(checkpoints).some((name) => name.endsWith('.safetensors'));
    const watch = setInterval(() => held() && stop.abort(), 1);
    const first = await go('stopped', { choices, signal: stop.signal, checkpointEvery: 0 });
    clearInterval(watch);
    expect([first.stopped, first.finished]).toEqual([true, 0]);
    expect((await go('stopped', {})).finished).toBe(runs.length);
    expect(readSweep(join(base, 'stopped')).choices).toEqual(choices);
    expect(bits('stopped')).toEqual(bits('undisturbed'));
    for (const own of served('stopped')) expect(new Set(Object.values(own))).toEqual(new Set(['simple']));
    await go('usual', {});
    expect(bits('usual')).not.toEqual(bits('undisturbed'));
  });
});
