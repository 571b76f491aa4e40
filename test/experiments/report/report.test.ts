/** The report of a sweep whose results are made up: statistics, ratios, what is missing, and the page itself. Surfaces need an adapter. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeSafetensors, tensor } from '../../../experiments/disk/safetensors.ts';
import { readRuns, reportOf, statsOf } from '../../../experiments/report/data.ts';
import { spreadOf } from '../../../experiments/report/history.ts';
import { writeReport } from '../../../experiments/report/write.ts';
import { SweepFolder } from '../../../experiments/sweep/folder.ts';
import { sweepPlan } from '../../../experiments/sweep/plan.ts';
import { type Overrides, presetNamed, type RunPlan, systemOf } from '../../../experiments/sweep/presets.ts';
import { published, publishedCell } from '../../../experiments/sweep/published.ts';
import { knownValues } from '../../../systems/index.ts';

let base = '';
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'tapir-'));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

/** Final error of a run, `NaN` where it diverged, undefined where it has not run. */
type Result = (run: RunPlan) => number | undefined;

function sweepOf(preset: string, result: Result, overrides: Overrides = {}): string {
  const path = join(base, preset);
  const plan = sweepPlan(presetNamed(preset), overrides);
  const folder = SweepFolder.open(path, plan, `tapir sweep ${preset}`);
  for (const run of plan.runs) {
    const error = result(run);
    if (error === undefined) continue;
    mkdirSync(join(folder.path, 'runs', run.id));
    for (const [name, contents] of filesOf(run, error))
      writeFileSync(join(folder.path, 'runs', run.id, name), contents);
  }
  return path;
}

function filesOf(run: RunPlan, error: number): Map<string, string | Uint8Array> {
  const system = systemOf(run);
  const fields = Object.keys(system.exact);
  const by = (value: number) => Object.fromEntries(fields.map((field) => [field, value]));
  const losses = { ...Object.fromEntries(Object.keys(system.residuals).map((term) => [term, error])), BC: error / 10 };
  const lines = [25, run.epochs].map((epoch) => {
    const at = epoch === run.epochs ? error : 1;
    return JSON.stringify({ epoch, losses, weights: losses, l2: by(at), mean: at, rmse: at });
  });
  const lost = Number.isNaN(error);
  const summary = {
    ...run,
    params: run.parameters,
    final: { error, l2: by(error), mean: error, rmse: error },
    best: { error: error / 2, epoch: 25 },
    bestLoss: { loss: error, error, epoch: run.epochs },
    losses,
    weights: losses,
    ...(lost ? { diverged: { epoch: 7, term: 'BC', value: 'NaN' } } : {}),
    ...{ msPerStep: 1, stackedWith: 0, dispatchesPerStep: 20, adapter: 'an adapter', finished: '2026-01-02T03:04:05Z' },
  };
  return new Map<string, string | Uint8Array>([
    ['summary.json', JSON.stringify(summary)],
    ['metrics.jsonl', `${lines.join('\n')}\n`],
    ...(lost || run.seed !== 42 ? [] : [['fields.safetensors', exactFields(run)] as const]),
  ]);
}

function exactFields(run: RunPlan): Uint8Array {
  const system = systemOf(run);
  const points = system.evaluation();
  const values = (field: string) => knownValues(system, `${field}_exact`, run.parameters, points);
  const fields = Object.keys(system.exact).map((field) => [field, tensor(Float32Array.from(values(field)))] as const);
  return encodeSafetensors({ tensors: new Map(fields), metadata: {} });
}

describe('statsOf', () => {
  it('divides by n - 1', () => {
    const { mean, std, n } = statsOf([1, 2, 4])!;
    expect(mean).toBeCloseTo(7 / 3, 14);
    expect(std).toBeCloseTo(Math.sqrt(42 / 18), 14);
    expect(n).toBe(3);
  });

  it('says nothing of the deviation of one, and nothing at all of none', () => {
    expect(statsOf([3])).toEqual({ mean: 3, n: 1 });
    expect(statsOf([])).toBeUndefined();
  });
});

