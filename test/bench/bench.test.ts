/** The benchmark: what it measures is right before it is timed, finite, below the roof, and refused where it is wrong. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type BenchResult, select } from '../../bench/bench.ts';
import { benchCommand } from '../../bench/command.ts';
import { measureDispatch } from '../../bench/dispatch.ts';
import { benchKernels } from '../../bench/kernels.ts';
import { report } from '../../bench/report.ts';
import { bandwidthFor, bound, type Ceiling, type Roofline } from '../../bench/roofline.ts';
import { byScope } from '../../bench/steps.ts';
import { QUICK, spread } from '../../bench/timing.ts';
import { squares, workloads } from '../../bench/workloads.ts';
import { type Device, type Kernel, openDevice } from '../../engine/index.ts';
import { library } from '../../kernels/index.ts';
import { mistaken } from '../support/mistake.ts';

const jet = library.find(({ name }) => name === 'dense_jet')!;

const time = { medianNs: 2, minNs: 1, p90Ns: 3, samples: 3 };
const ceiling = (workingSet: number, perSecond: number): Ceiling => ({ name: 'copy', perSecond, workingSet, time });
const roofline: Roofline = {
  compute: [ceiling(0, 100e9)],
  memory: [ceiling(1e6, 20e9), ceiling(1e8, 5e9)],
  peakFlops: 100e9,
  peakBandwidth: 20e9,
};

describe('the command', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tapir-bench-'));
  let result: BenchResult;
  let printed = '';
  beforeAll(async () => {
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      printed += text;
      return true;
    });
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const command = benchCommand([jet]);
    const args = ['kernels', '--quick', '--json', '--kernel', 'dense_jet=staged', '--out', join(folder, 'bench.json')];
    await command.parseAsync(args, { from: 'user' });
    vi.restoreAllMocks();
    result = JSON.parse(printed) as BenchResult;
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('puts one JSON document on stdout and the same, with the machine, in the file', () => {
    expect(JSON.parse(readFileSync(join(folder, 'bench.json'), 'utf8'))).toEqual(result);
    expect(result.machine.adapter).not.toBe('');
    expect(result.machine.node).toBe(process.version);
  });

  it('measures the pinned version alone, validated and finite', () => {
    expect(result.kernels!.map(({ version }) => version)).toEqual(['staged']);
    for (const { figures, error, tolerance } of result.kernels!) {
      expect(error).toBeGreaterThan(0);
      expect(error).toBeLessThanOrEqual(tolerance);
      for (const value of Object.values(figures!).filter((each) => typeof each === 'number'))
        expect(value).toBeGreaterThan(0);
      for (const value of Object.values(figures!.time)) expect(Number.isFinite(value) && value > 0).toBe(true);
      expect(figures!.time.minNs).toBeLessThanOrEqual(figures!.time.medianNs);
      expect(figures!.time.medianNs).toBeLessThanOrEqual(figures!.time.p90Ns);
    }
  });

  it('finds the kernel below the roof', () => {
    for (const { figures } of result.kernels!) {
      expect(figures!.share).toBeGreaterThan(0);
      expect(figures!.share).toBeLessThanOrEqual(1.2);
    }
    expect(result.roofline!.peakFlops).toBeGreaterThan(1e9);
    expect(result.roofline!.peakBandwidth).toBeGreaterThan(1e8);
  });

  it('prints a table of at most 100 columns', () => {
    const lines = report(result).split('\n');
    expect(lines.filter((line) => line.length > 100)).toEqual([]);
    expect(lines.join('\n')).toContain('dense_jet, thermoelasticity: [2,3,64,202] [2,64,64] [2,64]');
  });
});

describe('a kernel that is wrong', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice();
  });
  afterAll(() => device.close());

  /** The simple version without the last of its terms, in every layer. */
  const planted: Kernel = {
    ...jet,
    versions: jet.versions.slice(0, 1).map((version) => ({
      ...mistaken(version, (code) => code.replace(/(\w) < (\d+)u; \1\+\+/, (_, d, n) => `${d} < ${n - 1}u; ${d}++`)),
      name: 'planted',
    })),
  };

  it('is refused, not timed', async () => {
    const works = workloads([planted], device, [{ system: 'thermoelasticity', runs: 1 }]);
    const [row, ...others] = await benchKernels({
      device,
      roofline,
      clock: { method: 'wall clock', emptyNs: 0 },
      effort: QUICK,
      workloads: works,
    });
    expect(others).toEqual([]);
    expect(row).toMatchObject({ kernel: 'dense_jet', version: 'planted' });
    expect(row!.refused).toMatch(/^error .* > /);
    expect(row!.figures).toBeUndefined();
  });

  it('would not be seen if it were right', async () => {
    const works = workloads([jet], device, [{ system: 'thermoelasticity', runs: 1 }]);
    const [row] = await benchKernels({
      device,
      roofline,
      clock: { method: 'wall clock', emptyNs: 0 },
      effort: QUICK,
      workloads: works,
      versions: { dense_jet: 'simple' },
    });
    expect(row!.refused).toBeUndefined();
    expect(row!.figures!.time.medianNs).toBeGreaterThan(0);
  });

  it('runs its dispatches in order and counts them', async () => {
    const { empty, dependent, submission } = await measureDispatch(device, 3);
    for (const each of [empty, dependent, submission]) expect(each.medianNs).toBeGreaterThan(0);
  });
});

