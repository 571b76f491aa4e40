/** A device that is lost in the middle of a step: named, with the last state on disk, from which it goes on. Needs an adapter. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Device, DeviceLostError, openDevice } from '../../../engine/index.ts';
import { sweepPlan } from '../../../experiments/sweep/plan.ts';
import { presetNamed } from '../../../experiments/sweep/presets.ts';
import { type SweepSession, sweep } from '../../../experiments/sweep/sweep.ts';
import { resolveSettings } from '../../../experiments/training/settings.ts';
import { train } from '../../../experiments/training/train.ts';
import { library } from '../../../kernels/index.ts';
import { contents } from '../../support/contents.ts';

let base = '';
const opened: Device[] = [];
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'tapir-'));
});
afterAll(async () => {
  for (const device of opened) await device.close();
  rmSync(base, { recursive: true, force: true });
});

/** A device, and how to lose it: destroyed from outside, or as when a driver is reset. */
async function losable(how: 'destroyed' | 'driver'): Promise<{ device: Device; lose: () => void }> {
  const device = await openDevice();
  if (how === 'destroyed') {
    opened.push(device);
    return { device, lose: () => device.gpu.destroy() };
  }
  let lose = () => {};
  const lost = new Promise<GPUDeviceLostInfo>((resolve) => {
    // What the driver was asked for before never comes back.
    lose = () => {
      Object.defineProperty(device.gpu.queue, 'onSubmittedWorkDone', { value: () => new Promise(() => {}) });
      resolve({ reason: 'unknown', message: 'reset by the driver' } as GPUDeviceLostInfo);
    };
  });
  Object.defineProperty(device.gpu, 'lost', { value: lost });
  const reset = new Device(device.gpu, device.info);
  opened.push(reset);
  return { device: reset, lose };
}

/** Waits in the loop of a training for `there`, then acts once. */
function once(there: () => boolean, action: () => void): () => void {
  const watch = setInterval(() => {
    if (!there()) return;
    clearInterval(watch);
    action();
  }, 1);
  return () => clearInterval(watch);
}

const failure = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

describe.each(['destroyed', 'driver'] as const)('a device that is lost (%s)', (how) => {
  it('ends train with its name and what to do, and --resume ends as if nothing had happened', async () => {
    const settings = resolveSettings('thermoelasticity', { width: 8, depth: 1, epochs: 400 });
    const { signal } = new AbortController();
    const [whole, out] = [join(base, `whole-${how}`), join(base, `train-${how}`)];
    const common = { library, settings, signal, checkpointEvery: 0 };
    const { device: fine } = await losable('destroyed');
    await train({ ...common, device: fine, out: whole, resume: false });
    const { device, lose } = await losable(how);
    const metrics = join(out, 'metrics.jsonl');
    const stop = once(() => existsSync(metrics) && readFileSync(metrics, 'utf8').split('\n').length > 2, lose);
    const error = await failure(train({ ...common, device, out, resume: false })).finally(stop);
    expect(error).toBeInstanceOf(DeviceLostError);
    expect(error).toMatchObject({ exitCode: 75, remedy: `what was reached is kept: go on with --resume ${out}` });
    expect((error as Error).message).toMatch(
      how === 'driver' ? /\(unknown\): reset by the driver$/ : /\(destroyed\): /,
    );
    expect(existsSync(join(out, 'summary.json'))).toBe(false);
    await train({ ...common, device: fine, out, resume: true });
    expect(contents(out)).toEqual(contents(whole));
  });
});

describe('a sweep', () => {
  const plan = sweepPlan(presetNamed('quick'), { width: 8, depth: 1, epochs: 300, seeds: [1] }, 1);
  const only = ['system=thermoelasticity', 'method=Adam+GN'];
  const session = async (
    name: string,
    device: Device,
    reopen?: () => Promise<Device>,
  ): Promise<SweepSession & { said: () => string }> => {
    let said = '';
    const stream = new Writable({
      write(text, _, done) {
        said += String(text);
        done();
      },
    });
    const { signal } = new AbortController();
    const out = join(base, name);
    const own = { device, library, plan, only, out, signal, stream, command: 'tapir sweep quick', checkpointEvery: 0 };
    return { ...own, ...(reopen ? { reopen } : {}), said: () => said };
  };
  /** A device that is lost at its eightieth submission. */
  const doomed = async (): Promise<Device> => {
    const { device, lose } = await losable('destroyed');
    const submit = device.gpu.queue.submit.bind(device.gpu.queue);
    let submissions = 0;
    Object.defineProperty(device.gpu.queue, 'submit', {
      value: (commands: Iterable<GPUCommandBuffer>) => {
        submit(commands);
        submissions++;
        if (submissions === 80) lose();
      },
    });
    return device;
  };

  it('opens another device and goes on by itself, to the same results', async () => {
    const { device } = await losable('destroyed');
    const whole = await sweep(await session('sweep-whole', device));
    expect(whole.finished).toBe(2);
    const reopened: Device[] = [];
    const disturbed = await session('sweep-lost', await doomed(), async () => {
      reopened.push(reopened.length < 2 ? await doomed() : (await losable('destroyed')).device);
      return reopened.at(-1)!;
    });
    const outcome = await sweep(disturbed);
    expect([outcome.finished, outcome.stopped, reopened.length > 0]).toEqual([2, false, true]);
    expect(disturbed.said()).toMatch(/the GPU device was lost \(destroyed\): .*; opened .* again \(1 of 3\)/);
    expect(contents(join(base, 'sweep-lost', 'runs'))).toEqual(contents(join(base, 'sweep-whole', 'runs')));
  });

  it('gives up after three, and the same command goes on', async () => {
    let opened = 0;
    const gone = async () => {
      const { device, lose } = await losable('destroyed');
      lose();
      return device;
    };
    const disturbed = await session('sweep-given-up', await gone(), () => {
      opened++;
      return gone();
    });
    const error = await failure(sweep(disturbed));
    expect(error).toBeInstanceOf(DeviceLostError);
    expect([opened, (error as DeviceLostError).remedy]).toEqual([
      3,
      'what was reached is kept: the same command goes on',
    ]);
    const { device } = await losable('destroyed');
    await sweep(await session('sweep-given-up', device));
    expect(contents(join(base, 'sweep-given-up', 'runs'))).toEqual(contents(join(base, 'sweep-whole', 'runs')));
  });
});
