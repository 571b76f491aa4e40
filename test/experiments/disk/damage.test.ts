/**
 * Every file that the program reads, cut at every boundary, with bits turned, and well formed but lying: what comes back is
 * a value or a UserError, never another error and never a hang; a checkpoint that is not what was written is refused.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { across } from '../../../bench/across.ts';
import type { BenchResult } from '../../../bench/bench.ts';
import { compare, comparisonText } from '../../../bench/compare.ts';
import { readResult } from '../../../bench/result.ts';
import { UserError } from '../../../engine/index.ts';
import { cacheIn } from '../../../experiments/adapter/tune-cache.ts';
import { crc32c } from '../../../experiments/disk/crc32c.ts';
import { openRunFolder } from '../../../experiments/disk/run-folder.ts';
import { encodeSafetensors, parseSafetensors, tensor } from '../../../experiments/disk/safetensors.ts';
import { readSystem } from '../../../experiments/disk/system-file.ts';
import { readRuns, reportOf } from '../../../experiments/report/data.ts';
import { encodeState, peekState, readState } from '../../../experiments/sweep/checkpoint.ts';
import { readSweep } from '../../../experiments/sweep/folder.ts';
import { sweepPlan } from '../../../experiments/sweep/plan.ts';
import { presetNamed } from '../../../experiments/sweep/presets.ts';
import { readCheckpoint } from '../../../experiments/training/checkpoint.ts';
import { encodeCheckpoint } from '../../../experiments/training/checkpoint-bytes.ts';
import { looksIn } from '../../../experiments/training/metrics.ts';
import { resolveSettings, resumedSettings } from '../../../experiments/training/settings.ts';
import { readGolden } from '../../../experiments/verify/golden-file.ts';
import { problemOf, systemNamed } from '../../../systems/index.ts';
import { cuts, flips, lies } from '../../support/damage.ts';

let base = '';
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'tapir-'));
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

const bytesOf = (value: unknown) => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
const golden = (name: string) => readFileSync(join(import.meta.dirname, '../../golden', name));

const settings = resolveSettings('thermoelasticity', { width: 3, depth: 1, epochs: 50 });
const shapes = { theta: [2, 3], weights: [1, 3] };
const values = { theta: Float32Array.of(1, 2, 3, 4, 5, 6), weights: Float32Array.of(1, 1, 1) };
const snapshot = { epoch: 50, values };
const terms = { RT: 1e-3, Ru: null, BC: 2 };
const look = {
  epoch: 25,
  losses: terms,
  weights: { RT: 1, Ru: 1, BC: 1 },
  l2: { T: 0.1, u: 0.2 },
  mean: 0.15,
  rmse: 0.1,
};
const best = { error: 0.1, mean: 0.1, epoch: 25 };
const result = {
  ...{ seed: 42, final: { error: 0.1, l2: { T: 0.1, u: 0.2 }, mean: 0.15, rmse: { T: 0.1, u: 0.1 } } },
  ...{ best, bestLoss: { loss: 1, error: 0.1, epoch: 25 }, losses: terms, weights: terms },
};
const plan = sweepPlan(presetNamed('quick'), { seeds: [42] });
const { groups: _, ...planned } = plan;
const runs = plan.runs.slice(0, 2);
const record = { history: [look], best, bestLoss: { loss: 1, error: 0.1, epoch: 25 } };
const sweep = {
  format: 1,
  created: '2026-11-24',
  command: 'tapir sweep quick',
  choices: { a: { version: 'b' } },
  ...planned,
};
const summary = {
  ...{ format: 2, id: runs[0]!.id, system: runs[0]!.system, params: runs[0]!.parameters, optimizer: 'adam' },
  ...{ weighting: 'grad-norm', score: 'relative', epochs: 50, ...result, msPerStep: 1, stackedWith: 0 },
  ...{ dispatchesPerStep: 20, adapter: 'none', finished: '2026-11-24T00:00:00Z' },
};
const time = { medianNs: 2, minNs: 1, p90Ns: 3, samples: 7 };
const measured = {
  ...{ date: '2026-11-24', machine: { adapter: 'a', cpu: 'b', cores: 2 }, load: 0.1, clock: 'wall clock', quick: true },
  steps: [{ origin: 'thermoelasticity', optimizer: 'adam', time, dispatches: 20, bytes: 100 }],
  kernels: [{ kernel: 'matmul', version: 'simple', origin: 'o', shapes: '[2,2]', figures: { time } }],
  stack: [{ system: 'thermoelasticity', optimizer: 'adam', height: 2, time, bytes: 9 }],
  laplacian: [{ way: 'w', what: 'x', time, dispatches: 2, bytes: 3 }],
  peers: { ours: [], rows: [{ peer: 'p', job: { system: 's', work: 'gradient', runs: 1 }, variant: 'v', ours: time }] },
  ...{ roofline: { peakFlops: 1e9 }, peakAtEnd: 1e9 },
};
const own = {
  ...{ name: 'own', title: 'Own', coordinates: { y: [-1, 1], t: [0, 1] }, fields: ['u', 'b'] },
  ...{ parameters: { Ha: { value: 5, positive: true }, G: 1 }, coupling: { parameter: 'Ha', values: [1, 5] } },
  ...{ definitions: { f: 'G*sin(pi*y)' }, residuals: { m: 'u.yy + Ha*b.y + f', i: 'b.t + Ha*u.y' } },
  conditions: [{ at: { y: -1 }, residuals: ['u - u_exact', 'b'], over: 'sum', term: 'BC', points: 5 }],
  ...{ exact: { u: 'y*t', b: 'Ha*y' }, points: { interior: 9 }, network: { hidden: 1, width: 3 }, learningRate: 1e-3 },
};

interface Kind {
  /** Where it lies, in a folder of its own. */
  readonly file: string;
  readonly bytes: Uint8Array;
  /** Reads what is in a folder, and does with it what a command would. */
  readonly read: (folder: string) => unknown;
  /** What else is in the folder. */
  readonly beside?: Readonly<Record<string, Uint8Array>>;
}

