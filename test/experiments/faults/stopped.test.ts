/** What ends a command before its time, from outside or below: it stops in good order, and goes on bit for bit. Needs an adapter. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Outcome, ownLines, tapir } from '../../support/command.ts';
import { contents } from '../../support/contents.ts';

let base = '';
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'tapir-'));
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

/** Loads a file of test/support into a process first. */
const hooked = (file: string) => ({
  NODE_OPTIONS: `--import=${pathToFileURL(resolve(import.meta.dirname, '../../support', file)).href}`,
});

const small = ['--width', '8', '--depth', '1', '--epochs', '2500'];
const only = ['--seeds', '1', '--only', 'system=thermoelasticity', '--only', 'method=Adam+GN', '--only', 'coupling=1'];

/** A command that trains into a folder, and goes on with what is there. */
const commands: Readonly<Record<string, (out: string) => string[]>> = {
  train: (out) =>
    existsSync(join(base, out, 'config.json'))
      ? ['train', 'thermoelasticity', '--resume', out]
      : ['train', 'thermoelasticity', ...small, '--out', out],
  sweep: (out) => ['sweep', 'quick', ...small, ...only, '--out', out],
};
const both = Object.entries(commands);

interface Disturbance {
  readonly act: (kill: (signal: NodeJS.Signals) => void) => void;
  /** What it says just before: that it has trained for a while, unless stated. */
  readonly when?: RegExp;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a command, and does something to it once. */
function disturbed(args: readonly string[], { act, when = /epoch +[1-9]/, env = {} }: Disturbance): Promise<Outcome> {
  let done = false;
  return tapir(args, {
    cwd: base,
    env,
    watch(stderr, child) {
      if (done || !when.test(stderr)) return;
      done = true;
      act((signal) => void child.kill(signal));
    },
  });
}

const epochIn = ({ stderr }: Outcome) => Number([...stderr.matchAll(/epoch +(\d+)\/2500/g)].at(-1)?.[1]);

describe.each(both)('%s', (name, args) => {
  it('ends in good order at SIGTERM, SIGHUP and at the notice of Slurm, and goes on each time', async () => {
    const out = `${name}-signals`;
    const epochs: number[] = [];
    for (const [signal, status, env] of [
      ['SIGTERM', 130, {}],
      ['SIGHUP', 130, {}],
      ['SIGUSR2', 75, { SLURM_JOB_ID: '7' }],
    ] as const) {
      const stopped = await disturbed(args(out), { act: (kill) => kill(signal), env });
      expect([signal, stopped.status, stopped.signal]).toEqual([signal, status, null]);
      expect(stopped.stdout).toMatch(name === 'train' ? /interrupted at epoch \d+/ : /interrupted: the same command/);
      epochs.push(epochIn(stopped));
    }
    expect(epochs).toEqual(epochs.toSorted((a, b) => a - b));
    expect(epochs[0]).toBeLessThan(2500);
    const end = await tapir(args(out), { cwd: base });
    expect([end.status, end.stderr]).toEqual([0, expect.stringMatching(/epoch +\d+\/2500/)]);
    const whole = await tapir(args(`${name}-whole`), { cwd: base });
    expect(whole.status).toBe(0);
    expect(contents(join(base, out))).toEqual(contents(join(base, `${name}-whole`)));
  });

  it('ends at once at a second SIGINT, even where the GPU never comes back', async () => {
    const out = `${name}-second`;
    const twice = (kill: (signal: NodeJS.Signals) => void) => {
      kill('SIGINT');
      setTimeout(() => kill('SIGINT'), 1300);
    };
    const env = { ...hooked('endless.mjs'), ENDLESS_AT: '30' };
    const ended = await disturbed(args(out), { act: twice, when: /endless: it has begun/, env });
    expect([ended.status, ended.signal, ended.stdout]).toEqual([null, 'SIGINT', '']);
    const left = readdirSync(join(base, out), { recursive: true, encoding: 'utf8' });
    expect([left.length > 1, left.filter((file) => /lock|tmp/.test(file))]).toEqual([true, []]);
  });

  it('says in one line that its folder was removed under way, and makes none', async () => {
    const out = `${name}-removed`;
    const remove = () => rmSync(join(base, out), { recursive: true });
    const ended = await disturbed([...args(out), '--checkpoint', '0'], { act: remove });
    expect(ownLines(ended).filter((line) => line.startsWith('tapir: '))).toEqual([
      expect.stringMatching(new RegExp(`^tapir: \\S*${out}\\S* was removed under way; .*choose another --out$`)),
    ]);
    expect([ended.status, ended.stdout, existsSync(join(base, out))]).toEqual([2, '', false]);
  });

  it('does not mind a clock that is set back', async () => {
    const out = `${name}-clock`;
    const env = { ...hooked('clock-back.mjs'), CLOCK_BACK: '1200' };
    const before = new Date();
    const end = await tapir([...args(out), '--checkpoint', '0'], { cwd: base, env });
    expect(end.status).toBe(0);
    const [summary] = readdirSync(join(base, out), { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('summary.json'),
    );
    const { finished } = JSON.parse(readFileSync(join(base, out, summary!), 'utf8')) as { finished: string };
    expect(new Date(finished).getTime()).toBeLessThan(before.getTime());
    expect(contents(join(base, out))).toEqual(contents(join(base, `${name}-whole`)));
  });
});

it('three shards that start in one folder at one instant all succeed, bit for bit', async () => {
  const options = ['--width', '8', '--depth', '1', '--epochs', '50', '--seeds', '1', '--stack', '1'];
  const sweep = (out: string) => ['sweep', 'quick', ...options, '--only', 'system=thermoelasticity', '--out', out];
  const whole = await tapir(sweep('unsharded'), { cwd: base });
  expect(whole.status).toBe(0);
  for (let round = 0; round < 2; round++) {
    const out = `shards-${round}`;
    const shards = await Promise.all(
      [1, 2, 3].map((shard) => tapir([...sweep(out), '--shard', `${shard}/3`], { cwd: base })),
    );
    expect(shards.map(({ status, stdout }) => [status, /^(\d+) of \1 runs are done/.test(stdout)])).toEqual([
      [0, true],
      [0, true],
      [0, true],
    ]);
    expect(contents(join(base, out, 'runs'))).toEqual(contents(join(base, 'unsharded', 'runs')));
    expect(readdirSync(join(base, out)).sort()).toEqual(['groups', 'runs', 'sweep.json']);
  }
});