describe('spreadOf', () => {
  it('is the median and the percentiles of any order of values', () => {
    const values = Array.from({ length: 101 }, (_, k) => (37 * k) % 101);
    expect(spreadOf(values)).toEqual({ low: 10, median: 50, high: 90 });
    expect(spreadOf([3])).toEqual({ low: 3, median: 3, high: 3 });
    expect(spreadOf([])).toBeUndefined();
  });
});

describe('the published tables', () => {
  it('have every cell', () => {
    const sizes = Object.values(published).map(({ couplings, rows }) => {
      for (const { cells } of rows) {
        expect(cells).toHaveLength(couplings.length);
        for (const { mean, std } of cells) expect(mean > 0 && std > 0).toBe(true);
      }
      return rows.length;
    });
    expect(sizes).toEqual([6, 6, 6, 2]);
  });

  it('are found by system, method and coupling', () => {
    const soap = { optimizer: 'soap', weighting: 'grad-norm' } as const;
    expect(publishedCell('thermoelasticity', soap, 50)).toEqual({ mean: 6.87e-5, std: 8.29e-6 });
    expect(publishedCell('electroosmotic-flow', soap, 0.05)).toEqual({ mean: 1.5e-2, std: 1.07e-2 });
    expect(publishedCell('electroosmotic-flow', { ...soap, weighting: 'none' }, 0.05)).toBeUndefined();
    expect(publishedCell('thermoelasticity', soap, 7)).toBeUndefined();
    expect(publishedCell('symmetric', soap, 1)).toBeUndefined();
  });
});

/** Five times the published value for Adam at gamma 50, a tenth for SOAP at gamma 1, else equal; one seed lost or not run. */
const mixed: Result = (run) => {
  if (run.system !== 'thermoelasticity') return undefined;
  const { mean } = publishedCell(run.system, run, run.coupling.value)!;
  if (run.optimizer === 'adam' && run.coupling.value === 50) return 5 * mean;
  if (run.seed === 123) return run.optimizer === 'adam' ? undefined : Number.NaN;
  return run.optimizer === 'soap' && run.coupling.value === 1 ? mean / 10 : mean;
};

describe('the report of a partial sweep', () => {
  it('compares what is there and names what is not', () => {
    const report = reportOf(readRuns(sweepOf('quick', mixed)));
    expect([report.done, report.planned, report.missing.length]).toEqual([7, 24, 17]);
    const [thermoelasticity, reaction] = report.systems;
    const [adam, soap] = thermoelasticity!.rows;
    expect(adam!.cells.map(({ planned, done, diverged }) => [planned, done, diverged])).toEqual([
      [2, 1, 0],
      [2, 2, 0],
    ]);
    expect(soap!.cells.map(({ done, diverged, final }) => [done, diverged, final?.n])).toEqual([
      [2, 1, 1],
      [2, 1, 1],
    ]);
    expect(adam!.cells.map(({ ratio }) => ratio)).toEqual([1, expect.closeTo(5, 12)]);
    expect(adam!.degradation).toBeCloseTo((5 * 1.4e-3) / 4.34e-3, 12);
    expect(adam!.publishedDegradation).toBeCloseTo(1.4e-3 / 4.34e-3, 12);
    expect(report.far.map((text) => text.split(':')[0])).toEqual([
      'thermoelasticity, Adam+GN, gamma = 50',
      'thermoelasticity, SOAP+GN, gamma = 1',
    ]);
    expect(report.diverged).toContain('thermoelasticity-gamma1-soap-grad-norm-s123: BC is NaN at epoch 7');
    expect(reaction!.rows[0]!.cells[0]).toMatchObject({ done: 0, published: { mean: 1.55e-3 } });
    expect(thermoelasticity!.caveats.join()).toMatch(/1,000 epochs, the paper took 30,000.*2 x 16.*4 x 64/);
  });

  it('is a Markdown file and a page that needs nothing else', async () => {
    const path = sweepOf('quick', mixed);
    const { markdown, html } = await writeReport(path);
    const [text, page] = [readFileSync(markdown, 'utf8'), readFileSync(html, 'utf8')];
    for (const part of [
      'an adapter',
      '2026-01-02',
      'tapir sweep quick',
      '7 of 24',
      '1,000 epochs, the paper took 30,000',
    ]) {
      expect(text).toContain(part);
      expect(page).toContain(part);
    }
    expect(text).toContain('| missing<br>published 1.55e-3 ± 1.32e-3 |');
    expect(text).toContain('published 1.40e-3 ± 1.76e-3<br>5x ▲');
    // Made-up histories have one look towards the end, at the final error, and an earlier one that does not count.
    for (const part of ['| 4.34e-3 (4.34e-3 to 4.34e-3) | 7.00e-3 (7.00e-3 to 7.00e-3) |', '| missing | missing |'])
      expect(text).toContain(part);
    expect(page).toContain('7.00e-3 (7.00e-3 to 7.00e-3)');
    expect(page).toContain('<span class="far">5x ▲</span>');
    expect(page.match(/class="warning"/g)).toHaveLength(3);
    expect(page.match(/<svg /g)).toHaveLength(3 + 1 + 2);
    expect(page.replaceAll(/xmlns(:xlink)?="[^"]*"/g, '')).not.toMatch(
      /https?:\/\/|<script|<link|NaN(?! at)|undefined/,
    );
    const tags = [...page.matchAll(/<(\/?)(table|tr|td|th|svg|g|figure|div|span|ul|li|dl)\b[^>]*?(\/?)>/g)];
    const depth = tags.reduce((sum, [, close, , own]) => sum + (own ? 0 : close ? -1 : 1), 0);
    expect(depth).toBe(0);
  });

  it('draws histories and fields at the coupling that is asked for', async () => {
    const path = sweepOf('quick', mixed);
    const { html } = await writeReport(path, join(path, 'weak'), 1);
    const weak = readFileSync(html, 'utf8');
    expect(weak).toContain('gamma = 1, seed 42');
    expect(weak).not.toContain('gamma = 50, seed 42');
    await expect(writeReport(path, join(path, 'none'), 7)).rejects.toThrow(
      '--coupling 7 is in no system of this sweep: thermoelasticity 1, 50;',
    );
  });

  it('of nothing yet still lists everything as missing', async () => {
    const path = sweepOf('ends', () => undefined);
    const out = join(base, 'elsewhere', 'page.html');
    const { report, markdown } = await writeReport(path, out);
    expect(report.missing).toHaveLength(12);
    expect(existsSync(out)).toBe(true);
    expect(markdown).toBe(join(base, 'elsewhere', 'page.md'));
  });
});