const kinds: readonly Kind[] = [
  {
    file: 'config.json',
    bytes: bytesOf({ format: 2, ...settings }),
    read: (folder) => resumedSettings(folder, settings.system, {}),
  },
  {
    ...{
      file: 'metrics.jsonl',
      bytes: bytesOf([look, { ...look, epoch: 50 }].map((line) => `${JSON.stringify(line)}\n`).join('')),
    },
    beside: { 'config.json': bytesOf('{}') },
    read(path) {
      const folder = openRunFolder(path, { resume: true });
      try {
        return looksIn(folder);
      } finally {
        folder.close();
      }
    },
  },
  {
    file: 'checkpoint.safetensors',
    bytes: encodeCheckpoint(snapshot, shapes, settings),
    read: (folder) => readCheckpoint(folder, settings, shapes),
  },
  {
    file: 'stack.safetensors',
    bytes: encodeState({ snapshot, records: [record, record], pace: { ms: 1, steps: 1 } }, runs, shapes),
    read: (folder) => [
      peekState(join(folder, 'stack.safetensors')),
      readState(join(folder, 'stack.safetensors'), runs, shapes),
    ],
  },
  { file: 'sweep.json', bytes: bytesOf(sweep), read: (folder) => [readSweep(folder), reportOf(readRuns(folder))] },
  {
    ...{
      file: `runs/${runs[0]!.id}/summary.json`,
      bytes: bytesOf(summary),
      read: (folder) => reportOf(readRuns(folder)),
    },
    beside: { 'sweep.json': bytesOf(sweep) },
  },
  {
    ...{
      file: `runs/${runs[0]!.id}/metrics.jsonl`,
      bytes: bytesOf(look),
      read: (folder) => reportOf(readRuns(folder)),
    },
    beside: { 'sweep.json': bytesOf(sweep), [`runs/${runs[0]!.id}/summary.json`]: bytesOf(summary) },
  },
  {
    file: 'tune.json',
    bytes: bytesOf({
      format: 1,
      adapter: {},
      calls: { a: { version: 'b', shaders: 'c', ms: { b: 1 }, measured: 'd' } },
    }),
    read: (folder) => cacheIn(join(folder, 'tune.json'), () => {}),
  },
  {
    ...{ file: 'bench.json', bytes: bytesOf(measured) },
    read(folder) {
      const found = readResult(join(folder, 'bench.json'));
      const sound = JSON.parse(JSON.stringify(measured)) as BenchResult;
      across(found, sound);
      return [compare(sound, sound), comparisonText(found, sound, compare(found, sound))];
    },
  },
  {
    ...{ file: 'own.json', bytes: bytesOf(own) },
    async read(folder) {
      const system = await readSystem(join(folder, 'own.json'));
      const parameters = Object.fromEntries(
        Object.entries(system.parameters).map(([name, { value }]) => [name, value]),
      );
      return problemOf(system, [{ parameters, seed: 1, points: system.points(parameters, 1) }]);
    },
  },
  {
    file: 'torch-init.json',
    bytes: golden('torch-init.json'),
    read: (folder) => readGolden(join(folder, 'torch-init.json')),
  },
  {
    ...{
      file: 'soap.json',
      bytes: golden('soap-square-16.json'),
      read: (folder) => readGolden(join(folder, 'soap.json')),
    },
    beside: { 'soap.safetensors': golden('soap-square-16.safetensors') },
  },
  {
    ...{
      file: 'soap.safetensors',
      bytes: golden('soap-square-16.safetensors'),
      read: (folder) => readGolden(join(folder, 'soap.json')),
    },
    beside: { 'soap.json': golden('soap-square-16.json') },
  },
];

