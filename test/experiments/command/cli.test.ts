/**
 * Training from the command line: what it prints, what it leaves behind, and that the same run gives the same bits. Needs
 * an adapter; without one the runs fail.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeSafetensors, readSafetensors, tensor } from '../../../experiments/disk/safetensors.ts';
import { unsealed } from '../../../experiments/disk/seal.ts';
import {
  builder,
  command,
  expectRefusal,
  type Outcome,
  ownLines,
  runProcess,
  tapir,
  within,
} from '../../support/command.ts';
import { bitsOf } from '../../support/gpu.ts';

let base = '';
let folders = 0;

/** An empty folder to work in. */
function workplace(): string {
  const path = join(base, String(folders++));
  mkdirSync(path);
  return path;
}

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), 'tapir-'));
  const { status, stderr } = await runProcess(process.execPath, [builder], { cwd: base });
  expect([status, stderr]).toEqual([0, '']);
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

/** Weights of a run as bits, by tensor; `seed` picks one of several runs. */
function weightsOf(folder: string, seed?: number): Record<string, number[]> {
  const { tensors } = readSafetensors(join(folder, 'weights.safetensors'));
  const prefix = seed === undefined ? '' : `seed-${seed}/`;
  const own = [...tensors].filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(own.map(([name, { data }]) => [name.slice(prefix.length), bitsOf(data as Float32Array)]));
}

