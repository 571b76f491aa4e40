/** `tapir ntk` from the command line: what it prints and writes, and what it refuses. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builder, expectRefusal, runProcess, tapir, within } from '../../support/command.ts';

let cwd = '';
beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'tapir-ntk-'));
  const { status, stderr } = await runProcess(process.execPath, [builder], { cwd });
  expect([status, stderr]).toEqual([0, '']);
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

const small = ['--width', '8', '--depth', '2', '--points', '10', '--seeds', '1,2'];

describe('tapir ntk', () => {
  it('measures all couplings with their slope, and writes figures', async () => {
    const { status, stdout } = await tapir(['ntk', 'symmetric', '--all', ...small, '--out', 'out', '--json'], { cwd });
    expect(status).toBe(0);
    const document = JSON.parse(stdout);
    expect(document).toMatchObject({
      system: 'symmetric',
      parameter: 'k',
      boundary: false,
      threshold: 0,
      seeds: [1, 2],
    });
    expect(document.rows).toEqual([
      { name: 'R1', group: 'interior', count: 10 },
      { name: 'R2', group: 'interior', count: 10 },
    ]);
    expect(document.measurements).toHaveLength(18);
    expect(document.means).toHaveLength(9);
    expect(document.slope.ntk).toBeGreaterThan(1.9);
    expect(document.slope.ntk).toBeLessThan(2.02);
    expect(JSON.parse(readFileSync(join(cwd, 'out', 'ntk.json'), 'utf8'))).toEqual(document);
    expect(readFileSync(join(cwd, 'out', 'ntk-coupling.svg'), 'utf8')).toMatch(/^<svg.*slope/s);
  });

  it.each(['adam', 'soap'])('measures through training with %s', async (optimizer) => {
    const args = ['ntk', 'symmetric', '--k', '10', '--boundary', '--at-epochs', '0,4,9', '--optimizer', optimizer];
    const { status, stdout } = await tapir([...args, ...small, '--out', optimizer], { cwd });
    expect(status).toBe(0);
    expect(stdout).toContain('boundary rows included');
    expect(stdout).toContain('influence of the threshold');
    const document = JSON.parse(readFileSync(join(cwd, optimizer, 'ntk.json'), 'utf8'));
    expect(document.training).toMatchObject({ optimizer, weighting: 'grad-norm' });
    expect(document.means.map(({ epoch }: { epoch: number }) => epoch)).toEqual([0, 4, 9]);
    expect(document.measurements[0].optimizer).toBeUndefined();
    for (const { optimizer: live, epoch } of document.measurements)
      if (epoch > 0) expect(live).toMatchObject({ name: optimizer, lambdaMax: expect.any(Number) });
    for (const { preconditioned } of document.measurements) expect(preconditioned.lambdaMax).toBeCloseTo(2, 3);
    expect(existsSync(join(cwd, optimizer, 'ntk-training.svg'))).toBe(true);
  });

  it('measures through training with Gauss-Newton', async () => {
    const args = ['ntk', 'symmetric', '--k', '10', '--at-epochs', '0,1,3', '--optimizer', 'gauss-newton'];
    const { status, stdout } = await tapir([...args, ...small, '--out', 'newton'], { cwd });
    expect(status).toBe(0);
    expect(stdout).not.toContain('live');
    const { training, measurements } = JSON.parse(readFileSync(join(cwd, 'newton', 'ntk.json'), 'utf8'));
    expect(training).toEqual({ optimizer: 'gauss-newton', weighting: 'none' });
    const [first, second, third] = measurements.map(({ ntk }: { ntk: { lambdaMax: number } }) => ntk.lambdaMax);
    expect(new Set([first, second, third]).size).toBe(3);
    for (const { preconditioned } of measurements) expect(preconditioned.lambdaMax).toBeCloseTo(2, 3);
  });

  it.each([
    [['nothing'], /symmetric/],
    [['symmetric', '--gamma', '1'], /gamma/],
    [['symmetric', '--k', 'x'], /--k/],
    [['symmetric', '--points', '0'], /--points/],
    [['symmetric', '--threshold', '2'], /\[0, 1\)/],
    [['symmetric', '--at-epochs', '5,3'], /--at-epochs/],
    [['symmetric', '--optimizer', 'adam'], /--at-epochs/],
    [['symmetric', '--all', '--k', '3'], /--all/],
    [['symmetric', '--seed', '1', '--seeds', '1,2'], /--seeds/],
    [['table', '--k', '3'], /--k/],
    [['symmetric', '--points', '300'], /200/],
  ])('refuses %j in one line', async (args, remedy) => {
    const outcome = await within(cwd, ['ntk', ...args, '--out', 'refused']);
    expectRefusal(outcome, remedy);
    expect(existsSync(join(cwd, 'refused'))).toBe(false);
  });
});
