/** Who has a folder: told to those who come second, and found out where the holder is gone. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { RunFolderError } from '../../../experiments/disk/atomic.ts';
import { lock, SILENCE_MS } from '../../../experiments/disk/lock.ts';
import { space, startOf } from '../../../experiments/disk/owner.ts';

let folder = '';
let path = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tapir-'));
  path = join(folder, '.lock');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(RunFolderError);
    expect((error as Error).message).not.toContain('\n');
    return (error as Error).message;
  }
  throw new Error('nothing was refused');
}

const deadPid = (): number => spawnSync(process.execPath, ['-e', '']).pid;
const SINCE = '2026-11-03T05:01:02.000Z';
/** The lock of a process. */
const of = (pid: number, start = '-', where = space, host = hostname()) =>
  `${pid} ${host} ${SINCE} ${where} ${start} 0123456789ab\n`;
const elsewhere = () => of(4711, '99', 'ffffffff', 'node7');
/** As if the file had been written so long ago, or in times to come. */
const written = (secondsAgo: number) => {
  const time = new Date(Date.now() - 1000 * secondsAgo);
  utimesSync(path, time, time);
};

describe('the second process', () => {
  it('is told who has the folder, on which machine, since when', () => {
    const held = lock(folder);
    expect(refusal(() => lock(folder))).toMatch(
      new RegExp(`in use by process ${process.pid} on ${hostname()} since 20\\d\\d-\\S+Z; wait for it, .*remove`),
    );
    held.release();
    expect(readdirSync(folder)).toEqual([]);
    writeFileSync(path, elsewhere());
    expect(refusal(() => lock(folder))).toContain(`in use by process 4711 on node7 since ${SINCE};`);
    expect(readdirSync(folder)).toEqual(['.lock']);
  });

  it('waits for a process of this machine, however long that was silent', () => {
    writeFileSync(path, of(process.ppid, startOf(process.ppid)));
    written(1e6);
    expect(refusal(() => lock(folder))).toContain(`process ${process.ppid} `);
  });

  it('waits for one of another machine that wrote a while ago, or by a clock that was set back since', () => {
    writeFileSync(path, elsewhere());
    for (const ago of [0, SILENCE_MS / 1000 - 20, -3600]) {
      written(ago);
      expect(refusal(() => lock(folder))).toContain('process 4711 on node7');
    }
  });
});

describe('a stale lock is taken over', () => {
  it.each([
    ['of a dead process', () => of(deadPid())],
    ['of a process whose number another one has now', () => of(process.ppid, '1')],
    ['of an earlier process of the same number', () => of(process.pid, '1')],
  ])('%s', (_, contents) => {
    writeFileSync(path, contents());
    const held = lock(folder);
    held.check();
    expect(readFileSync(path, 'utf8')).toMatch(`${process.pid} ${hostname()} `);
    held.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each([
    ['of another machine that fell silent', elsewhere],
    ['of another container of this one', () => of(process.ppid, startOf(process.ppid), 'ffffffff')],
    ['that says nothing', () => ''],
  ])('%s', (_, contents) => {
    writeFileSync(path, contents());
    written(SILENCE_MS / 1000 + 5);
    lock(folder).release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('with what else its holder left, and nothing of the user', () => {
    const dead = deadPid();
    for (const name of ['.lock', '.lock.0123456789ab.claim', `.lock.${dead}-${space}.tmp`, 'summary.json.17.tmp'])
      writeFileSync(join(folder, name), of(dead));
    writeFileSync(join(folder, 'notes.tmp'), 'of the user');
    lock(folder).release();
    expect(readdirSync(folder)).toEqual(['notes.tmp']);
  });
});

describe('the holder', () => {
  it('gives a sign of life every few seconds', () => {
    vi.useFakeTimers();
    try {
      const held = lock(folder);
      written(1000);
      const before = statSync(path).mtimeMs;
      vi.advanceTimersByTime(10_000);
      expect(statSync(path).mtimeMs).toBeGreaterThan(before + 900_000);
      held.check();
      held.release();
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it('finds out that it was taken for dead, and leaves the lock to the other', () => {
    const held = lock(folder);
    rmSync(path);
    expect(refusal(held.check)).toMatch(/\.lock was removed under way/);
    writeFileSync(path, elsewhere());
    expect(refusal(held.check)).toMatch(/was taken over by process 4711 on node7 since .*; wait for it or choose/);
    held.release();
    expect(readFileSync(path, 'utf8')).toBe(elsewhere());
  });

  it('finds out that the folder is gone', () => {
    const held = lock(folder);
    rmSync(folder, { recursive: true });
    expect(refusal(held.check)).toMatch(/was removed under way; choose another --out/);
    held.release();
    expect(existsSync(folder)).toBe(false);
  });
});

describe('of processes at once', () => {
  let scratch = '';
  let script = '';
  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'tapir-'));
    script = join(scratch, 'try.mjs');
    const source = resolve(import.meta.dirname, '../../../experiments/disk/lock.ts');
    // Waits for a line, tries, says what came of it, and holds what it got until the end of its input.
    const contents = `import { lock } from ${JSON.stringify(source)};
      process.stdin.once('data', () => {
        try { lock(process.argv[2]); console.log('got it'); } catch (error) { console.log(error.message); }
      });
      console.log('ready');`;
    await build({
      stdin: { contents, resolveDir: scratch },
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile: script,
    });
  });
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  const line = (child: ChildProcess) =>
    new Promise<string>((done) => child.stdout!.once('data', (text) => done(String(text).trim())));

  it.each([
    ['a folder without a lock', () => undefined],
    ['a stale lock', () => of(deadPid())],
  ])('on %s one gets it, and the others are told which', async (_, contents) => {
    const children = Array.from({ length: 6 }, () =>
      spawn(process.execPath, [script, folder], { stdio: ['pipe', 'pipe', 'inherit'] }),
    );
    await Promise.all(children.map(line));
    const stale = contents();
    if (stale !== undefined) writeFileSync(path, stale);
    const said = Promise.all(children.map(line));
    for (const child of children) child.stdin!.write('go\n');
    const all = await said;
    const winner = children[all.indexOf('got it')]!;
    expect(all.filter((text) => text === 'got it')).toHaveLength(1);
    expect(all.filter((text) => text.includes(`in use by process ${winner.pid} on `))).toHaveLength(5);
    const ended = Promise.all(children.map((child) => new Promise((done) => child.once('exit', done))));
    for (const child of children) child.stdin!.end();
    await ended;
    expect(readdirSync(folder)).toEqual([]);
  });
});
