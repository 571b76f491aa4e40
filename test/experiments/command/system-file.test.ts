/** `tapir train ./own.mjs`: a system of the user's own trains as a built-in one does, and what is wrong is one line. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { expectRefusal, tapir } from '../../support/command.ts';

const examples = resolve(import.meta.dirname, '../../../examples');
const small = ['--width', '12', '--depth', '2', '--weighting', 'none'];
let cwd: string;

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'tapir-own-'));
});
afterEach(() => rmSync(cwd, { recursive: true, force: true }));

const decay = {
  name: 'decay',
  coordinates: { t: [0, 2] },
  fields: ['y'],
  parameters: { k: 1 },
  residuals: { decay: 'y.t + k*y' },
  conditions: [{ at: { t: 0 }, residuals: ['y - 1'] }],
  points: { interior: 20 },
};

describe('train', () => {
  it('takes a program: a coupled system with its reference, at any parameter, resumed too', async () => {
    const file = join(examples, 'hartmann.mjs');
    const args = ['train', file, '--set', 'Ha=2', '--epochs', '50', ...small, '--json', '--out', 'run'];
    const trained = await tapir(args, { cwd });
    expect(trained.status, trained.stderr).toBe(0);
    const summary = JSON.parse(trained.stdout);
    expect([summary.system, summary.params]).toEqual(['hartmann', { Ha: 2, G: 1 }]);
    expect(Object.keys(summary.final.l2)).toEqual(['u', 'b']);
    expect(summary.final.mean).toBeGreaterThan(0);
    const resumed = await tapir(['train', file, '--resume', 'run', '--epochs', '300', '--json'], { cwd });
    expect(resumed.status, resumed.stderr).toBe(0);
    expect(JSON.parse(resumed.stdout).losses.momentum).toBeLessThan(summary.losses.momentum);
  });

  it('takes data without a reference: losses are reported, the prediction is drawn', async () => {
    writeFileSync(join(cwd, 'decay.json'), JSON.stringify(decay));
    const args = ['train', './decay.json', '--optimizer', 'adam', '--lr', '0.01', '--epochs', '400', ...small];
    const trained = await tapir([...args, '--out', 'run'], { cwd });
    expect(trained.status, trained.stderr).toBe(0);
    expect(trained.stdout).toContain('there is no reference solution');
    const summary = JSON.parse(readFileSync(join(cwd, 'run/summary.json'), 'utf8'));
    expect(summary.final).toMatchObject({ error: null, mean: null, l2: {} });
    expect(summary.losses.decay + summary.losses.BC).toBeLessThan(1e-2);
    expect(readFileSync(join(cwd, 'run/picture.svg'), 'utf8')).toContain('no reference solution');
  });
});

describe('a file is refused in one line', () => {
  it('where its reference solution is beyond float32', async () => {
    const args = ['train', join(examples, 'hartmann.mjs'), '--set', 'Ha=800', '--out', 'run'];
    expectRefusal(await tapir(args, { cwd }), /hartmann: u_exact is NaN at y = -1, .*Ha = 800/);
    expect(readdirSync(cwd)).toEqual([]);
  });

  const wrong: readonly [name: string, text: string | undefined, says: RegExp][] = [
    ['gone.mjs', undefined, /gone.mjs: there is no such file/],
    ['text.json', '{', /text.json: it is not JSON/],
    ['list.json', '3', /list.json: it holds no object/],
    ['empty.mjs', 'export const a = 1;', /empty.mjs: it has no default export/],
    ['broken.mjs', 'export default {', /broken.mjs: it cannot be loaded: /],
    ['throws.mjs', 'throw new Error("no");', /throws.mjs: it cannot be loaded: no/],
    [
      'own.json',
      JSON.stringify({ ...decay, residuals: { decay: 'y.t + c*y' } }),
      /own.json: residuals.decay: .* uses c/,
    ],
    ['other.txt', 'x', /there is no system other.txt/],
    ['thermoelasticity.json', JSON.stringify({ ...decay, name: 'thermoelasticity' }), /is a built-in system/],
  ];
  it.each(wrong)('%s', async (name, text, says) => {
    if (text !== undefined) writeFileSync(join(cwd, name), text);
    expectRefusal(await tapir(['train', name, '--out', 'run'], { cwd }), says);
  });
});
