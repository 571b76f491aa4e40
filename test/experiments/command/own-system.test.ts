/** A system of the user's own does what a built-in one does: swept over, reported on, verified, measured, looked into. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { benchCommand, tuneCommand } from '../../../bench/index.ts';
import { expectRefusal, tapir, within } from '../../support/command.ts';

/** examples/hartmann.mjs, smaller. */
const hartmann = {
  name: 'hartmann',
  title: 'Hartmann flow',
  coordinates: { y: [-1, 1] },
  fields: ['u', 'b'],
  parameters: { Ha: { value: 5, positive: true }, G: 1 },
  coupling: { parameter: 'Ha', values: [1, 2, 5] },
  residuals: { momentum: 'u.yy + Ha*b.y + G', induction: 'b.yy + Ha*u.y' },
  conditions: [
    { at: { y: -1 }, residuals: ['u', 'b'], over: 'sum' },
    { at: { y: 1 }, residuals: ['u', 'b'], over: 'sum' },
  ],
  exact: { u: 'G/Ha*cosh(Ha)/sinh(Ha)*(1 - cosh(Ha*y)/cosh(Ha))', b: 'G/Ha*(sinh(Ha*y)/sinh(Ha) - y)' },
  points: { interior: 20 },
  network: { hidden: 1, width: 8 },
};
const tiny = ['--width', '8', '--depth', '1'];
const grid = ['--set', 'Ha=1,5', '--optimizer', 'adam,soap', '--seeds', '42,123', '--epochs', '25', ...tiny];
let cwd = '';
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'tapir-own-'));
  const { exact: _, ...unknown } = hartmann;
  const files = {
    own: hartmann,
    unknown: { ...unknown, name: 'unknown' },
    wrong: { ...hartmann, name: 'wrong', residuals: { ...hartmann.residuals, induction: 'b.yy - Ha*u.y' } },
    half: { ...hartmann, name: 'half', exact: { u: hartmann.exact.u } },
    plain: {
      ...hartmann,
      name: 'plain',
      parameters: {},
      coupling: undefined,
      exact: {},
      residuals: { r: 'u.yy + b.y' },
    },
  };
  for (const [name, spec] of Object.entries(files)) writeFileSync(join(cwd, `${name}.json`), JSON.stringify(spec));
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

