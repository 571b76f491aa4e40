/** Sweeps that really train: stacked equals alone, stopped and killed ones end as if nothing had happened. Needs an adapter. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BufferSizeError, type Device, openDevice } from '../../../engine/index.ts';
import { encodeSafetensors, readSafetensors, tensor } from '../../../experiments/disk/safetensors.ts';
import { unsealed } from '../../../experiments/disk/seal.ts';
import { writeReport } from '../../../experiments/report/write.ts';
import { groupsOf, type SweepPlan, sweepPlan } from '../../../experiments/sweep/plan.ts';
import { presetNamed, type RunPlan } from '../../../experiments/sweep/presets.ts';
import { trainerOptions } from '../../../experiments/sweep/stack.ts';
import { type SweepSession, sweep } from '../../../experiments/sweep/sweep.ts';
import { CheckpointError } from '../../../experiments/training/checkpoint.ts';
import { isFirstOrder } from '../../../experiments/training/hyperparameters.ts';
import { Trainer } from '../../../experiments/training/trainer.ts';
import { library } from '../../../kernels/index.ts';
import { ownLines, tapir } from '../../support/command.ts';
import { bitsOf } from '../../support/gpu.ts';

let base = '';
let device: Device;
beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), 'tapir-'));
  device = await openDevice();
});
afterAll(async () => {
  await device?.close();
  rmSync(base, { recursive: true, force: true });
});

/** Progress that nobody reads. */
const silent = new Writable({ write: (_, __, done) => done() });

const tiny = { width: 8, depth: 2, epochs: 30, seeds: [42, 123, 456], updateEvery: 10 };
const firstOrder = sweepPlan(presetNamed('quick'), tiny).runs.filter(isFirstOrder);
const runsOf = (optimizer: string) =>
  firstOrder.filter(({ id }) => id.startsWith(`thermoelasticity-gamma50-${optimizer}-`));

/** A plan of these runs alone. */
const planFor = (runs: readonly RunPlan[], stack = 3): SweepPlan => ({
  ...{ preset: 'quick', overrides: tiny, stack, runs },
  groups: groupsOf(runs, stack),
});

function run(name: string, plan: SweepPlan, further: Partial<SweepSession> = {}) {
  const { signal } = new AbortController();
  const out = join(base, name);
  return sweep({ device, library, plan, out, command: 'tapir sweep quick', signal, stream: silent, ...further });
}

const checkpointsOf = (name: string, { groups }: SweepPlan): string[] => {
  const folder = join(base, name, 'groups', groups[0]!.id);
  const files = existsSync(folder) ? readdirSync(folder) : [];
  return files.filter((file) => file.endsWith('.safetensors')).map((file) => join(folder, file));
};

/** Stopped as soon as there is a checkpoint. */
async function runToCheckpoint(name: string, plan: SweepPlan, further: Partial<SweepSession> = {}) {
  const stop = new AbortController();
  const watch = setInterval(() => checkpointsOf(name, plan).length > 0 && stop.abort(), 1);
  try {
    return await run(name, plan, { ...further, signal: stop.signal, checkpointEvery: 0 });
  } finally {
    clearInterval(watch);
  }
}

/** Everything that runs left, but for when, how fast and in what company. */
function results(name: string): Record<string, string> {
  const runs = join(base, name, 'runs');
  const found = readdirSync(runs, { recursive: true, encoding: 'utf8' }).filter((file) =>
    statSync(join(runs, file)).isFile(),
  );
  return Object.fromEntries(
    found.sort().map((file) => {
      const bytes = readFileSync(join(runs, file));
      if (!file.endsWith('summary.json')) return [file, bytes.toString('base64')];
      const {
        msPerStep: _,
        finished: __,
        stackedWith: ___,
        kernels: ____,
        ...rest
      } = JSON.parse(bytes.toString()) as Record<string, unknown>;
      return [file, JSON.stringify(rest)];
    }),
  );
}

it.each(['adam', 'soap'])(
  'a loss history of %s is the same in a stack of 3 and alone, bit for bit',
  async (optimizer) => {
    const runs = runsOf(optimizer);
    const histories = [];
    for (const own of [runs, [runs[1]!]]) {
      const trainer = await Trainer.create(trainerOptions(own), { device, library });
      histories.push(await trainer.run(30));
      trainer.destroy();
    }
    const [together, alone] = histories as [Float32Array, Float32Array];
    const K = alone.length / 30;
    const second = together.filter((_, at) => Math.floor(at / K) % 3 === 1);
    expect(bitsOf(second)).toEqual(bitsOf(alone));
    expect(alone.every(Number.isFinite)).toBe(true);
  },
);

