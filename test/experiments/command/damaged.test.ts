/** Run folders that were damaged or made to deceive: a line that says what is wrong, exit 2, and nothing is changed. */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectRefusal, within } from '../../support/command.ts';

let base = '';
let folders = 0;
const small = ['--optimizer', 'adam', '--weighting', 'none', '--width', '4', '--depth', '1', '--epochs', '50'];

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), 'tapir-'));
  const trained = await within(base, ['train', 'thermoelasticity', ...small, '--out', 'run']);
  expect(trained.status, trained.stderr).toBe(0);
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

/** A copy of the run in a folder of its own. */
function copy(): string {
  const cwd = join(base, String(folders++));
  cpSync(join(base, 'run'), join(cwd, 'run'), { recursive: true });
  return cwd;
}

/** Names with what they hold, or what they are. */
const contentsOf = (folder: string) =>
  Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((name) => {
        const path = join(folder, name);
        const stats = lstatSync(path);
        return [name, stats.isFile() ? readFileSync(path, 'base64') : `mode ${stats.mode}`];
      }),
  );

/** Refuses to go on with the run in `cwd`, and changes nothing. */
async function refusesToResume(cwd: string, says: RegExp, ...args: readonly string[]): Promise<void> {
  const before = contentsOf(join(cwd, 'run'));
  expectRefusal(await within(cwd, ['train', 'thermoelasticity', '--resume', 'run', '--epochs', '60', ...args]), says);
  expect(contentsOf(join(cwd, 'run'))).toEqual(before);
}

type Json = Record<string, unknown>;
const edit = (cwd: string, change: (config: Json) => Json) => {
  const path = join(cwd, 'run/config.json');
  writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(path, 'utf8')) as Json)));
};

describe('config.json', () => {
  const network = (hidden: number, width: number) => ({ network: { hidden, width } });
  it.each<[string, Json, RegExp]>([
    ['a million layers', network(1e6, 4), /1000000 hidden layers, 256 at most are possible/],
    ['layers beyond any array', network(1e15, 4), /1000000000000000 hidden layers/],
    ['a width beyond any memory', network(2, 1e8), /more than 2\^28 parameters/],
    ['no layers', network(0, 4), /config\.json is not the configuration of a run: network\.hidden is wrong/],
    ['a seed beyond 32 bits', { seeds: [2 ** 40] }, /config\.json .*: seeds\.0 is wrong/],
    ['no seeds', { seeds: [] }, /config\.json .*: seeds is wrong/],
    ['an epsilon of 0', { optimizerEpsilon: 0 }, /config\.json .*: optimizerEpsilon is wrong/],
    ['another epsilon', { optimizerEpsilon: 1e-3 }, /holds another run: optimizerEpsilon was 1e-8, now 0\.001/],
    ['another rate', { learningRate: 1 }, /holds another run: learningRate was 0\.001, now 1/],
    ['a rate that float32 cannot hold', { learningRate: 1e-320 }, /config\.json .*: learningRate is wrong/],
    ['a decay of 1', { betas: [1, 0.9] }, /config\.json .*: betas\.0 is wrong/],
    ['no parameters', { parameters: {} }, /config\.json .*: it has no parameter gamma/],
    ['a strange parameter', { parameters: { gamma: 10, kappa: 1, E: 1, toString: 1 } }, /no parameter toString/],
    ['a negative conductivity', { parameters: { gamma: 10, kappa: -1, E: 1 } }, /kappa must be a positive number/],
    ['a system that is not there', { system: 'constructor' }, /a run of constructor, not of thermoelasticity/],
    ['another format', { format: 99 }, /config\.json .*: format is wrong/],
  ])('with %s', async (_, change, says) => {
    const cwd = copy();
    edit(cwd, (config) => ({ ...config, ...change }));
    await refusesToResume(cwd, says);
  });

  it.each(['', '[]', 'null', '3', '{', '{"a":1', '\u0000', '"x"'])('that holds %j', async (text) => {
    const cwd = copy();
    writeFileSync(join(cwd, 'run/config.json'), text);
    await refusesToResume(cwd, /config\.json is not the configuration of a run/);
  });
});

describe('metrics.jsonl', () => {
  it.each(['{}', '[]', '3', 'null', '{"epoch":"x"}', '{"epoch":25,"losses":[],"l2":{},"mean":1}', '{"epoch":1e400}'])(
    'with the line %s',
    async (line) => {
      const cwd = copy();
      writeFileSync(join(cwd, 'run/metrics.jsonl'), `${line}\n`);
      await refusesToResume(cwd, /metrics\.jsonl: (line 1 is not a JSON object|look 1 has no right \w+); mend it/);
    },
  );
});

describe('a checkpoint', () => {
  it('that is further than the run is to go', async () => {
    await refusesToResume(
      copy(),
      /run holds a run of 50 epochs; --epochs must be at least that, not 40/,
      '--epochs',
      '40',
    );
  });
});

describe.skipIf(process.platform === 'win32')('something else in the place of a file', () => {
  const written = [
    'config.json',
    'metrics.jsonl',
    'summary.json',
    'weights.safetensors',
    'checkpoint.safetensors',
    'picture.svg',
  ];

  it.each(written)('a pipe for %s', async (name) => {
    const cwd = copy();
    rmSync(join(cwd, 'run', name));
    execFileSync('mkfifo', [join(cwd, 'run', name)]);
    await refusesToResume(cwd, /no regular file|not a file/);
  });

  it.each(written)('a folder for %s', async (name) => {
    const cwd = copy();
    rmSync(join(cwd, 'run', name));
    mkdirSync(join(cwd, 'run', name));
    await refusesToResume(cwd, /it is a folder/);
  });

  it.each(written)('a link that leads back to itself for %s', async (name) => {
    const cwd = copy();
    rmSync(join(cwd, 'run', name));
    symlinkSync(name, join(cwd, 'run', name));
    await refusesToResume(cwd, /ELOOP/);
  });

  it.each(['summary.json', 'weights.safetensors', 'picture.svg'])('a folder for %s of a new run', async (name) => {
    const cwd = join(base, String(folders++));
    mkdirSync(join(cwd, 'new', name), { recursive: true });
    expectRefusal(
      await within(cwd, ['train', 'thermoelasticity', ...small, '--out', 'new']),
      new RegExp(`new/${name} cannot be written: it is a folder; remove it or choose another --out`),
    );
    expect(readdirSync(join(cwd, 'new'))).toEqual([name]);
  });

  it('a run folder that is a link to itself', async () => {
    const cwd = join(base, String(folders++));
    mkdirSync(cwd);
    symlinkSync('loop', join(cwd, 'loop'));
    expectRefusal(await within(cwd, ['train', 'thermoelasticity', ...small, '--out', 'loop']), /loop/);
    expectRefusal(await within(cwd, ['train', 'thermoelasticity', '--resume', 'loop']), /loop/);
  });

  it('a pipe or a folder where a report or spectra are to be written', async () => {
    const cwd = join(base, String(folders++));
    mkdirSync(join(cwd, 'out/ntk.json'), { recursive: true });
    expectRefusal(
      await within(cwd, ['ntk', 'symmetric', '--out', 'out']),
      /out\/ntk\.json cannot be written: it is a folder/,
    );
    writeFileSync(join(cwd, 'file'), '');
    expectRefusal(await within(cwd, ['ntk', 'symmetric', '--out', 'file/deeper']), /file is a file/);
  });
});
