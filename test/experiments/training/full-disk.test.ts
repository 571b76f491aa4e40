/**
 * A disk that fills up: whichever write fails first, the line says so, and with space again the same command ends as if
 * nothing had happened. Needs an adapter.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type Device, openDevice } from '../../../engine/index.ts';
import { RunFolderError } from '../../../experiments/disk/atomic.ts';
import { sweepPlan } from '../../../experiments/sweep/plan.ts';
import { presetNamed } from '../../../experiments/sweep/presets.ts';
import { sweep } from '../../../experiments/sweep/sweep.ts';
import { CheckpointError } from '../../../experiments/training/checkpoint.ts';
import { resolveSettings } from '../../../experiments/training/settings.ts';
import { train } from '../../../experiments/training/train.ts';
import { library } from '../../../kernels/index.ts';

/** Writes for which there is space. */
const disk = vi.hoisted(() => ({ space: Number.POSITIVE_INFINITY }));
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const limited =
    (write: (file: number | string, data: string | Uint8Array) => void) =>
    (file: number | string, data: string | Uint8Array) => {
      if (disk.space-- > 0) return write(file, data);
      write(file, data.slice(0, data.length / 2));
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    };
  return { ...fs, writeFileSync: limited(fs.writeFileSync), appendFileSync: limited(fs.appendFileSync) };
});

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

/** Every file of a folder, but for when, where and how fast. */
function contents(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  const found = files.filter((file) => statSync(join(folder, file)).isFile());
  return Object.fromEntries(
    found.map((file) => {
      const text = readFileSync(join(folder, file), 'latin1');
      // The drawing library numbers its pictures.
      if (!file.endsWith('summary.json')) return [file, text.replaceAll(/\bzr\d+-/g, '')];
      const { msPerStep: _, finished: __, out: ___, ...rest } = JSON.parse(text) as Record<string, unknown>;
      return [file, JSON.stringify(rest)];
    }),
  );
}

/** Fails at the first write, then at the second, and so on, until there is space for all of them. */
async function fill(action: (name: string) => Promise<unknown>, again: (name: string) => Promise<unknown>) {
  for (let space = 0; ; space++) {
    disk.space = space;
    const failure = await action(`${space}`).then(
      () => undefined,
      (error: unknown) => error,
    );
    disk.space = Number.POSITIVE_INFINITY;
    if (!failure) return space;
    expect(failure).toBeInstanceOf(RunFolderError);
    expect((failure as Error).message).toMatch(/^\S+ cannot be used: the disk is full; free some space or choose/);
    await again(`${space}`);
  }
}

it('under a sweep', async () => {
  const plan = sweepPlan(presetNamed('quick'), { width: 8, depth: 2, epochs: 50, seeds: [42, 123] });
  const stream = new Writable({ write: (_, __, done) => done() });
  const { signal } = new AbortController();
  const only = ['method=Adam+GN', 'system=thermoelasticity', 'coupling=50'];
  const run = (name: string) =>
    sweep({ device, library, plan, out: join(base, name), only, command: '', signal, stream, checkpointEvery: 0 });
  const runs = (name: string) => contents(join(base, name, 'runs'));
  await run('whole');
  expect(Object.keys(runs('whole'))).toHaveLength(10);
  const writes = await fill(run, async (name) => {
    for (const file of readdirSync(join(base, name), { recursive: true, encoding: 'utf8' }))
      expect(file).not.toMatch(/\.tmp$|\.lock$/);
    expect((await run(name)).finished).toBe(2);
    expect(runs(name)).toEqual(runs('whole'));
  });
  expect(writes).toBeGreaterThan(12);
});

it('under a training run', async () => {
  const settings = resolveSettings('thermoelasticity', { width: 8, depth: 2, epochs: 50, optimizer: 'adam' });
  const { signal } = new AbortController();
  const run = (name: string, resume = false) =>
    train({ device, library, settings, out: join(base, `run-${name}`), resume, signal });
  const whole = await run('whole').then(() => contents(join(base, 'run-whole')));
  let resumed = 0;
  const writes = await fill(run, async (name) => {
    const failure = await run(name, true).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (!failure) {
      resumed++;
      expect(contents(join(base, `run-${name}`))).toEqual(whole);
      return;
    }
    // Before its configuration is written there is no run to go on with.
    expect([CheckpointError, RunFolderError].some((kind) => failure instanceof kind)).toBe(true);
    expect((failure as Error).message).toMatch(/no run to resume|was stopped before the first; start again/);
  });
  expect([writes, resumed]).toEqual([9, 6]);
});