describe('a sweep', () => {
  it('leaves a folder for each run, and does nothing when it is asked again', async () => {
    const plan = planFor(runsOf('adam'));
    const first = await run('whole', plan);
    expect([first.before, first.finished, first.stopped]).toEqual([0, 3, false]);
    const { id } = plan.runs[0]!;
    const folder = join(base, 'whole', 'runs', id);
    expect(readdirSync(folder).sort()).toEqual([
      'config.json',
      'fields.safetensors',
      'metrics.jsonl',
      'summary.json',
      'weights.safetensors',
    ]);
    const { seed, ...asked } = plan.runs[0]!;
    expect(JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'))).toMatchObject({
      ...asked,
      seeds: [seed],
      group: plan.groups[0]!.id,
    });
    const epochs = readFileSync(join(folder, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).epoch);
    expect(epochs).toEqual([25, 30]);
    const again = await run('whole', plan);
    expect([again.before, again.finished, again.runs]).toEqual([3, 3, []]);
    const { report } = await writeReport(join(base, 'whole'));
    expect([report.done, report.planned]).toEqual([3, 3]);
  });

  it('of one seed gives what it gives among others', async () => {
    const [, one] = runsOf('adam');
    await run('one', planFor(runsOf('adam')), { only: ['seed=123'] });
    const own = Object.entries(results('one')).filter(([file]) => !file.endsWith('summary.json'));
    const among = results('whole');
    expect(own).toHaveLength(4);
    for (const [file, text] of own) expect([file, file.startsWith(one!.id), text]).toEqual([file, true, among[file]]);
  });

  it('goes on without a run that diverges, and says where that was', async () => {
    const [a, b, c] = runsOf('adam') as [RunPlan, RunPlan, RunPlan];
    const lost = { ...b, parameters: { ...b.parameters, gamma: 1e30 } };
    const { runs } = await run('lost', planFor([a, lost, c]));
    expect(runs.map(({ diverged }) => diverged)).toEqual([
      undefined,
      { epoch: 1, term: 'Ru', value: 'Infinity' },
      undefined,
    ]);
    expect(runs[1]!.final.error).toBeNull();
    const [now, before] = [results('lost'), results('whole')];
    for (const file of Object.keys(before).filter((each) => !each.startsWith(b.id)))
      expect(now[file]).toBe(before[file]);
    expect(readdirSync(join(base, 'lost', 'runs', b.id)).sort()).toEqual([
      'config.json',
      'metrics.jsonl',
      'summary.json',
    ]);
  });

  const long = planFor(runsOf('soap').map((each) => ({ ...each, epochs: 75 })));

  it('that is stopped goes on bit for bit, SOAP and its bases included', async () => {
    await run('undisturbed', long);
    const first = await runToCheckpoint('stopped', long);
    expect([first.stopped, first.finished]).toEqual([true, 0]);
    const second = await run('stopped', long);
    expect([second.stopped, second.before, second.finished]).toEqual([false, 0, 3]);
    expect(results('stopped')).toEqual(results('undisturbed'));
    expect(readdirSync(join(base, 'stopped', 'groups', long.groups[0]!.id))).toEqual([]);
  });

  it('does not go on from a checkpoint that is damaged or of other runs, and leaves it as it is', async () => {
    await runToCheckpoint('damaged', long);
    const [path] = checkpointsOf('damaged', long) as [string];
    const whole = readFileSync(path);
    const { tensors, metadata } = unsealed(readSafetensors(path), path, ['epoch', 'runs', 'plan', 'records', 'pace']);
    const wide = new Map(
      [...tensors].map(([name, { data }]) => [name, tensor(Float32Array.of(...(data as Float32Array), 0))]),
    );
    for (const [bytes, says] of [
      [whole.subarray(0, whole.length - 7), /truncated/],
      [Buffer.from('nothing'), /cannot be continued/],
      [encodeSafetensors({ tensors, metadata: { ...metadata, plan: 'another' } }), /it is of other runs/],
      [encodeSafetensors({ tensors, metadata: { ...metadata, records: '[]' } }), /its header is damaged/],
      [encodeSafetensors({ tensors: wide, metadata }), /of shape \[\d+\], \[[\d,]+\] is needed/],
    ] as const) {
      writeFileSync(path, bytes);
      const outcome = run('damaged', long);
      await expect(outcome).rejects.toBeInstanceOf(CheckpointError);
      await expect(outcome).rejects.toThrow(says);
      await expect(outcome).rejects.toThrow(/^\S+\.safetensors .*; remove it to train its runs from the start$/);
      expect([readFileSync(path).equals(bytes), readdirSync(join(base, 'damaged', 'runs'))]).toEqual([true, []]);
    }
    writeFileSync(path, whole);
    await run('damaged', long);
    expect(results('damaged')).toEqual(results('undisturbed'));
  });

  describe("that is too large for the adapter's buffers", () => {
    const alive = new Set<GPUBuffer>();
    let small: Device;
    beforeAll(async () => {
      small = await openDevice();
      const trainer = await Trainer.create(trainerOptions(runsOf('soap').slice(0, 2)), { device, library });
      const slots = Object.values(trainer.programs).flatMap((program) => program?.plan.slots ?? []);
      trainer.destroy();
      const limit = 4 * Math.max(...slots.map(({ elements }) => elements));
      const limits = { ...small.info.limits, maxBufferSize: limit, maxStorageBufferBindingSize: limit };
      const createBuffer = small.gpu.createBuffer.bind(small.gpu);
      const counted = (descriptor: GPUBufferDescriptor) => {
        const buffer = createBuffer(descriptor);
        alive.add(buffer);
        const destroy = buffer.destroy.bind(buffer);
        const forget = () => {
          alive.delete(buffer);
          destroy();
        };
        return Object.defineProperty(buffer, 'destroy', { value: forget });
      };
      Object.defineProperties(small.gpu, {
        limits: { value: limits, configurable: true },
        createBuffer: { value: counted },
      });
    });
    afterAll(() => small?.close());

    it('leaves no buffer of the attempt', async () => {
      const attempt = Trainer.create(trainerOptions(runsOf('soap')), { device: small, library });
      await expect(attempt).rejects.toBeInstanceOf(BufferSizeError);
      expect(alive.size).toBe(0);
    });

    it('is trained in halves, to the same results', async () => {
      const said: string[] = [];
      const stream = new Writable({ write: (text, _, done) => done(void said.push(String(text))) });
      const { finished, runs } = await run('halves', long, { device: small, stream });
      expect(said.join('')).toContain("3 runs do not fit this adapter's buffers, trying 2");
      expect([finished, runs.map(({ stackedWith }) => stackedWith)]).toEqual([3, [1, 1, 0]]);
      expect(results('halves')).toEqual(results('undisturbed'));
      expect(alive.size).toBe(0);
    });

    it('goes on in halves when it was stopped', async () => {
      const first = await runToCheckpoint('halves-stopped', long, { device: small });
      expect([first.stopped, first.finished]).toEqual([true, 0]);
      const second = await run('halves-stopped', long, { device: small });
      expect([second.before, second.finished]).toEqual([0, 3]);
      expect(results('halves-stopped')).toEqual(results('undisturbed'));
    });

    it('keeps the checkpoint of a larger adapter, and says what to do', async () => {
      await runToCheckpoint('from-larger', long);
      const [path] = checkpointsOf('from-larger', long) as [string];
      const outcome = run('from-larger', long, { device: small });
      await expect(outcome).rejects.toThrow(
        /its 3 runs together do not fit this adapter's buffers; remove it to train/,
      );
      expect(existsSync(path)).toBe(true);
    });

    it('is refused where not even one run fits', async () => {
      Object.defineProperty(small.gpu, 'limits', {
        value: { ...small.info.limits, maxBufferSize: 64 },
        configurable: true,
      });
      await expect(run('none', long, { device: small })).rejects.toBeInstanceOf(BufferSizeError);
      expect(readdirSync(join(base, 'none', 'runs'))).toEqual([]);
    });
  });
});