describe('training', () => {
  const small = ['train', 'thermoelasticity', '--gamma', '10', '--optimizer', 'adam', '--weighting', 'grad-norm'];
  const size = ['--width', '8', '--depth', '2'];
  const train = (cwd: string, ...args: string[]) => tapir([...small, ...size, ...args], { cwd });
  let cwd = '';
  let first: Outcome;
  beforeAll(async () => {
    cwd = workplace();
    // The first run compiles the shaders, the others find them in the driver's cache.
    first = await train(cwd, '--epochs', '60', '--seed', '42', '--json', '--out', 'first');
  });

  it('prints one JSON document to stdout, and says the same in the run folder', () => {
    expect([first.status, first.signal]).toEqual([0, null]);
    const summary = JSON.parse(first.stdout);
    expect(summary).toMatchObject({
      system: 'thermoelasticity',
      params: { gamma: 10, kappa: 1, E: 1 },
      optimizer: 'adam',
      weighting: 'grad-norm',
      seed: 42,
      epochs: 60,
      final: { l2: { T: expect.any(Number), u: expect.any(Number) }, mean: expect.any(Number) },
      best: { mean: expect.any(Number), epoch: expect.any(Number) },
      losses: { RT: expect.any(Number), Ru: expect.any(Number), BC: expect.any(Number) },
      weights: { RT: expect.any(Number), Ru: expect.any(Number), BC: expect.any(Number) },
      msPerStep: expect.any(Number),
      dispatchesPerStep: expect.any(Number),
      adapter: expect.stringMatching(/\w/),
    });
    const { final, best, dispatchesPerStep } = summary;
    expect(final.mean).toBeCloseTo((final.l2.T + final.l2.u) / 2, 6);
    expect(best.mean).toBeLessThanOrEqual(final.mean);
    expect(dispatchesPerStep).toBeLessThanOrEqual(25);

    const folder = join(cwd, 'first');
    expect(JSON.parse(readFileSync(join(folder, 'summary.json'), 'utf8'))).toEqual(summary);
    expect(readFileSync(join(folder, 'picture.svg'), 'utf8')).toMatch(/^<svg[\s\S]*<\/svg>\s*$/);
    const metrics = readFileSync(join(folder, 'metrics.jsonl'), 'utf8').trim().split('\n');
    expect(metrics.map((line) => JSON.parse(line).epoch)).toEqual([25, 50, 60]);
    expect(JSON.parse(metrics.at(-1)!)).toMatchObject({ losses: summary.losses, l2: final.l2, mean: final.mean });
    expect(existsSync(join(folder, '.lock'))).toBe(false);
  });

  it('again gives the same weights, bit for bit', async () => {
    const again = await train(cwd, '--epochs', '60', '--seed', '42', '--out', 'again');
    expect(again.status).toBe(0);
    expect(again.stdout).toContain('relative L2 error');
    const weights = (name: string) => readFileSync(join(cwd, name, 'weights.safetensors'));
    expect(weights('again').equals(weights('first'))).toBe(true);
  });

  it('of two seeds at once gives the numbers each has alone, bit for bit', async () => {
    const [both, alone] = await Promise.all([
      train(cwd, '--epochs', '60', '--seeds', '42,123', '--json', '--out', 'both'),
      train(cwd, '--epochs', '60', '--seed', '123', '--json', '--out', 'alone'),
    ]);
    expect([both.status, alone.status]).toEqual([0, 0]);
    expect(weightsOf(join(cwd, 'both'), 42)).toEqual(weightsOf(join(cwd, 'first')));
    expect(weightsOf(join(cwd, 'both'), 123)).toEqual(weightsOf(join(cwd, 'alone')));
    const { runs, ...summary } = JSON.parse(both.stdout);
    expect(runs.map(({ seed }: { seed: number }) => seed)).toEqual([42, 123]);
    expect(summary.final).toEqual(runs[0].final);
    for (const [k, outcome] of [first, alone].entries()) {
      const { losses, weights, final } = JSON.parse(outcome.stdout);
      expect(runs[k]).toMatchObject({ losses, weights, final });
    }
  });

  it('refuses a folder that holds a run, and leaves it as it is', async () => {
    const path = join(cwd, 'first', 'weights.safetensors');
    const before = readFileSync(path);
    expectRefusal(await train(cwd, '--epochs', '5', '--out', 'first'), /first already holds a run; .*--resume/);
    expectRefusal(
      await within(cwd, ['train', 'thermoelasticity', '--resume', 'first', '--lr', '0.1']),
      /only --epochs can be changed, not --lr/,
    );
    expectRefusal(await within(cwd, ['train', 'symmetric', '--resume', 'first']), /a run of thermoelasticity, not of/);
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it('does not go on from a checkpoint that is damaged or of another run, and leaves it as it is', async () => {
    cpSync(join(cwd, 'first'), join(cwd, 'bad'), { recursive: true });
    const path = join(cwd, 'bad', 'checkpoint.safetensors');
    const whole = readFileSync(path);
    const { tensors, metadata } = unsealed(readSafetensors(path), path, ['epoch', 'settings']);
    const said = (change: Record<string, string>) =>
      encodeSafetensors({ tensors, metadata: { ...metadata, ...change } });
    const settings = JSON.parse(metadata['settings']!);
    const wide = new Map(
      [...tensors].map(([name, { data }]) => [name, tensor(Float32Array.of(...(data as Float32Array), 0))]),
    );
    for (const [bytes, says] of [
      [
        said({ settings: JSON.stringify({ ...settings, network: { hidden: 2, width: 9 } }) }),
        /bad holds another run: network was .*"width":9.*, now /,
      ],
      [said({ settings: JSON.stringify({ ...settings, system: 'symmetric' }) }), /system was "symmetric", now "thermo/],
      [said({ settings: 'nothing' }), /checkpoint\.safetensors is damaged; start again with another --out/],
      [said({ settings: 'null' }), /checkpoint\.safetensors is damaged/],
      [said({ epoch: '-3' }), /names no epoch/],
      [encodeSafetensors({ tensors: wide, metadata }), /of shape \[\d+\], this run needs \[/],
      [whole.subarray(0, whole.length - 9), /checkpoint\.safetensors: .*truncated/],
      [new Uint8Array(0), /checkpoint\.safetensors/],
    ] as const) {
      writeFileSync(path, bytes);
      const before = readdirSync(join(cwd, 'bad')).map((name) => readFileSync(join(cwd, 'bad', name), 'base64'));
      expectRefusal(await within(cwd, ['train', 'thermoelasticity', '--resume', 'bad', '--epochs', '70']), says);
      expect(readdirSync(join(cwd, 'bad')).map((name) => readFileSync(join(cwd, 'bad', name), 'base64'))).toEqual(
        before,
      );
    }
  });

  it('interrupted keeps what it has, and goes on to the bits of the run without a break', async () => {
    // Beyond epoch 1001, where grad-norm looks at the gradients for the second time.
    const epochs = ['--epochs', '1100'];
    let told = false;
    const interrupted = await tapir([...small, ...size, ...epochs, '--json', '--out', 'broken'], {
      cwd,
      watch(stderr, child) {
        if (told || !/epoch +\d+\/1100/.test(stderr)) return;
        told = true;
        child.kill('SIGINT');
      },
    });
    expect([interrupted.status, interrupted.signal]).toEqual([130, null]);
    const summary = JSON.parse(interrupted.stdout);
    expect(summary.epochs).toBeGreaterThan(0);
    expect(summary.epochs).toBeLessThan(1100);
    expect(summary.stopped).toBe(`interrupted at epoch ${summary.epochs}`);
    const left = readdirSync(join(cwd, 'broken')).sort();
    expect(left).toEqual(
      expect.arrayContaining([
        'checkpoint.safetensors',
        'config.json',
        'metrics.jsonl',
        'summary.json',
        'weights.safetensors',
      ]),
    );
    expect(left).not.toContain('.lock');

    const [resumed, whole] = await Promise.all([
      tapir(['train', 'thermoelasticity', '--resume', 'broken', '--json'], { cwd }),
      train(cwd, ...epochs, '--json', '--out', 'whole'),
    ]);
    expect([resumed.status, whole.status]).toEqual([0, 0]);
    expect(weightsOf(join(cwd, 'broken'))).toEqual(weightsOf(join(cwd, 'whole')));
    const [a, b] = [resumed, whole].map(({ stdout }) => JSON.parse(stdout));
    expect(a.epochs).toBe(1100);
    expect(a.stopped).toBeUndefined();
    for (const key of ['final', 'best', 'losses', 'weights']) expect(a[key], key).toEqual(b[key]);
    const metrics = (name: string) => readFileSync(join(cwd, name, 'metrics.jsonl'), 'utf8');
    expect(metrics('broken')).toBe(metrics('whole'));
  });

  it('that diverges stops, names epoch and term, and keeps the last good weights', async () => {
    const outcome = await train(cwd, '--epochs', '200', '--lr', '1e30', '--out', 'lost');
    expect(outcome.status).toBe(1);
    const own = ownLines(outcome).filter((line) => line.startsWith('tapir: '));
    expect(own).toHaveLength(1);
    expect(own[0]).toMatch(/loss term (RT|Ru|BC) is (NaN|Infinity) at epoch \d+; the last good weights are in lost/);
    expect(outcome.stderr).not.toMatch(/^\s+at .*\.[jt]s/m);
    for (const name of ['weights', 'checkpoint']) {
      const { tensors } = readSafetensors(join(cwd, 'lost', `${name}.safetensors`));
      expect(tensors.size).toBeGreaterThan(4);
      for (const [tensor, { data }] of tensors) expect([...data].every(Number.isFinite), tensor).toBe(true);
    }
    expect(JSON.parse(readFileSync(join(cwd, 'lost', 'summary.json'), 'utf8')).stopped).toContain('at epoch');
  });
});

describe.skipIf(process.platform === 'win32')('a reader that leaves early', () => {
  it.each([
    'explain thermoelasticity wgsl --optimizer adam',
    'list --json',
    'train thermoelasticity --optimizer adam --weighting none --width 8 --depth 2 --epochs 30 --json --out run',
  ])('%s | head -1', async (args) => {
    const cwd = workplace();
    const outcome = await runProcess('sh', ['-c', `"$0" "$1" ${args} | head -1`, process.execPath, command], { cwd });
    expect(outcome.status).toBe(0);
    expect(outcome.stdout.trim().split('\n')).toHaveLength(1);
    expect(outcome.stderr).not.toMatch(/EPIPE|Error|^\s+at .*\.[jt]s/m);
  });
});