function place(name: string, contents: Uint8Array | string): void {
  mkdirSync(dirname(join(base, name)), { recursive: true });
  writeFileSync(join(base, name), contents);
}

/** What reading gives, or the UserError that it ends in. */
async function outcomeOf({ file, read }: Kind, folder: string, damaged: Uint8Array | string): Promise<unknown> {
  place(join(folder, file), damaged);
  try {
    return await read(join(base, folder));
  } catch (error) {
    if (error instanceof UserError && !/\n/.test(error.message)) return error;
    throw new Error(`${file}: ${String(error)} for ${String(damaged).slice(0, 200)}`, { cause: error });
  }
}

describe.each(kinds.map((kind, k) => ({ kind, folder: String(k), name: kind.file })))('$name', ({ kind, folder }) => {
  beforeAll(() => {
    for (const [name, contents] of Object.entries(kind.beside ?? {})) place(join(folder, name), contents);
  });

  it('is read as it is', async () => {
    expect(await outcomeOf(kind, folder, kind.bytes)).not.toBeInstanceOf(Error);
  });

  it('cut anywhere', async () => {
    for (const cut of cuts(kind.bytes, 400)) await outcomeOf(kind, folder, cut);
  });

  it('with bits turned', async () => {
    for (const flipped of flips(kind.bytes, 300, 1)) await outcomeOf(kind, folder, flipped);
  });

  it.skipIf(!kind.file.endsWith('.json') || kind.bytes.length > 1e5)('well formed, and lying', async () => {
    let refused = 0;
    for (const lie of lies(JSON.parse(new TextDecoder().decode(kind.bytes)), 300, 2))
      if ((await outcomeOf(kind, folder, lie)) instanceof UserError) refused++;
    if (!/tune|summary/.test(kind.file)) expect(refused).toBeGreaterThan(60);
  });
});

describe('a checkpoint', () => {
  it.each(kinds.filter(({ file }) => /checkpoint|stack/.test(file)))(
    'that is not what was written: $file',
    async (kind) => {
      const intact = JSON.stringify(await outcomeOf(kind, 'intact', kind.bytes));
      let refused = 0;
      for (const damaged of [...cuts(kind.bytes, 200), ...flips(kind.bytes, 400, 3)]) {
        const found = await outcomeOf(kind, 'intact', damaged);
        if (found instanceof UserError) refused++;
        else expect(JSON.stringify(found)).toBe(intact);
      }
      expect(refused).toBeGreaterThan(500);
    },
  );

  it('of an earlier version, without a checksum, is read', () => {
    const tensors = new Map(
      Object.entries(values).map(([name, data]) => [name, tensor(data, shapes[name as 'theta'])]),
    );
    const { metadata } = parseSafetensors(encodeCheckpoint(snapshot, shapes, settings), 'x');
    const { crc32c: __, ...rest } = metadata;
    place('old/checkpoint.safetensors', encodeSafetensors({ tensors, metadata: rest }));
    expect(readCheckpoint(join(base, 'old'), settings, shapes)).toEqual(snapshot);
  });

  it('has the checksum of RFC 3720', () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
  });
});

it('the systems that these files name are there', () => {
  for (const { system } of plan.runs) expect(systemNamed(system).name).toBe(system);
});