describe('tapir sweep', () => {
  const options = [
    '--width',
    '8',
    '--depth',
    '2',
    '--epochs',
    '100',
    '--seeds',
    '42,123',
    '--stack',
    '2',
    '--only',
    'method=Adam+GN',
  ];
  const only = ['--only', 'system=thermoelasticity'];
  const args = (out: string) => ['sweep', 'quick', '--out', out, '--checkpoint', '0', ...options, ...only];

  it('killed in the middle ends like one that was not, with no run lost or done twice', async () => {
    const killed = await tapir(args('killed'), {
      cwd: base,
      watch: (stderr, child) => void (/2\/4 runs.*epoch 50\/100/.test(stderr) && child.kill('SIGKILL')),
    });
    expect(killed.signal).toBe('SIGKILL');
    const there = readdirSync(join(base, 'killed', 'runs')).filter((name) => !name.startsWith('.'));
    expect(there).toHaveLength(2);
    const times = there.map((name) => statSync(join(base, 'killed', 'runs', name, 'summary.json')).mtimeMs);
    const again = await tapir([...args('killed'), '--json'], { cwd: base });
    expect([again.status, ownLines(again).some((line) => line.includes('goes on from epoch'))]).toEqual([0, true]);
    const outcome = JSON.parse(again.stdout) as {
      before: number;
      finished: number;
      selected: number;
      runs: { id: string }[];
    };
    expect(outcome).toMatchObject({ before: 2, finished: 4, selected: 4 });
    expect(outcome.runs.map(({ id }) => there.includes(id))).toEqual([false, false]);
    expect(there.map((name) => statSync(join(base, 'killed', 'runs', name, 'summary.json')).mtimeMs)).toEqual(times);
    const plan = sweepPlan(presetNamed('quick'), { width: 8, depth: 2, epochs: 100, seeds: [42, 123] }, 2);
    await run('whole-cli', plan, { only: ['method=Adam+GN', 'system=thermoelasticity'] });
    expect(results('killed')).toEqual(results('whole-cli'));
  });

  it('refuses a folder of another sweep, or of none, with 2 and one line', async () => {
    for (const [wrong, said] of [
      [['sweep', 'ends', '--out', 'killed'], 'holds another sweep: preset was "quick", now "ends"'],
      [['report', 'nowhere'], 'nowhere holds no sweep'],
    ] as const) {
      const outcome = await tapir(wrong, { cwd: base });
      expect([outcome.status, ownLines(outcome)]).toEqual([2, [expect.stringContaining(said)]]);
    }
  });
});
