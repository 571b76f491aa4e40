/** What the command line refuses: one line that names what was wrong and what would be right, and nothing written. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { benchCommand } from '../../../bench/index.ts';
import { builder, expectRefusal, runProcess, tapir, within, withoutDriver } from '../../support/command.ts';

const golden = resolve('test/golden');
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

describe('bad input', () => {
  const train = (...args: string[]) => ['train', 'thermoelasticity', '--optimizer', 'adam', '--epochs', '1', ...args];
  const cases: [string, readonly string[], RegExp][] = [
    ['a system that is not there', ['train', 'thermo'], /no system thermo; there are thermoelasticity, /],
    ['no system', ['train'], /missing required argument 'system'/],
    ['a command that is not there', ['trian'], /unknown command 'trian'.*train/],
    ['an option that is not there', train('--gama', '1'), /unknown option '--gama'.*--gamma/],
    [
      'an option of another system',
      train('--epsilon', '0.1'),
      /thermoelasticity has no parameter epsilon; it has gamma/,
    ],
    ['an option without its value', train('--gamma'), /argument missing/],
    ['a width of 0', train('--width', '0'), /--width must be a whole number of at least 1, not 0/],
    ['a depth of 0', train('--depth', '0'), /--depth must be a whole number of at least 1/],
    ['a width that is no number', train('--width', 'wide'), /--width .*not wide/],
    ['epochs of -1', ['train', 'thermoelasticity', '--epochs', '-1'], /--epochs must be .*not -1/],
    ['half an epoch', ['train', 'thermoelasticity', '--epochs', '0.5'], /--epochs must be .*not 0.5/],
    ['a coupling that is NaN', train('--gamma', 'NaN'), /--gamma must be a finite number, not NaN/],
    ['a coupling that is infinite', train('--gamma', '1e999'), /--gamma must be a finite number/],
    ['a conductivity that is negative', train('--set', 'kappa=-1'), /kappa must be a positive number, not -1/],
    ['a setting without a value', train('--set', 'kappa'), /--set takes name=value, not kappa/],
    ['a rate of 0', train('--lr', '0'), /--lr must be a positive number, not 0/],
    ['a seed of -1', train('--seed', '-1'), /--seed must be .*not -1/],
    ['a seed beyond 32 bits', train('--seed', '4294967296'), /--seed must be below 2\^32/],
    ['seeds that are no list', train('--seeds', '1,,2'), /--seed must be/],
    ['a rate that float32 takes for zero', train('--lr', '1e-320'), /--lr must be a number that float32 holds.*1e-320/],
    ['a coupling beyond float32', train('--gamma', '-1e39'), /--gamma must be a number that float32 holds/],
    ['a parameter beyond float32', train('--set', 'E=1e39'), /--set E must be a number that float32 holds/],
    ['a coupling that is lost in float64', train('--gamma', '3e-400'), /--gamma must be a number that float32 holds/],
    ['a number with a space of Unicode', train('--gamma', '\u00a010'), /--gamma must be a finite number/],
    ['a width with one', train('--width', '8\u2009'), /--width must be a whole number/],
    ['a width in hexadecimal', train('--width', '0x10'), /--width must be a whole number/],
    ['seeds with such a space', train('--seeds', '1,\u00a02'), /--seed must be a whole number/],
    ["a name of Object's", train('--set', 'toString=1'), /has no parameter toString/],
    ["one of Object's for an option", ['sweep', 'quick', '--only', 'toString=1'], /--only knows no toString/],
    ["one of Object's for a preset", ['sweep', 'constructor'], /no preset constructor/],
    ['a checkpoint every -5 seconds', ['sweep', 'quick', '--checkpoint', '-5'], /--checkpoint must be at least 0/],
    ['an empty folder name', train('--out', ''), /--out must name a file or folder/],
    ['an empty folder to go on with', train('--resume', ''), /--resume must name a file or folder/],
    ['an empty folder for a sweep', ['sweep', 'quick', '--out', ''], /--out must name a file or folder/],
    ['an empty folder to report on', ['report', ''], /the folder must name a file or folder/],
    ['an empty folder for spectra', ['ntk', 'symmetric', '--out', ' '], /--out must name a file or folder/],
    [
      'a Debye length that has no reference solution',
      ['train', 'nernst-planck-poisson', '--epsilon', '1e-300', '--out', 'run'],
      /float32 holds/,
    ],
    [
      'a wall potential that has none',
      ['train', 'nernst-planck-poisson', '--set', 'zeta=31', '--out', 'run'],
      /zeta is 31, it must lie between -30 and 30/,
    ],
    ['layers without end', train('--depth', '1000000'), /1000000 hidden layers, 256 at most/],
    ['layers without end in a sweep', ['sweep', 'quick', '--depth', '300'], /300 hidden layers, 256 at most/],
    ['a width without end in a sweep', ['sweep', 'quick', '--width', '900000'], /more than 2\^28 parameters/],
    ['a width without end', train('--width', '900000000000'), /more than 2\^28 parameters/],
    ['a name of thousands of letters', ['train', 'x'.repeat(5000)], /no system x{100} \.\. x{49}; there are/],
    ['a name that moves the cursor', ['train', '\u001b[2Jx\ny'], /no system \[2Jx y; there are/],
    ['one seed and several', train('--seed', '1', '--seeds', '1,2'), /--seed and --seeds exclude each other/],
    [
      'a weighting that is not there',
      train('--weighting', 'gn'),
      /--weighting must be one of none, grad-norm, lra, not gn/,
    ],
    [
      'an optimizer that is not there',
      ['train', 'symmetric', '--optimizer', 'sgd'],
      /--optimizer must be one of adam.*not sgd/,
    ],
    ['a kernel that is not there', train('--kernel', 'gemm=fast'), /there is no kernel gemm; there are dense_jet/],
    [
      'a version that is not there',
      train('--kernel', 'dense_jet=best'),
      /dense_jet has no version best; it has simple/,
    ],
    ['a pin that is none', train('--kernel', 'dense_jet'), /--kernel takes name=version, not dense_jet/],
    ['a folder and one to go on with', train('--out', 'a', '--resume', 'b'), /--out and --resume exclude each other/],
    ['a subject that is not there', ['explain', 'symmetric', 'everything'], /the subject must be one of tape/],
    ['no case', ['verify'], /missing required argument/],
    ['a case that is not there', ['verify', 'nothing.json'], /nothing\.json cannot be read/],
    [
      'a kernel to check that is not there',
      ['check', '--only', 'gemm'],
      /no kernel is called gemm; there are dense_jet/,
    ],
  ];

  it.each(cases)('%s', async (_, args, says) => {
    const cwd = workplace();
    expectRefusal(await within(cwd, args), says);
    expect(readdirSync(cwd)).toEqual([]);
  });

  it('an empty file name for the benchmark', async () => {
    for (const option of ['--out', '--markdown', '--csv', '--picture'])
      expectRefusal(await within(workplace(), ['bench', option, ''], benchCommand()), /must name a file or folder/);
  });

  it('in a process of its own ends it with 2', async () => {
    const cwd = workplace();
    for (const [, args, says] of [cases[0]!, cases[3]!]) expectRefusal(await tapir(args, { cwd }), says);
    expect(readdirSync(cwd)).toEqual([]);
  });

  it('an output folder that is a file', async () => {
    const cwd = workplace();
    writeFileSync(join(cwd, 'out'), 'mine');
    expectRefusal(await tapir(train('--out', 'out'), { cwd }), /out is a file; choose a folder with --out/);
    expectRefusal(await tapir(train('--out', 'out/deeper'), { cwd }), /out/);
    expect(readdirSync(cwd)).toEqual(['out']);
    expect(readFileSync(join(cwd, 'out'), 'utf8')).toBe('mine');
  });

  it('a folder with nothing to resume', async () => {
    const cwd = workplace();
    mkdirSync(join(cwd, 'empty'));
    writeFileSync(join(cwd, 'file'), '');
    for (const folder of ['nothing', 'empty', 'file'])
      expectRefusal(
        await within(cwd, ['train', 'thermoelasticity', '--resume', folder]),
        new RegExp(`${folder} holds no run to resume`),
      );
    expect(readdirSync(cwd)).toEqual(['empty', 'file']);
    expect(readdirSync(join(cwd, 'empty'))).toEqual([]);
  });

  it('a golden case that is cut short, in its scalars or in its tensors', async () => {
    const cwd = workplace();
    const name = 'thermoelasticity-small';
    const [json, tensors] = ['json', 'safetensors'].map((end) => readFileSync(join(golden, `${name}.${end}`)));
    writeFileSync(join(cwd, 'a.json'), json!.subarray(0, 1000));
    writeFileSync(join(cwd, 'b.json'), json!);
    writeFileSync(join(cwd, 'b.safetensors'), tensors!.subarray(0, tensors!.length - 100));
    writeFileSync(join(cwd, 'c.json'), json!);
    writeFileSync(join(cwd, 'd.json'), '{}');
    expectRefusal(await within(cwd, ['verify', 'a.json']), /a\.json is not JSON \(truncated\?\)/);
    expectRefusal(await within(cwd, ['verify', 'b.json', '--json']), /b\.safetensors/);
    expectRefusal(await within(cwd, ['verify', 'c.json']), /c\.safetensors/);
    // A good case before a bad one is not run: nothing is done before all is known to be right.
    const good = join(golden, `${name}.json`);
    expectRefusal(await within(cwd, ['verify', good, 'd.json']), /d\.json: not a golden case/);
  });

  it.each([
    ['train', train('--out', 'out')],
    ['verify', ['verify', join(golden, 'thermoelasticity-small.json')]],
    ['doctor', ['doctor', '--json']],
  ])('a machine without a Vulkan driver: %s', async (_, args) => {
    const cwd = workplace();
    const outcome = await tapir(args, { cwd, env: withoutDriver });
    expectRefusal(outcome, /no WebGPU adapter: .*; run: npm run setup$/);
    expect(readdirSync(cwd)).toEqual([]);
  });
});

describe('an adapter by name', () => {
  it('that is not there is refused, with the names of those that are', async () => {
    const cwd = workplace();
    expectRefusal(
      await tapir(['doctor', '--adapter', 'zzz'], { cwd }),
      /no adapter has zzz in its name; there are: \w/,
    );
  });

  it('is one of those that doctor lists', async () => {
    const cwd = workplace();
    const all = JSON.parse((await tapir(['doctor', '--all', '--json'], { cwd })).stdout) as { adapter: string }[];
    expect(all.length).toBeGreaterThan(0);
    const name = all[0]!.adapter.split(/[ :(]/)[0]!;
    const one = await tapir(['--adapter', name, 'doctor', '--json'], { cwd });
    expect((JSON.parse(one.stdout) as { adapter: string }).adapter).toBe(all[0]!.adapter);
  });
});

it('a pin that cannot serve a call says so, once', async () => {
  const small = ['--epochs', '2', '--width', '4', '--depth', '1', '--seeds', '1,2', '--out', 'run'];
  const { status, stderr } = await tapir(['train', 'thermoelasticity', ...small, '--kernel', 'matmul=block'], {
    cwd: workplace(),
  });
  expect(status).toBe(0);
  expect(stderr.match(/--kernel matmul=block cannot serve \d+ of \d+ calls/g)).toHaveLength(1);
});

describe('help', () => {
  it('lists the commands and says what each does', async () => {
    const cwd = workplace();
    const [asked, bare] = await Promise.all([tapir(['--help'], { cwd }), tapir([], { cwd })]);
    expect([asked.status, asked.stderr]).toEqual([0, '']);
    for (const name of ['train', 'verify', 'check', 'explain', 'list', 'doctor'])
      expect(asked.stdout).toMatch(new RegExp(`^ +${name}\\b.* {2,}\\w`, 'm'));
    expect(bare.stdout).toBe(asked.stdout);
  });

  it('of a command lists its options', async () => {
    const { status, stdout } = await within(workplace(), ['train', '--help']);
    expect(status).toBe(0);
    for (const option of ['--gamma', '--epochs', '--seeds', '--out', '--resume', '--json', '--width', '--kernel'])
      expect(stdout).toContain(option);
    expect(stdout).toContain('thermoelasticity');
  });
});
