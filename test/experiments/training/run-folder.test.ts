import { spawnSync } from 'node:child_process';
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RunFolderError } from '../../../experiments/disk/atomic.ts';
import { defaultRunFolder, openRunFolder } from '../../../experiments/disk/run-folder.ts';

let base = '';
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'tapir-'));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

const linux = process.platform === 'linux';

function messageOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(RunFolderError);
    expect((error as Error).message).not.toContain('\n');
    return (error as Error).message;
  }
  throw new Error('nothing was refused');
}

/** A folder with a run that ended, or was killed if `metrics` says so. */
function runAt(name: string, metrics = '{"epoch":25}\n{"epoch":50}\n'): string {
  const path = join(base, name);
  mkdirSync(path);
  writeFileSync(join(path, 'config.json'), '{}');
  writeFileSync(join(path, 'metrics.jsonl'), metrics);
  return path;
}

function deadPid(): number {
  return spawnSync(process.execPath, ['-e', '']).pid;
}

describe('openRunFolder', () => {
  it('holds what a run writes and nothing else', () => {
    const path = join(base, 'a', 'b');
    const folder = openRunFolder(path, { resume: false });
    folder.writeConfig({ epochs: 3 });
    folder.appendMetrics({ epoch: 1, mean: Number.NaN });
    folder.appendMetrics({ epoch: 2, mean: 0.5 });
    folder.writeFile('weights', new Uint8Array([1, 2]));
    folder.writeSummary({ seed: 42 });
    expect(folder.readMetrics()).toEqual([
      { epoch: 1, mean: null },
      { epoch: 2, mean: 0.5 },
    ]);
    folder.close();
    expect(readdirSync(path).sort()).toEqual(['config.json', 'metrics.jsonl', 'summary.json', 'weights']);
    expect(JSON.parse(readFileSync(join(path, 'config.json'), 'utf8'))).toEqual({ epochs: 3 });
    expect([...readFileSync(join(path, 'weights'))]).toEqual([1, 2]);
  });

  it('leaves nothing where nothing was written', () => {
    openRunFolder(join(base, 'a', 'b'), { resume: false }).close();
    expect(readdirSync(base)).toEqual([]);
  });

  it('refuses what is not to be used, and says what to do', () => {
    const file = join(base, 'file');
    writeFileSync(file, '');
    expect(messageOf(() => openRunFolder(file, { resume: false }))).toMatch(/file is a file; .*--out/);
    expect(messageOf(() => openRunFolder(join(file, 'below'), { resume: false }))).toMatch(/is a file; .*--out/);
    expect(messageOf(() => openRunFolder(runAt('old'), { resume: false }))).toMatch(
      /already holds a run; .*--resume .*--out/,
    );
    expect(messageOf(() => openRunFolder(join(base, 'none'), { resume: true }))).toMatch(/no run to resume; .*--out/);
    expect(readdirSync(base).sort()).toEqual(['file', 'old']);
    expect(existsSync(join(base, 'old', '.lock'))).toBe(false);
  });

  it('removes what it made of a path it cannot make', () => {
    const path = join(base, 'made', 'n'.repeat(300));
    expect(messageOf(() => openRunFolder(path, { resume: false }))).toMatch(/name is too long/);
    expect(readdirSync(base)).toEqual([]);
  });

  it.runIf(linux)('refuses a folder that is not writable', () => {
    expect(messageOf(() => openRunFolder('/sys/tapir-run', { resume: false }))).toMatch(
      /(not writable|read-only).*--out/,
    );
  });
});

