/**
 * Killed at every call to the file system, one after the other: whatever a process leaves at that moment, the next one
 * takes up, and in the end the folder is as if nobody had been killed. A killed process does nothing any more: every later
 * call fails as well, those of `finally` blocks included.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readText } from '../../../experiments/disk/files.ts';
import { openRunFolder, readConfig } from '../../../experiments/disk/run-folder.ts';
import { SweepFolder } from '../../../experiments/sweep/folder.ts';
import { sweepPlan } from '../../../experiments/sweep/plan.ts';
import { presetNamed } from '../../../experiments/sweep/presets.ts';

/** Calls that the process lives to see; which life it is. */
const life = vi.hoisted(() => ({ calls: Number.POSITIVE_INFINITY, number: 0 }));

vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const mortal =
    (name: string, call: (...args: unknown[]) => unknown) =>
    (...args: unknown[]) => {
      // A process that is killed in the middle of writing leaves a part.
      const last = life.calls-- === 0;
      if (last && name === 'appendFileSync') call(args[0], String(args[1]).slice(0, 5));
      if (last && name === 'writeFileSync' && typeof args[0] === 'number') call(args[0], '{');
      if (life.calls < 0) throw new Error('killed');
      // The number of each life is the same: it began at another time.
      if (String(args[0]).startsWith('/proc/') && String(args[0]).endsWith('/stat'))
        return `1 (node) ${'x '.repeat(19)}${life.number}`;
      return call(...args);
    };
  const all = Object.entries(fs).map(([name, value]) => {
    if (typeof value !== 'function' || !name.endsWith('Sync')) return [name, value];
    return [name, mortal(name, value as (...args: unknown[]) => unknown)];
  });
  return { ...fs, ...Object.fromEntries(all) };
});

let base = '';
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'tapir-'));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

/** Everything in a folder, by path; folders end with a slash. */
function contents(folder: string): Record<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const found = entries.map((entry) => {
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(folder.length + 1);
    return entry.isDirectory() ? [`${name}/`, ''] : [name, readFileSync(path, 'utf8')];
  });
  return Object.fromEntries(found.sort(([a], [b]) => (a! < b! ? -1 : 1)));
}

/** What one process does. Its timers end with it. */
function live(calls: number, use: () => void): 'done' | 'killed' {
  life.number++;
  vi.useFakeTimers({ now: new Date('2026-11-03') });
  try {
    life.calls = calls;
    use();
    return 'done';
  } catch (error) {
    if (life.calls >= 0) throw error;
    return 'killed';
  } finally {
    life.calls = Number.POSITIVE_INFINITY;
    vi.useRealTimers();
  }
}

/** Lives that are killed at their first call, their second, and so on; returns how many there were before one ended. */
function killedEverywhere(use: (folder: string) => void): number {
  const whole = join(base, 'whole');
  expect(live(Number.POSITIVE_INFINITY, () => use(whole))).not.toBe('killed');
  for (let calls = 0; ; calls++) {
    const folder = join(base, String(calls));
    const first = live(calls, () => use(folder));
    if (first === 'killed') live(Number.POSITIVE_INFINITY, () => use(folder));
    expect([calls, contents(folder)]).toEqual([calls, contents(whole)]);
    if (first !== 'killed') return calls;
    // Once more, where taking it up is killed as well.
    const twice = join(base, `${calls}-twice`);
    live(calls, () => use(twice));
    live(calls % 29, () => use(twice));
    live(Number.POSITIVE_INFINITY, () => use(twice));
    expect([calls, contents(twice)]).toEqual([calls, contents(whole)]);
  }
}

describe('killed at every call', () => {
  it('a training run that takes notes and checkpoints', () => {
    const calls = killedEverywhere((path) => {
      const resume = readConfig(path) !== undefined;
      const folder = openRunFolder(path, { resume });
      const begun = resume ? Number(readText(join(path, 'checkpoint'))) : 0;
      folder.truncateMetrics(begun);
      if (!resume) folder.writeFile('checkpoint', '0');
      folder.writeConfig({ epochs: 3 });
      for (let epoch = begun + 1; epoch <= 3; epoch++) {
        folder.appendMetrics({ epoch, mean: 1 / epoch });
        folder.writeFile('checkpoint', String(epoch));
      }
      folder.writeFile('weights', new Uint8Array([1, 2, 3]));
      folder.writeSummary({ seed: 42 });
      folder.close();
    });
    expect(calls).toBeGreaterThan(75);
  });

  it('a sweep that writes checkpoints and runs', () => {
    const plan = sweepPlan(presetNamed('quick'));
    const calls = killedEverywhere((path) => {
      const [group] = plan.groups;
      const folder = SweepFolder.open(path, plan, 'tapir sweep quick');
      const pending = group!.runs.filter(({ id }) => !folder.finished(id));
      if (pending.length === 0 && !folder.littered(group!.id)) return;
      const unlock = folder.lockGroup(group!.id, group!.runs);
      if (typeof unlock === 'string') throw new Error(unlock);
      folder.writeCheckpoint(group!.id, 'stack', new Uint8Array([1]));
      for (const { id } of pending) folder.writeRun(id, new Map([['summary.json', id]]));
      folder.dropCheckpoint(group!.id, 'stack');
      unlock();
    });
    expect(calls).toBeGreaterThan(75);
  });
});