it('a whole factorial has no missing cell, and draws the flow as well', async () => {
  const path = sweepOf(
    'paper',
    (run) => publishedCell(run.system, run, run.coupling.value)!.mean * (1 + run.seed / 1000),
  );
  const { report, html } = await writeReport(path);
  const { done, missing, far, systems } = report;
  expect([done, missing, far]).toEqual([234, [], []]);
  const cells = systems.flatMap(({ rows }) => rows.flatMap((row) => row.cells));
  expect(cells).toHaveLength(78);
  for (const { final, ratio } of cells) expect([final!.n, ratio! < 1.5]).toEqual([3, true]);
  expect(systems.flatMap(({ caveats }) => caveats)).toEqual([]);
  expect(readFileSync(html, 'utf8').match(/<image /g)).toHaveLength(2 * 4 * (5 + 4));
});

it('refuses a folder that holds no sweep, and one that is damaged, in one line', async () => {
  await expect(writeReport(base)).rejects.toThrow(/holds no sweep: there is no sweep\.json$/);
  const path = join(base, 'x');
  mkdirSync(path);
  writeFileSync(join(path, 'sweep.json'), '{"preset":');
  await expect(writeReport(path)).rejects.toThrow(/is not the plan of a sweep/);
});

it('a summary that cannot be read is named, not counted', async () => {
  const path = sweepOf('quick', mixed);
  const id = 'thermoelasticity-gamma50-adam-grad-norm-s42';
  writeFileSync(join(path, 'runs', id, 'summary.json'), '{}');
  const { report } = await writeReport(path);
  expect([report.done, report.damaged]).toEqual([6, [id]]);
});

it('a history that cannot be read makes a run damaged, too', async () => {
  const path = sweepOf('quick', mixed);
  const id = 'thermoelasticity-gamma50-adam-grad-norm-s42';
  writeFileSync(join(path, 'runs', id, 'metrics.jsonl'), '{"epoch":25,');
  const { report } = await writeReport(path);
  expect([report.done, report.damaged]).toEqual([6, [id]]);
});
