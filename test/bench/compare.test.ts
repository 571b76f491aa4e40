/** Comparing two runs: what is noise, what is a regression, what cannot be compared. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import type { BenchResult } from '../../bench/bench.ts';
import { benchCommand } from '../../bench/command.ts';
import { compare, comparisonText } from '../../bench/compare.ts';

const spread = (minNs: number, medianNs = 1.01 * minNs) => ({ minNs, medianNs, p90Ns: 1.1 * medianNs, samples: 9 });
const step = (minNs: number, more = {}) => ({
  origin: 'thermoelasticity',
  optimizer: 'soap',
  networks: 2,
  points: 202,
  time: spread(minNs),
  stepsPerSample: 9,
  dispatches: 42,
  flops: 1,
  bytes: 1000,
  memory: { total: 1000, parameters: 100, optimizerState: 200, activations: 600, data: 100 },
  kernels: {},
  scopes: [],
  ...more,
});

const run = (more: Partial<BenchResult> = {}, machine = {}): BenchResult => ({
  date: '2026-01-01T00:00:00.000Z',
  machine: { adapter: 'llvmpipe', cpu: 'a', cores: 2, ...machine } as BenchResult['machine'],
  load: 0,
  clock: 'wall clock',
  quick: false,
  dispatch: { empty: spread(1), dependent: spread(1), submission: spread(1) },
  steps: [step(10e6)],
  ...more,
});

const verdicts = (a: BenchResult, b: BenchResult) =>
  compare(a, b).changes.flatMap(({ figure, verdict }) => (verdict === 'same' ? [] : [`${verdict}: ${figure}`]));

describe('comparing', () => {
  it('a run with itself finds nothing', () => {
    expect(verdicts(run(), run())).toEqual([]);
    expect(compare(run(), run()).ok).toBe(true);
  });

  it('finds a step that is 20 % slower, and one that is faster is no regression', () => {
    const slower = run({ steps: [step(12e6)] });
    expect(verdicts(run(), slower)).toEqual(['slower: step thermoelasticity, soap']);
    expect(compare(run(), slower).ok).toBe(false);
    expect(verdicts(slower, run())).toEqual(['faster: step thermoelasticity, soap']);
    expect(compare(slower, run()).ok).toBe(true);
  });

  it('takes as noise what is below 5 %, what the samples scatter, what fastest and median do not both say', () => {
    expect(verdicts(run(), run({ steps: [step(10.4e6)] }))).toEqual([]);
    expect(verdicts(run(), run({ steps: [step(12e6, { time: spread(12e6, 16e6) })] }))).toEqual([]);
    expect(verdicts(run(), run({ steps: [step(10e6, { time: spread(10e6, 14e6) })] }))).toEqual([]);
  });

  it('takes as noise as much as the peak of the roofline moved', () => {
    const roof = (peakFlops: number) => ({ compute: [], memory: [], peakFlops, peakBandwidth: 1 });
    const [a, b] = [run({ roofline: roof(50e9), peakAtEnd: 50e9 }), run({ roofline: roof(35e9), steps: [step(12e6)] })];
    expect(verdicts(a, b)).toEqual([]);
    expect(verdicts(a, { ...b, roofline: roof(50e9) })).toEqual(['slower: step thermoelasticity, soap']);
  });

  it('gives counts no noise: one dispatch or byte more is more', () => {
    expect(verdicts(run(), run({ steps: [step(10e6, { dispatches: 43, bytes: 1001 })] }))).toEqual([
      'more: dispatches of step thermoelasticity, soap',
      'more: bytes of step thermoelasticity, soap',
    ]);
  });

  it('finds what is refused now, in every part', () => {
    const row = { way: 'fused kernel', what: 'u_xx', error: 0, tolerance: 1, dispatches: 7, bytes: 1 } as const;
    const job = { system: 'thermoelasticity', work: 'gradient', runs: 1 } as const;
    const peer = { peer: 'P', job, variant: 'eager' };
    const a = run({
      laplacian: [{ ...row, time: spread(1e6) }],
      peers: { ours: [], rows: [{ ...peer, ours: spread(1e6), theirs: spread(2e6) }] },
    });
    const b = run({
      laplacian: [{ ...row, refused: 'error 1 > 0' }],
      peers: { ours: [], rows: [{ ...peer, refused: 'its numbers are not ours' }] },
    });
    expect(verdicts(a, b)).toEqual([
      'refused: laplacian fused kernel, u_xx',
      'refused: our thermoelasticity, gradient beside P, eager',
    ]);
  });

  it('names what is missing, without failing', () => {
    const { missing, ok } = compare(
      run({ steps: [step(1e6), step(1e6, { optimizer: 'adam' })] }),
      run({ steps: [step(1e6)] }),
    );
    expect({ missing, ok }).toEqual({ missing: ['step thermoelasticity, adam'], ok: true });
  });

  it('refuses other machines and runs with nothing in common', () => {
    expect(() => compare(run(), run({}, { adapter: 'a GPU' }))).toThrow(
      'times of two machines cannot be compared: adapter llvmpipe and a GPU',
    );
    expect(() => compare(run(), run({ steps: [] }))).toThrow(/no figure in common/);
  });
});

describe('tapir bench compare', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tapir-compare-'));
  const file = (name: string, result: BenchResult) => {
    writeFileSync(join(folder, name), JSON.stringify(result));
    return join(folder, name);
  };
  const before = file('a.json', run());
  const after = file('b.json', run({ steps: [step(15e6)] }));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  afterEach(() => {
    vi.restoreAllMocks();
    process.exitCode = undefined;
  });

  async function command(...args: string[]) {
    let printed = '';
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      printed += text;
      return true;
    });
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    await benchCommand().parseAsync(['compare', ...args], { from: 'user' });
    return printed;
  }

  it('exits with 1 and says which figure regressed and by how much', async () => {
    const printed = await command(before, after);
    expect(process.exitCode).toBe(1);
    expect(printed).toMatch(/SLOWER +step thermoelasticity, soap +\+50 % +\+50 % +5 %/);
    expect(printed).toContain('1 regression.');
  });

  it('exits with 0 where there is none', async () => {
    expect(await command(after, before)).toContain('No regression.');
    expect(process.exitCode).toBeUndefined();
  });

  it('puts one JSON document on stdout', async () => {
    const { ok, changes } = JSON.parse(await command(before, after, '--json'));
    expect(ok).toBe(false);
    expect(changes[0]).toMatchObject({ figure: 'step thermoelasticity, soap', fastest: 1.5, verdict: 'slower' });
  });

  it('prints at most 100 columns', () => {
    const [a, b] = [run(), run({ steps: [step(15e6)] })];
    const lines = comparisonText(a, b, compare(a, b)).split('\n');
    expect(lines.filter((line) => line.length > 100)).toEqual([]);
  });
});
