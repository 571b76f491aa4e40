/**
 * Processes that are killed again and again, at random moments of every phase, until they are done: the end is that of an
 * undisturbed one, bit for bit, and nothing else is left. Needs an adapter.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { command, tapir } from '../../support/command.ts';
import { contents } from '../../support/contents.ts';

const KILLS = 20;
/** Of an idle machine half a minute is needed for each. */
const LONG_MS = 480_000;
let base = '';
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'tapir-'));
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

/** Random numbers from 0 to 1, the same in every run. */
let state = 20261124;
function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}

/** Runs a command; kills it some milliseconds after `when` has come. True where it ended by itself before. */
function killedAt(args: readonly string[], when: () => boolean, after: number): Promise<boolean> {
  const child = spawn(process.execPath, [command, ...args], { cwd: base, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (text: Buffer) => {
    said = `${said}${text}`.slice(-2000);
  });
  let timer: NodeJS.Timeout | undefined;
  const watch = setInterval(() => {
    if (timer === undefined && when()) timer = setTimeout(() => child.kill('SIGKILL'), after);
  }, 2);
  return new Promise((done, fail) => {
    child.on('error', fail).on('exit', (status, signal) => {
      clearInterval(watch);
      clearTimeout(timer);
      if (signal === null && status !== 0) fail(new Error(`it ended with ${status}: ${args.join(' ')}\n${said}`));
      else done(signal === null);
    });
  });
}

/**
 * Kills lives of `args` in folders of their own, each until it is done, `KILLS` times in all. A life is killed either at
 * any time, or just after a file appeared: so no phase is missed, however short.
 */
async function crashes(name: string, args: (out: string) => string[], phases: readonly ((out: string) => boolean)[]) {
  const started = performance.now();
  const whole = await tapir(args(`${name}-whole`), { cwd: base });
  const took = performance.now() - started;
  expect([whole.status, whole.stderr.includes('internal')]).toEqual([0, false]);
  let kills = 0;
  for (let folder = 0; kills < KILLS; folder++) {
    const out = `${name}-${folder}`;
    for (let done = false; !done; ) {
      // At last it is left alone.
      const alone = kills >= KILLS;
      const phase = phases[kills % phases.length]!;
      const timed = kills % 2 === 0;
      const when = () => !alone && (timed || phase(join(base, out)));
      done = await killedAt(args(out), when, timed ? random() * took : random() * 30);
      if (!done) kills++;
    }
    expect(contents(join(base, out))).toEqual(contents(join(base, `${name}-whole`)));
  }
  return kills;
}

const has = (file: string) => (out: string) => existsSync(join(out, file));
const lines = (count: number) => (out: string) =>
  has('metrics.jsonl')(out) && readFileSync(join(out, 'metrics.jsonl'), 'utf8').split('\n').length > count;

const small = ['--width', '8', '--depth', '1', '--checkpoint', '0'];

it('train, killed over and over', { timeout: LONG_MS }, async () => {
  const train = ['train', 'thermoelasticity'];
  const args = (out: string) =>
    existsSync(join(base, out, 'config.json'))
      ? [...train, '--checkpoint', '0', '--resume', out]
      : [...train, ...small, '--epochs', '400', '--out', out];
  const phases = [
    has('.lock'),
    has('checkpoint.safetensors'),
    has('config.json'),
    lines(2),
    lines(8),
    has('weights.safetensors'),
    has('picture.svg'),
  ];
  expect(await crashes('train', args, phases)).toBe(KILLS);
});

it('sweep, killed over and over', { timeout: LONG_MS }, async () => {
  const options = [
    'sweep',
    'quick',
    ...small,
    '--epochs',
    '200',
    '--seeds',
    '1',
    '--stack',
    '1',
    '--only',
    'system=thermoelasticity',
  ];
  const args = (out: string) => [...options, '--out', out];
  const runs = (count: number) => (out: string) =>
    has('runs')(out) && readdirSync(join(out, 'runs')).filter((name) => !name.startsWith('.')).length >= count;
  expect(await crashes('sweep', args, [has('sweep.json'), has('groups'), runs(1), runs(2), runs(3), runs(4)])).toBe(
    KILLS,
  );
});
