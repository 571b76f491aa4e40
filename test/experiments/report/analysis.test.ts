/** The paper's readings of its tables: on the printed rows themselves, and on runs that are made up. */
import { describe, expect, it } from 'vitest';
import { degradationText, readingsOf, variation } from '../../../experiments/report/analysis.ts';
import { type Found, reportOf } from '../../../experiments/report/data.ts';
import { charge, range } from '../../../experiments/report/neutral.ts';
import { planOf, presetNamed, type RunPlan } from '../../../experiments/sweep/presets.ts';
import { methodName, published } from '../../../experiments/sweep/published.ts';
import type { Line, Summary } from '../../../experiments/training/record.ts';

describe('a degradation', () => {
  it('is marked where the paper marks it: every printed row', () => {
    const marked = Object.entries(published).flatMap(([system, { rows }]) =>
      rows.flatMap((row) => {
        const text = degradationText(row.cells[0], row.cells.at(-1))!;
        const mark = text === 'FAIL' ? 'FAIL' : text.endsWith('†') ? '†' : '';
        return mark ? [`${system} ${methodName(row)} ${mark}`] : [];
      }),
    );
    expect(marked).toEqual([
      'thermoelasticity Adam+LRA †',
      'thermoelasticity Adam+GN †',
      'reaction-diffusion Adam+GN †',
      'nernst-planck-poisson Adam+LRA FAIL',
      'nernst-planck-poisson SOAP+LRA FAIL',
      'nernst-planck-poisson Adam+GN FAIL',
      'electroosmotic-flow Adam+GN FAIL',
    ]);
  });

  it('needs both ends, and the variation more than one seed', () => {
    expect(degradationText(undefined, { mean: 1 })).toBeUndefined();
    expect(degradationText({ mean: 2e-3 }, { mean: 1e-3 })).toBe('0.5x');
    expect(variation({ mean: 2, std: 1 })).toBe(0.5);
    expect(variation({ mean: 2 })).toBeUndefined();
  });
});

/** Runs of the factorial of one system that `result` gives an error, with histories of two looks. */
function found(system: string, result: (run: RunPlan) => number | undefined): Found {
  const runs = planOf(presetNamed('paper')).filter((run) => run.system === system);
  const record = {
    preset: 'paper',
    command: 'tapir sweep paper',
    created: '2026-01-01',
    runs,
  } as unknown as Found['record'];
  const summaries = new Map<string, Summary>();
  const histories = new Map<string, Line[]>();
  for (const run of runs) {
    const error = result(run);
    if (error === undefined) continue;
    const final = { error, l2: { T: error }, mean: error, rmse: { T: error } };
    const best = { error: error / 2, mean: error / 2, epoch: 1000 + run.seed };
    const losses = { RT: error, BC: 1 };
    summaries.set(run.id, {
      ...{ final, best, losses, weights: {}, seed: run.seed, bestLoss: { loss: 1, error, epoch: 1 } },
      ...{ msPerStep: run.optimizer === 'soap' ? 30 : 10, stackedWith: 4, adapter: 'a', finished: '2026-01-02' },
    } as unknown as Summary);
    const look = (epoch: number, weight: number) =>
      ({ epoch, losses, weights: { RT: weight, BC: 1 }, l2: { T: error }, mean: error, rmse: error }) as Line;
    histories.set(run.id, [look(100, 1e6), look(run.epochs, 20)]);
  }
  return { record, summaries, histories, damaged: [] };
}

const readings = (all: Found) => {
  const report = reportOf(all);
  return { report, tables: new Map(readingsOf(report.systems[0]!, all).map((table) => [table.title, table])) };
};

describe('the readings of a system', () => {
  const errors = (run: RunPlan) => {
    if (run.optimizer === 'soap' && run.weighting === 'none') return undefined;
    return (run.coupling.value === 50 ? 4e-3 : 1e-3) * (run.optimizer === 'soap' ? 0.1 : 1) * (1 + (run.seed % 2));
  };
  const { report, tables } = readings(found('thermoelasticity', errors));

  it('tell the variation at both ends, and name what is missing', () => {
    const { head, rows } = tables.get('Variation over seeds')!;
    expect(head.slice(1, 3)).toEqual(['CV, gamma = 1', 'CV, gamma = 50']);
    // Seeds 42, 123 and 456 count once, twice and once.
    expect(rows[0]!.slice(0, 4)).toEqual(['Adam', '43%', '43%', '4x']);
    expect(rows[1]).toEqual(['SOAP', 'missing', 'missing', 'missing', '24%, 15%', '1.2x']);
  });

  it('take the factors one by one, beside the printed ones', () => {
    const { rows } = tables.get('Factors (section 7.2)')!;
    expect(rows.map((row) => row.slice(1))).toEqual([
      ['missing: SOAP at gamma = 50', '1.4e2x'],
      ['missing: SOAP at gamma = 50; SOAP at gamma = 1', '1.2x'],
      ['4x', '1.1x'],
      ['10x', '20x'],
    ]);
  });

  it('tell the cost of SOAP by run, the best errors with their epochs, and how far the weights of LRA went', () => {
    expect(tables.get('Cost of SOAP over Adam')!.rows).toEqual([
      ['none', '2.00 ms', 'missing', 'missing'],
      ['lra', '2.00 ms', '6.00 ms', '3x'],
      ['grad-norm', '2.00 ms', '6.00 ms', '3x'],
    ]);
    expect(tables.get('Best error by epoch')!.rows[0]![1]).toMatch(/^5\.00e-4 at 1,042 \(seed 42\); 1\.00e-3 at 1,123/);
    const lra = tables.get('LRA (section 7.3)')!.rows;
    expect(lra).toHaveLength(30);
    expect(lra[0]!.slice(1)).toEqual(['1.00e-3', '1.00e+6, RT, epoch 100', 'RT 1.00e-3, BC 1.00e0']);
  });

  it('are of a report that names the published cells it does not cover', () => {
    expect(report.uncovered).toContain('reaction-diffusion, SOAP+GN: k = every coupling');
    expect(report.uncovered.some((text) => text.startsWith('thermoelasticity'))).toBe(false);
    expect(report.uncovered).toHaveLength(6 + 6 + 2);
  });
});

it('a constant quasi-neutral state has neither charge nor range', () => {
  const constant = new Float32Array(5).fill(0.7);
  expect([charge(constant, constant), range(constant)]).toEqual([0, 0]);
  expect(charge([1, 2], [2, 4])).toBe(1.5);
  expect(range([3, -1, 2])).toBe(4);
});