describe('the lock', () => {
  it('keeps out a second run, of this process or another', () => {
    const path = runAt('run');
    const folder = openRunFolder(path, { resume: true });
    expect(messageOf(() => openRunFolder(path, { resume: true }))).toMatch(
      new RegExp(`in use by process ${process.pid} on ${hostname()} since \\S+Z; wait for it`),
    );
    folder.close();
    writeFileSync(join(path, '.lock'), `${process.ppid} ${hostname()}\n`);
    expect(messageOf(() => openRunFolder(path, { resume: true }))).toMatch(
      `in use by process ${process.ppid} on ${hostname()};`,
    );
    writeFileSync(join(path, '.lock'), `${deadPid()} another-machine\n`);
    expect(messageOf(() => openRunFolder(path, { resume: true }))).toMatch(/on another-machine; .*remove .*\.lock/);
    expect(existsSync(join(path, '.lock'))).toBe(true);
  });

  it.each([
    ['a dead process', deadPid],
    ['an earlier process of the same number', () => process.pid],
  ])('of %s is taken over', (_, pid) => {
    const path = runAt('run');
    writeFileSync(join(path, '.lock'), `${pid()} ${hostname()}\n`);
    const folder = openRunFolder(path, { resume: true });
    expect(readFileSync(join(path, '.lock'), 'utf8')).toMatch(`${process.pid} ${hostname()} `);
    folder.close();
    expect(readdirSync(path).sort()).toEqual(['config.json', 'metrics.jsonl']);
  });
});

describe('metrics', () => {
  it.each([
    ['drops a torn last line', '{"epoch":25}\n{"epo', [25]],
    ['drops a torn only line', '{"ep', []],
    ['keeps a last line that only lacks its end', '{"epoch":25}\n{"epoch":50}', [25, 50]],
  ])('%s on resume', (_, text, epochs) => {
    const folder = openRunFolder(runAt('run', text), { resume: true });
    folder.appendMetrics({ epoch: 75 });
    expect(folder.readMetrics().map(({ epoch }) => epoch)).toEqual([...epochs, 75]);
    folder.close();
  });

  it('drops the epochs that a continued run repeats', () => {
    const path = runAt('run', '{"epoch":25}\n{"epoch":50,"seed":1}\n{"epoch":50,"seed":2}\n{"epoch":75}\n');
    const folder = openRunFolder(path, { resume: true });
    folder.truncateMetrics(50);
    folder.appendMetrics({ epoch: 75 });
    folder.close();
    const expected = '{"epoch":25}\n{"epoch":50,"seed":1}\n{"epoch":50,"seed":2}\n{"epoch":75}\n';
    expect(readFileSync(join(path, 'metrics.jsonl'), 'utf8')).toBe(expected);
  });

  it('names a damaged line', () => {
    const folder = openRunFolder(runAt('run', '{"epoch":25}\nxx\n{"epoch":50}\n'), { resume: true });
    expect(messageOf(() => folder.readMetrics())).toMatch(/metrics\.jsonl: line 2 /);
    folder.close();
  });
});

it('replaces a file rather than writing into it', () => {
  const path = runAt('run');
  const folder = openRunFolder(path, { resume: true });
  folder.writeFile('weights', 'old');
  linkSync(join(path, 'weights'), join(base, 'old'));
  folder.writeFile('weights', 'new');
  folder.close();
  expect([join(path, 'weights'), join(base, 'old')].map((file) => readFileSync(file, 'utf8'))).toEqual(['new', 'old']);
});

describe('a write that fails', () => {
  it('keeps the old file and leaves no temporary one', () => {
    const path = runAt('run');
    const folder = openRunFolder(path, { resume: true });
    mkdirSync(join(path, 'taken', 'inside'), { recursive: true });
    expect(messageOf(() => folder.writeFile('taken', 'new'))).toMatch(/--out/);
    folder.close();
    expect(readdirSync(path).sort()).toEqual(['config.json', 'metrics.jsonl', 'taken']);
  });

  it.runIf(linux)('says that the disk is full', () => {
    const path = join(base, 'run');
    const folder = openRunFolder(path, { resume: false });
    symlinkSync('/dev/full', join(path, 'metrics.jsonl'));
    expect(messageOf(() => folder.appendMetrics({ epoch: 1 }))).toMatch(/disk is full; free some space/);
    folder.close();
  });
});

describe('defaultRunFolder', () => {
  it('names the system and the time, and counts on', () => {
    const now = new Date(2026, 10, 3, 5, 1, 2);
    const name = (suffix: string) => join(base, `thermoelasticity-2026-11-03-050102${suffix}`);
    for (const suffix of ['', '-2', '-3']) {
      expect(defaultRunFolder('thermoelasticity', now, base)).toBe(name(suffix));
      mkdirSync(name(suffix));
    }
  });
});
