/** What kernel engineers ask of the benchmark: sweeps, CSV, a picture, intervals, two adapters, a version of their own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { across, acrossText } from '../../bench/across.ts';
import { type BenchResult, select } from '../../bench/bench.ts';
import { benchCommand } from '../../bench/command.ts';
import { compare } from '../../bench/compare.ts';
import { kernelsCsv } from '../../bench/csv.ts';
import { ratioInterval } from '../../bench/interval.ts';
import { withKernelFile } from '../../bench/kernel-file.ts';
import { benchKernels, type KernelRow } from '../../bench/kernels.ts';
import { roofAt, rooflinePage, rooflinePicture } from '../../bench/picture.ts';
import { report } from '../../bench/report.ts';
import type { Roofline } from '../../bench/roofline.ts';
import { originName, squaresOf, workloads } from '../../bench/workloads.ts';
import { type Device, openDevice } from '../../engine/index.ts';
import { pinsPassedOver } from '../../experiments/adapter/choices.ts';
import { library } from '../../kernels/index.ts';
import { generator } from '../support/tensors.ts';

const spread = (ns: number) => ({ medianNs: 1.2 * ns, minNs: ns, p90Ns: 2 * ns, samples: 9 });
const ceiling = (workingSet: number, perSecond: number) => ({ name: 'copy', perSecond, workingSet, time: spread(1) });
const roofline: Roofline = {
  compute: [ceiling(0, 100e9)],
  memory: [ceiling(2 ** 20, 20e9), ceiling(2 ** 27, 5e9)],
  peakFlops: 100e9,
  peakBandwidth: 20e9,
};
const row = (version: string, intensity: number, gflops: number): KernelRow => ({
  kernel: 'matmul',
  version,
  origin: 'thermoelasticity',
  shapes: '[2,3] [3,2]',
  params: {},
  error: 1e-7,
  tolerance: 1e-5,
  figures: {
    time: spread(1e6 / gflops),
    dispatches: 1,
    flops: 1e6,
    bytes: 1e6 / intensity,
    gflops,
    gbytes: gflops / intensity,
    intensity,
    share: gflops / 100,
    boundBy: 'arithmetic',
  },
});
const { figures: _, ...untimed } = row('wrong, "quoted"', 1, 1);
const kernels = [row('simple', 2, 3), row('tile', 2, 30), { ...untimed, refused: 'error 1 > 0' }];
const result = (more: Partial<BenchResult> = {}): BenchResult => ({
  date: '2026-01-01T00:00:00.000Z',
  machine: { adapter: 'llvmpipe', software: true, cpu: 'c', cores: 2, node: 'v20' } as BenchResult['machine'],
  load: 0,
  clock: 'wall clock',
  quick: true,
  dispatch: { empty: spread(1), dependent: spread(1), submission: spread(1) },
  roofline,
  kernels,
  ...more,
});

describe('the interval of a ratio', () => {
  const noisy = (seed: number, ns: number) => {
    const random = generator(seed);
    return Array.from({ length: 41 }, () => ns * (1 + 0.1 * random()));
  };

  it('holds the true ratio, is narrow for steady times and the same every time', () => {
    const [low, high] = ratioInterval(noisy(1, 1), noisy(2, 1.5))!;
    expect(low).toBeLessThan(1.5);
    expect(high).toBeGreaterThan(1.5);
    expect(high - low).toBeLessThan(0.15);
    expect(ratioInterval(noisy(1, 1), noisy(2, 1.5))).toEqual([low, high]);
  });

  it('covers 95 of 100 ratios or nearly so', () => {
    const covered = Array.from({ length: 100 }, (_, k) => ratioInterval(noisy(2 * k, 1), noisy(2 * k + 1, 2))!);
    const held = covered.filter(([low, high]) => low <= 2 && 2 <= high).length;
    expect(held).toBeGreaterThanOrEqual(88);
  });

  it('ignores what befalls both in a turn, and says nothing of four turns', () => {
    const slow = (k: number) => (k % 2 === 0 ? 1 : 3);
    const ours = Array.from({ length: 40 }, (_, k) => slow(k));
    const theirs = ours.map((ns) => 2 * ns);
    const [low, high] = ratioInterval(ours, theirs)!;
    expect([low, high]).toEqual([2, 2]);
    expect(ratioInterval([1, 1, 1, 1], [2, 2, 2, 2])).toBeUndefined();
  });
});

describe('kernels as CSV', () => {
  it('have a line each, quoted where it must be, what was refused among them', () => {
    const [head, first, , refused, end] = kernelsCsv(kernels).split('\r\n');
    expect(head).toMatch(/^kernel,version,origin,shapes,median_ns,min_ns,/);
    expect(first).toMatch(/^matmul,simple,thermoelasticity,"\[2,3\] \[3,2\]",/);
    expect(refused).toMatch(/^matmul,"wrong, ""quoted""",.*,,,,.*error 1 > 0$/);
    expect(end).toBe('');
  });
});

describe('the roofline as a picture', () => {
  it('has a roof for every working set and every version that was timed', () => {
    const svg = rooflinePicture(result());
    expect(svg).toMatch(/^<svg/);
    for (const text of ['simple', 'tile', '20.0 GB/s, copy of 1 MiB', '5.0 GB/s, copy of 128 MiB', 'llvmpipe'])
      expect(svg).toContain(text);
    expect(svg).not.toContain('quoted');
    expect(svg).not.toContain('NaN');
  });

  it('rises with the intensity up to the peak', () => {
    expect([1, 5, 50].map((intensity) => roofAt(roofline, 20e9, intensity))).toEqual([20, 100, 100]);
  });

  it('is a page with the figures', () => {
    const page = rooflinePage(result());
    expect(page.match(/<tr>/g)).toHaveLength(3);
    expect(page).toContain(
      '<td>matmul.tile</td><td>thermoelasticity</td><td>[2,3] [3,2]</td><td>2.0</td><td>30.00</td>',
    );
  });

  it('needs kernels', () => {
    expect(() => rooflinePicture(result({ kernels: [] }))).toThrow('measure kernels');
  });
});

describe('two adapters', () => {
  const other = result({
    machine: { ...result().machine, adapter: 'a GPU' },
    kernels: kernels.map((each) =>
      each.figures ? { ...each, figures: { ...each.figures, time: spread(100) } } : each,
    ),
  });

  it('stand side by side, every figure that both have', () => {
    const figures = across(result(), other);
    expect(figures.map(({ faster }) => Math.round(faster))).toEqual([3333, 333]);
    const text = acrossText(result(), other, figures);
    expect(text).toContain('B a GPU');
    expect(text).toMatch(/kernel matmul\.tile, thermoelasticity \[2,3\] \[3,2\] +0\.0333 +0\.0001 +333 x/);
    expect(text).toMatch(/peak, GFLOP\/s +100 +100 +1\.00 x/);
  });

  it('are told of where a verdict was asked for', () => {
    expect(() => compare(result(), other)).toThrow(/--across shows them side by side/);
    expect(() => across(result(), result({ kernels: [] }))).toThrow('no figure in common');
  });
});

describe('a sweep over sizes', () => {
  it('takes networks of these widths and square matrices, of kernels alone', () => {
    const { parts, origins, sizes, squares } = select(library, { names: ['kernels'], quick: true, sizes: [16, 32] });
    expect({ parts, sizes, squares }).toEqual({ parts: ['roofline', 'kernels'], sizes: [16, 32], squares: false });
    expect(origins.map(originName)).toEqual(['thermoelasticity, width 16', 'thermoelasticity, width 32']);
    expect(squaresOf(library, [16]).map(({ shapes }) => shapes)).toEqual([
      [
        [16, 16],
        [16, 16],
      ],
    ]);
    expect(() => select(library, { names: ['steps'], quick: true, sizes: [16] })).toThrow('--sizes is for kernels');
  });
});

describe('a version of one’s own', () => {
  const file = join(import.meta.dirname, 'own-version.mjs');
  const folder = mkdtempSync(join(tmpdir(), 'tapir-own-'));
  let device: Device;
  beforeAll(async () => {
    device = await openDevice();
  });
  afterAll(async () => {
    await device?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const measured = async (from: string) => {
    const own = await withKernelFile(library, from);
    const works = squaresOf(own, [48]);
    const clock = { method: 'wall clock', emptyNs: 0 } as const;
    const effort = { budgetMs: 5, least: 2 };
    const rows = await benchKernels({
      device,
      roofline,
      clock,
      effort,
      workloads: works,
      versions: { matmul: 'rows' },
    });
    return rows[0]!;
  };

  it('is validated, timed and placed on the roofline', async () => {
    const row = await measured(file);
    expect(row).toMatchObject({ kernel: 'matmul', version: 'rows', origin: 'square matrices' });
    expect(row.error).toBeGreaterThan(0);
    expect(row.error).toBeLessThan(row.tolerance);
    expect(row.figures!.flops).toBe(2 * 48 ** 3);
    expect(row.figures!.time.minNs).toBeGreaterThan(0);
  });

  it('is refused where it is wrong, not timed', async () => {
    const wrong = join(folder, 'wrong.mjs');
    writeFileSync(
      wrong,
      `import own from ${JSON.stringify(file)};
const build = (call) => {
  const [[rows]] = own.version.build(call).stages;
  const code = (...given) => rows.code(...given).map((line) => line.replace('k = 0u', 'k = 1u'));
  return { stages: [[{ ...rows, code }]] };
};
export default { ...own, version: { ...own.version, build } };
`,
    );
    const row = await measured(wrong);
    expect(row.refused).toMatch(/^error .* > /);
    expect(row.figures).toBeUndefined();
  });

  it.each([
    ['none.mjs', undefined, /--kernel-file .*none.mjs: there is no such file; name a module/],
    ['broken.mjs', 'export default {', /it does not load: /],
    ['empty.mjs', 'export default 1;', /its default export is no { kernel, version }/],
    ['half.mjs', 'export default { kernel: "matmul", version: { name: "a", why: "b" } };', /version.supports/],
    [
      'lost.mjs',
      `import own from ${JSON.stringify(file)}; export default { ...own, kernel: 'fft' };`,
      /no kernel fft; there/,
    ],
    [
      'taken.mjs',
      `import own from ${JSON.stringify(file)}; export default { ...own, version: { ...own.version, name: 'tile' } };`,
      /matmul has a version tile already/,
    ],
  ])('%s is one line that says what would be right', async (name, text, message) => {
    const path = join(folder, name);
    if (text !== undefined) writeFileSync(path, text);
    await expect(withKernelFile(library, path)).rejects.toThrow(message);
  });
});

describe('a pin that cannot serve every call', () => {
  const served = { 'matmul [2,3] [3,2]': 'simple', 'matmul ta [64,64] [64,64]': 'tile', 'qr [2,8,8]': 'simple' };

  it('is told of once for each kernel, with a call and what served it', () => {
    expect(pinsPassedOver(served, { matmul: 'tile', qr: 'simple' })).toEqual([
      '--kernel matmul=tile cannot serve 1 of 2 calls, for instance matmul [2,3] [3,2]: simple does',
    ]);
    expect(pinsPassedOver(served, {})).toEqual([]);
  });

  it('stands under the training steps', () => {
    const memory = { total: 1, parameters: 1, optimizerState: 0, activations: 0, data: 0 };
    const step = { origin: 'o', optimizer: 'soap', networks: 1, points: 1, time: spread(1), stepsPerSample: 1 };
    const rows = [{ ...step, dispatches: 1, flops: 1, bytes: 1, memory, kernels: served, scopes: [] }];
    const text = report(result({ steps: [...rows, ...rows], pins: { matmul: 'tile' } }));
    expect(text.match(/cannot serve/g)).toHaveLength(1);
  });
});

describe('bad input', () => {
  const run = (...args: string[]) =>
    benchCommand()
      .exitOverride()
      .configureOutput({ writeErr: () => {} })
      .parseAsync(args, { from: 'user' });

  it.each([
    [['kernels', '--sizes', '64,x'], /--sizes must be a whole number of at least 1 and at most 16384, not x/],
    [['peers', '--sizes', '64'], /--sizes is for kernels, not for peers/],
    [['kernels', '--picture', 'roofline.png'], /--picture roofline.png: name a file that ends in .svg or .html/],
    [['steps', '--csv', 'k.csv'], /k.csv takes kernels that were timed: measure kernels/],
    [['kernels', '--csv', tmpdir()], /--csv .* is a folder; name a file/],
    [['kernels', '--kernel-file', 'no.mjs'], /--kernel-file no.mjs: there is no such file/],
  ])('%s is one line that says what would be right', async (args, message) => {
    await expect(run(...args)).rejects.toThrow(message);
  });
});

it('widths reach the kernels', async () => {
  const device = await openDevice();
  try {
    const matmul = library.filter(({ name }) => name === 'dense_jet');
    const [work] = workloads(matmul, device, [{ system: 'thermoelasticity', runs: 1, width: 16 }]);
    expect(work).toMatchObject({ origin: 'thermoelasticity, width 16' });
    expect(work!.shapes[1]).toEqual([2, 16, 16]);
  } finally {
    await device.close();
  }
});

describe('caches that hold none of the data', () => {
  it('have a column of their own, where they were asked for', () => {
    const timed = row('tile', 2, 30);
    const cold = [{ ...timed, figures: { ...timed.figures!, cold: spread(7e6) } }];
    expect(report(result({ kernels: cold }))).toMatch(/\bcold\b[\s\S]*8\.40/);
    expect(report(result())).not.toMatch(/\bcold\b/);
    expect(kernelsCsv(cold)).toMatch(/cold_median_ns[\s\S]*,8400000,/);
  });
});