describe('the roofline', () => {
  it('takes the fastest copy of a working set at least as large', () => {
    expect(bandwidthFor(roofline, 1e5)).toBe(20e9);
    expect(bandwidthFor(roofline, 1e7)).toBe(5e9);
    expect(bandwidthFor(roofline, 1e12)).toBe(5e9);
  });

  it('says what bounds a kernel', () => {
    expect(bound(roofline, 1e9, 1)).toEqual({ ns: 1e7, by: 'arithmetic' });
    expect(bound(roofline, 1, 1e6)).toEqual({ ns: 5e4, by: 'memory' });
  });
});

describe('figures', () => {
  it('are the median, the fastest and the 90th percentile', () => {
    const tenths = Array.from({ length: 11 }, (_, k) => 10 - k);
    expect(spread(tenths)).toEqual({ medianNs: 5, minNs: 0, p90Ns: 9, samples: 11 });
  });

  it('of dispatches of one scope and kernel are added', () => {
    const timing = (scope: string, kernel: string, ns: number) => ({ scope, kernel, ns, flops: 0, bytes: 0 });
    expect(byScope([timing('a', 'k.v/one', 1), timing('b', 'k.v', 5), timing('a', 'k.v/two', 2)])).toEqual([
      { scope: 'b', kernel: 'k.v', dispatches: 1, ns: 5 },
      { scope: 'a', kernel: 'k.v', dispatches: 2, ns: 3 },
    ]);
  });
});

describe('bad input', () => {
  const run = (...args: string[]) =>
    benchCommand()
      .exitOverride()
      .configureOutput({ writeErr: () => {} })
      .parseAsync(args, { from: 'user' });

  it.each([
    [['kernel'], /there is nothing called kernel to measure; there are roofline, kernels, steps, laplacian/],
    [
      ['--only', 'fft'],
      /--only fft leaves no roofline, kernels, steps, laplacian, stack to measure; there are dense_jet/,
    ],
    [['steps', '--only', 'vjp'], /--only vjp leaves no steps to measure; there are thermoelasticity/],
    [['--kernel', 'dense_jet=best'], /dense_jet has no version best; it has simple/],
    [['--out', 'no/such/folder/b.json'], /there is no folder no\/such\/folder; create it first/],
    [['--out', tmpdir()], /--out .* is a folder; name a file/],
    [['--markdown', tmpdir()], /--markdown .* is a folder; name a file/],
    [['peers', '--authors', 'no/such'], /--authors no\/such: there is no such folder; name a checkout/],
    [['compare', 'a.json'], /missing required argument 'after'/],
    [['compare', 'no/a.json', 'no/b.json'], /there is no file no\/a.json; tapir bench --out writes one/],
    [['compare', 'package.json', 'package.json'], /package.json is no result of tapir bench/],
  ])('%s is one line that says what would be right', async (args, message) => {
    await expect(run(...args)).rejects.toThrow(message);
  });

  it('selects by part, by kernel and by system', () => {
    const all = select(library, { names: [], quick: false });
    expect(all.parts).toEqual(['roofline', 'kernels', 'steps', 'laplacian', 'stack']);
    expect(all.steps.map(({ system }) => system)).toContain('symmetric');
    expect(select(library, { names: ['steps'], quick: true }).steps).toEqual([{ system: 'thermoelasticity', runs: 1 }]);
    expect(select(library, { names: [], only: 'vjp', quick: false }).library.map(({ name }) => name)).toEqual([
      'vjp(dense_jet)',
    ]);
    const reaction = select(library, { names: [], only: 'reaction', quick: true });
    expect(reaction.origins).toEqual([{ system: 'reaction-diffusion', runs: 1 }]);
    expect(reaction.stacks).toEqual(['reaction-diffusion']);
    expect(reaction.parts).toEqual(['roofline', 'kernels', 'steps', 'stack']);
    expect(select(library, { names: ['peers'], only: 'thermo', quick: true }).parts).toEqual(['peers']);
  });

  it('has large matrices where kernels are measured, larger ones on a GPU', () => {
    const squaresOf = (options: { only?: string; quick: boolean }) =>
      select(library, { names: [], ...options }).squares;
    expect(squaresOf({ quick: false })).toBe(true);
    expect(squaresOf({ only: 'matmul', quick: false })).toBe(true);
    expect(squaresOf({ only: 'matmul', quick: true })).toBe(false);
    expect(squaresOf({ only: 'thermo', quick: false })).toBe(false);
    const shapesOn = (software: boolean) => squares(library, { software }).map(({ shapes }) => shapes);
    expect(shapesOn(true)).toEqual([
      [
        [512, 512],
        [512, 512],
      ],
    ]);
    expect(shapesOn(false)).toEqual([
      [
        [2048, 2048],
        [2048, 2048],
      ],
    ]);
  });
});