describe('sweep', () => {
  it('plans every combination of values, methods and seeds', async () => {
    const args = ['sweep', 'own.json', ...grid, '--set', 'G=1,2', '--weighting', 'none,lra', '--dry-run', '--json'];
    const { status, stdout } = await within(cwd, args);
    const { planned, groups } = JSON.parse(stdout);
    const ids: string[] = groups.flatMap(({ runs }: { runs: string[] }) => runs);
    expect([status, planned, new Set(ids).size]).toEqual([0, 32, 32]);
    expect(ids).toContain('hartmann-G2-Ha5-soap-lra-s123');
    const fewer = await within(cwd, [...args, '--only', 'G=2', '--only', 'method=SOAP']);
    expect(JSON.parse(fewer.stdout).selected).toBe(4);
  });

  it('takes the couplings of the file where none are given, and a built-in system by name', async () => {
    const runs = async (...args: string[]) =>
      JSON.parse((await within(cwd, ['sweep', ...args, '--dry-run', '--json'])).stdout).planned;
    expect(await runs('own.json')).toBe(2 * hartmann.coupling.values.length);
    expect(await runs('thermoelasticity', '--set', 'kappa=1,2,3', '--optimizer', 'adam')).toBe(3);
  });

  it('trains them, and report tabulates the error against the coupling', async () => {
    const swept = await within(cwd, ['sweep', 'own.json', ...grid, '--out', 'sweep', '--json']);
    expect(swept.status, swept.stderr).toBe(0);
    expect(JSON.parse(swept.stdout).runs).toHaveLength(8);
    const reported = await within(cwd, ['report', 'sweep', '--system', 'own.json', '--json']);
    expect(reported.status, reported.stderr).toBe(0);
    const [series] = JSON.parse(reported.stdout).systems;
    expect([series.coupling, series.couplings]).toEqual(['Ha', [1, 5]]);
    expect(series.rows.map(({ name }: { name: string }) => name)).toEqual(['Adam+GN', 'SOAP+GN']);
    for (const { cells, degradation } of series.rows) {
      expect(cells.map(({ final }: { final: { n: number } }) => final.n)).toEqual([2, 2]);
      expect(degradation).toBeCloseTo(cells[1].final.mean / cells[0].final.mean, 12);
    }
    const markdown = readFileSync(join(cwd, 'sweep/report.md'), 'utf8');
    expect(markdown).toContain('| method | Ha = 1 | Ha = 5 |');
    expect(markdown).toContain('`tapir sweep own.json --set Ha=1,5 --optimizer adam,soap');
    expect(markdown).not.toMatch(/publish|paper/i);
    expect(readFileSync(join(cwd, 'sweep/report.html'), 'utf8')).not.toMatch(
      /published results|not published|the paper/i,
    );
  });

  it('goes on with the same definition only', async () => {
    const again = await within(cwd, ['sweep', 'own.json', ...grid, '--out', 'sweep', '--json']);
    expect(JSON.parse(again.stdout)).toMatchObject({ before: 8, finished: 8, runs: [] });
    writeFileSync(join(cwd, 'changed.json'), JSON.stringify({ ...hartmann, points: { interior: 21 } }));
    expectRefusal(
      await within(cwd, ['sweep', 'changed.json', ...grid, '--out', 'sweep']),
      /sweep holds another sweep: hartmann was defined otherwise/,
    );
    expectRefusal(
      await within(cwd, ['report', 'sweep', '--system', 'changed.json']),
      /hartmann was defined otherwise when it was swept over; name that file with --system/,
    );
    expectRefusal(await tapir(['report', 'sweep'], { cwd }), /hartmann is a system of your own: .*--system/);
  });

  it('without a reference solution, loss terms are what is told', async () => {
    const args = ['sweep', 'unknown.json', '--set', 'Ha=1,2', '--optimizer', 'adam', '--epochs', '25', ...tiny];
    const swept = await within(cwd, [...args, '--out', 'unknown']);
    expect(swept.status, swept.stderr).toBe(0);
    expect(swept.stderr).toMatch(/unknown-Ha2-adam-grad-norm-s42: loss terms momentum \d\S+, induction/);
    const reported = await within(cwd, ['report', 'unknown', '--system', 'unknown.json', '--json']);
    const [series] = JSON.parse(reported.stdout).systems;
    expect(series.measure).toBe('sum of the unweighted loss terms');
    expect(series.rows[0].cells[0].final.mean).toBeGreaterThan(0);
  });
});

describe('other commands', () => {
  it('verify: the exact solution in the equations, gradients against float64', async () => {
    const { status, stdout } = await within(cwd, ['verify', 'own.json', '--json']);
    const [{ quantities }] = JSON.parse(stdout).cases;
    expect(status).toBe(0);
    const names = quantities.map(({ name }: { name: string }) => name);
    expect(names).toContain('float64: exact solution in induction');
    expect(names).toContain('gpu against float64: gradient of momentum by u, b');
  });

  it('verify: a wrong sign is found', async () => {
    const { status, stdout } = await within(cwd, ['verify', 'wrong.json', '--json']);
    const failed = JSON.parse(stdout).cases[0].quantities.filter(({ ok }: { ok: boolean }) => !ok);
    expect([status, failed.length]).toEqual([1, 1]);
    expect(failed[0]).toMatchObject({ name: 'float64: exact solution in induction' });
    expect(failed[0].relativeError).toBeGreaterThan(0.1);
  });

  it('verify: what the reference solution says nothing about is left out', async () => {
    const { status, stdout } = await within(cwd, ['verify', 'half.json', '--json']);
    const exact = JSON.parse(stdout).cases[0].quantities.flatMap(({ name }: { name: string }) =>
      name.startsWith('float64') ? [name] : [],
    );
    expect([status, exact]).toEqual([
      0,
      ['float64: exact solution in u at y = -1', 'float64: exact solution in u at y = 1'],
    ]);
  });

  it('verify: a file that is a program, in a process of its own', async () => {
    const { status, stdout } = await tapir(['verify', resolve('examples/wave.mjs')], { cwd });
    expect([status, stdout]).toEqual([0, expect.stringContaining('float64: exact solution in wave')]);
  });

  it('ntk: at every coupling of the file', async () => {
    const { status, stdout, stderr } = await within(cwd, ['ntk', 'own.json', '--all', '--seed', '42', '--json']);
    expect(status, stderr).toBe(0);
    const { system, means } = JSON.parse(stdout);
    expect([system, means.map(({ coupling }: { coupling: number }) => coupling)]).toEqual([
      'hartmann',
      hartmann.coupling.values,
    ]);
    for (const { ntk, preconditioned } of means) expect([ntk > 0, preconditioned > 0.9]).toEqual([true, true]);
  });

  it('bench steps: both optimizers', async () => {
    const { status, stdout, stderr } = await within(
      cwd,
      ['bench', 'steps', '--system', 'own.json', '--quick', '--json'],
      benchCommand(),
    );
    expect(status, stderr).toBe(0);
    const { steps, kernels } = JSON.parse(stdout);
    expect(steps.map(({ origin, optimizer }: Record<string, string>) => `${origin} ${optimizer}`)).toEqual([
      'hartmann adam',
      'hartmann soap',
    ]);
    expect([steps[0].networks, steps[0].points, kernels]).toEqual([2, 22, undefined]);
  });

  it('explain: its tape', async () => {
    const { status, stdout } = await within(cwd, ['explain', 'own.json', 'tape']);
    expect([status, stdout]).toEqual([0, expect.stringContaining('param.Ha')]);
  });
});

