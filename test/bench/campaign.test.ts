/** The campaign's record and command, without running a step of it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { campaignMarkdown } from '../../bench/campaign-page.mjs';

let out = '';
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), 'tapir-'));
});
afterEach(() => rmSync(out, { recursive: true, force: true }));

const put = (name: string, value: unknown) => writeFileSync(join(out, name), JSON.stringify(value));
const goals = (page: string) => page.split('\n').filter((line) => /\| (at (most|least)|told)/.test(line));
const steps = { 'paper-thermoelasticity': { status: 'under way', calls: 2, seconds: 600, last: 'a | b' } };
const spread = (ns: number) => ({ medianNs: ns, minNs: ns, p90Ns: ns, samples: 9 });

describe('the record', () => {
  it('says of every goal that it is unmeasured on a GPU where no GPU was', () => {
    put('bench-steps.json', { steps: [{ origin: 'thermoelasticity', optimizer: 'soap', time: spread(7e6) }] });
    for (const doctor of [undefined, { adapter: 'llvmpipe', software: true }]) {
      if (doctor) put('doctor.json', doctor);
      const lines = goals(campaignMarkdown(out, { small: true, steps: {} }));
      expect(lines).toHaveLength(8);
      for (const line of lines) expect(line).toContain('| unmeasured on a GPU |');
      expect(lines[0]).toContain('| 7.00 ms |');
    }
  });

  it('holds figures of a GPU, and names what is unmeasured there', () => {
    put('doctor.json', { adapter: 'NVIDIA H100', software: false, cpu: 'c', cores: 16 });
    const train = { pace: { fastest: 0.98, medians: 1 } };
    put('bench-steps.json', { steps: [{ origin: 'thermoelasticity', optimizer: 'soap', time: spread(1.5e5), train }] });
    put('bench-stack.json', { stack: [{ height: 90, optimizer: 'soap', time: spread(1.75e6) }] });
    const matmul = { kernel: 'matmul', origin: 'large matrices' };
    put('bench-kernels.json', { kernels: [10e3, 20e3].map((gflops) => ({ ...matmul, figures: { gflops } })) });
    put('product.json', { gflops: 50e3 });
    const rows = [
      { peer: 'JAX 0.11', variant: 'eager', ratio: { medians: 90 } },
      { peer: 'JAX 0.11', variant: 'jit', ratio: { medians: 3.456 } },
    ];
    put('bench-peers.json', { peers: { rows } });
    const page = campaignMarkdown(out, { small: false, steps });
    const said = [
      '0.150 ms',
      '1.75 ms',
      'unmeasured',
      '102.0 %',
      'unmeasured',
      '3.46 times',
      'unmeasured',
      '40 % of 50.0',
    ];
    goals(page).forEach((line, k) => {
      expect(line).toContain(`| ${said[k]}`);
    });
    expect(page).toContain('| paper-thermoelasticity | under way | 2 | 600 | a \\| b |');
  });
});

describe('the command', () => {
  const run = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['bench/campaign.mjs', ...args], {
      encoding: 'utf8',
    });
    return { status, stdout, stderr };
  };

  it('says what it takes, and refuses what it does not', () => {
    expect(run('--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('--minutes X') });
    expect(run('--minutes', 'x')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('a positive number, not x'),
    });
    expect(run('--frob')).toMatchObject({ status: 2, stderr: expect.stringContaining("'--frob'; see --help") });
    expect(readdirSync(out)).toEqual([]);
  });

  it('begins nothing that it has no time for, and goes on where it was', () => {
    const first = run('--small', '--out', out, '--minutes', '0.1');
    expect(first).toMatchObject({
      status: 75,
      stdout: expect.stringMatching(/steps left: 1\d; the same command goes on/),
    });
    const state = JSON.parse(readFileSync(join(out, 'campaign.json'), 'utf8')) as { steps: Record<string, unknown> };
    expect(state.steps).toEqual({});
    expect(run('--out', out, '--minutes', '0.1')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--small'),
    });
    expect(readFileSync(join(out, 'campaign.md'), 'utf8')).toContain('- adapter: unknown');
    const all = ['doctor', 'check', 'verify', 'tune', 'bench-roofline', 'bench-kernels', 'bench-steps', 'bench-stack'];
    const more = ['product', 'bench-peers', 'paper-thermoelasticity', 'paper-reaction-diffusion', 'report'];
    const done = { status: 'done', calls: 1, seconds: 1 };
    const steps = Object.fromEntries([...all, ...more, 'paper-nernst-planck-poisson'].map((name) => [name, done]));
    put('campaign.json', { small: true, steps });
    expect(run('--small', '--out', out, '--minutes', '0.1')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('all is done'),
    });
    put('campaign.json', { small: true, steps: { ...steps, check: { ...done, status: 'failed' } } });
    const again = (...args: string[]) => run('--small', '--out', out, '--minutes', '0.1', ...args);
    expect(again()).toMatchObject({ status: 1, stdout: expect.stringContaining('check failed') });
    expect(again('--retry')).toMatchObject({ status: 75, stdout: expect.stringContaining('steps left: 1;') });
  });
});