describe('is refused in one line', () => {
  it.each<[string, readonly string[], RegExp]>([
    [
      'a parameter that is not there',
      ['sweep', 'own.json', '--set', 'Hb=1,2'],
      /hartmann has no parameter Hb; it has Ha/,
    ],
    ["a name of Object's", ['sweep', 'own.json', '--set', 'toString=1,2'], /has no parameter toString/],
    ['no values', ['sweep', 'own.json', '--set', 'Ha='], /--set takes name=value or name=value,value, not Ha=/],
    ['a gap in values', ['sweep', 'own.json', '--set', 'Ha=1,,2'], /--set Ha must be a finite number, not/],
    ['a value twice', ['sweep', 'own.json', '--set', 'Ha=1,2,1'], /--set Ha names 1 twice/],
    ['a seed twice', ['sweep', 'own.json', '--seeds', '1,1'], /--seeds names 1 twice/],
    ['a value out of range', ['sweep', 'own.json', '--set', 'Ha=1,-1'], /Ha must be a positive number, not -1/],
    ['a value beyond the reference', ['sweep', 'own.json', '--set', 'Ha=1,900'], /u_exact is NaN at y = -1.*Ha = 900/],
    [
      'an optimizer that no sweep knows',
      ['sweep', 'own.json', '--optimizer', 'adam,sgd'],
      /one of adam, soap, gauss-newton, not sgd/,
    ],
    [
      'a weighting that is not there',
      ['sweep', 'own.json', '--weighting', 'gn'],
      /one of none, grad-norm, lra, not gn/,
    ],
    ['values for a preset', ['sweep', 'quick', '--set', 'gamma=1,2'], /--set is for a sweep over a system.*quick has/],
    ['optimizers for a preset', ['sweep', 'quick', '--optimizer', 'adam'], /--optimizer is for a sweep over a system/],
    ['a system without parameters', ['sweep', 'plain.json'], /plain has no parameter to sweep over/],
    ['a file that is gone', ['sweep', 'gone.json', '--set', 'Ha=1'], /gone\.json: there is no such file/],
    ['a file to verify that is gone', ['verify', 'gone.json'], /gone\.json cannot be read/],
    ['a program to verify that is gone', ['verify', 'gone.mjs'], /gone\.mjs: there is no such file/],
    ['every coupling and one', ['ntk', 'own.json', '--all', '--set', 'Ha=1'], /--all takes every published Ha/],
    ['a part that is of no system', ['bench', 'peers', '--system', 'own.json'], /--system is for .*, not for peers/],
    ['a system that is not there', ['bench', 'steps', '--system', 'Hartmann'], /there is no system Hartmann/],
    ['a file to tune for that is gone', ['tune', 'gone.json'], /gone\.json: there is no such file/],
    ['a report of no sweep', ['report', 'nothing', '--system', 'own.json'], /nothing holds no sweep/],
  ])('%s', async (_, args, says) => {
    const before = readdirSync(cwd);
    expectRefusal(await within(cwd, [...args], benchCommand(), tuneCommand()), says);
    expect(readdirSync(cwd)).toEqual(before);
  });
});
