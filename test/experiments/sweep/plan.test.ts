/** What a sweep plans, selects, remembers and keeps in its folder. No adapter. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newTape } from '../../../engine/index.ts';
import { encodeState, peekState, readState } from '../../../experiments/sweep/checkpoint.ts';
import { SweepFolder } from '../../../experiments/sweep/folder.ts';
import { presetOver } from '../../../experiments/sweep/own.ts';
import { onlyRuns, selectGroups, shardOf, sweepPlan } from '../../../experiments/sweep/plan.ts';
import {
  planOf,
  presetNamed,
  presets,
  type RunPlan,
  runPlanSchema,
  systemOf,
} from '../../../experiments/sweep/presets.ts';
import { duration, sweepLine } from '../../../experiments/sweep/progress.ts';
import { CheckpointError } from '../../../experiments/training/checkpoint.ts';
import { isFirstOrder } from '../../../experiments/training/hyperparameters.ts';
import { emptyRecord } from '../../../experiments/training/recorder.ts';
import { countOf, lossModel, seeded, systemNamed } from '../../../systems/index.ts';

const idsOf = (runs: readonly RunPlan[]) => runs.map(({ id }) => id);
const paper = sweepPlan(presetNamed('paper'));

describe('presets', () => {
  it('paper is the factorial of 234 runs', () => {
    const counts = (system: string) => paper.runs.filter((run) => run.system === system).length;
    expect(paper.runs).toHaveLength(234);
    expect(new Set(idsOf(paper.runs)).size).toBe(234);
    expect(
      ['thermoelasticity', 'reaction-diffusion', 'nernst-planck-poisson', 'electroosmotic-flow'].map(counts),
    ).toEqual([90, 72, 54, 18]);
    expect(idsOf(planOf(presetNamed('v1')))).toEqual(idsOf(paper.runs));
  });

  it('have the sizes that the paper and its later code give them', () => {
    const sizes = Object.fromEntries(presets.map((preset) => [preset.name, planOf(preset).length]));
    expect(sizes).toMatchObject({ v3: 4 * 3 * (5 + 4 + 3) + 2 * 3 * 3, hard: 54, ends: 12, quick: 24 });
    expect(sizes['couplings']).toBe(2 * (5 + 4 + 3));
  });

  it('couplings and ends are parts of the factorial', () => {
    const whole = new Map(paper.runs.map((run) => [run.id, run]));
    for (const name of ['couplings', 'ends'])
      for (const run of planOf(presetNamed(name))) expect(run).toEqual(whole.get(run.id));
  });

  it('resolve what the paper states', () => {
    const run = (id: string) => paper.runs.find((each) => each.id === id)!;
    expect(run('electroosmotic-flow-epsilon0.05-soap-grad-norm-s123')).toMatchObject({
      epochs: 100_000,
      learningRate: 3e-4,
      betas: [0.95, 0.95],
      network: { hidden: 5, width: 128 },
      updateEvery: 1000,
      parameters: { epsilon: 0.05, zeta: 1, Ex: 1, mu: 1 },
      score: 'relative',
    });
    expect(run('reaction-diffusion-k30-adam-lra-s42')).toMatchObject({
      epochs: 30_000,
      betas: [0.9, 0.999],
      updateEvery: 1,
      parameters: { k1: 30, k2: 30, k3: 30, k4: 30 },
      score: 'rmse',
    });
  });

  it('take overrides', () => {
    const overrides = {
      epochs: 7,
      lr: 0.5,
      width: 3,
      depth: 1,
      seeds: [5],
      soapBetas: [0.1, 0.2],
      updateEvery: 9,
    } as const;
    const runs = planOf(presetNamed('ends'), overrides);
    const one = { epochs: 7, learningRate: 0.5, network: { hidden: 1, width: 3 }, seed: 5, updateEvery: 9 };
    for (const run of runs)
      expect(run).toMatchObject({ ...one, betas: run.optimizer === 'soap' ? [0.1, 0.2] : [0.9, 0.999] });
  });

  it.each([
    ['paper', 'thermoelasticity', ['RT', 'Ru', 'BC']],
    ['v3', 'thermoelasticity', ['RT', 'Ru', 'BC T', 'BC u']],
    ['v3', 'nernst-planck-poisson', ['NP+', 'NP-', 'P', 'BC phi', 'BC cp', 'BC cm']],
    ['shared', 'reaction-diffusion', ['R1', 'R2', 'R3', 'BC cA', 'BC cB', 'BC cC']],
  ])('%s weighs these losses of %s', (preset, name, terms) => {
    const run = planOf(presetNamed(preset)).find(({ system }) => system === name)!;
    const system = systemOf(run);
    expect(lossModel(newTape(), seeded(system, run.parameters, [run.seed])).terms).toEqual(terms);
    expect(system.networks).toHaveLength(preset === 'shared' ? 1 : name === 'thermoelasticity' ? 2 : 3);
  });

  it('v3 has six boundary terms in the flow', () => {
    const run = planOf(presetNamed('v3'))
      .filter(isFirstOrder)
      .find(({ system }) => system === 'electroosmotic-flow')!;
    expect(new Set(systemOf(run).conditions.map(({ term }) => term)).size).toBe(6);
    expect(run.betas).toEqual([0.9, 0.999]);
  });
});

describe('Gauss-Newton in a sweep', () => {
  const run = planOf(presetNamed('second-order'), { epochs: 100, steps: 7 }).at(-1)!;

  it('has steps of its own, no weighting, and what the line search decides', () => {
    expect(planOf(presetNamed('second-order'), { epochs: 100, steps: 7 }).map(({ epochs }) => epochs)).toEqual([
      100, 100, 7,
    ]);
    expect(run.id).toBe('thermoelasticity-gamma50-gauss-newton-none-s42');
    expect(run).toMatchObject({ momentum: 0, damping: 0.01, adaptive: true, precision: 'mixed', thin: 1 });
    expect(planOf(presetNamed('second-order'), { momentum: 0.9, thin: 2 }).at(-1)).toMatchObject({
      ...{ momentum: 0.9, adaptive: false, thin: 2, epochs: 60 },
    });
  });

  it('over a system is one method, whatever the weightings', () => {
    const preset = presetOver(systemNamed('symmetric'), {
      ...{ set: { k: [1, 5] }, optimizers: ['soap', 'gauss-newton'], weightings: ['none', 'grad-norm'] },
    });
    const plan = sweepPlan(preset, { seeds: [1, 2] });
    expect(plan.groups.map(({ id, runs }) => [id, runs.length])).toEqual([
      ['1-symmetric-soap-none', 4],
      ['2-symmetric-soap-grad-norm', 4],
      ['3-symmetric-gauss-newton-none', 4],
    ]);
  });

  it('comes back from sweep.json as it was', () => {
    expect(runPlanSchema.parse(JSON.parse(JSON.stringify(run)))).toEqual(run);
    for (const other of paper.runs.slice(0, 30)) expect(runPlanSchema.parse(other)).toEqual(other);
  });
});

describe('groups', () => {
  it('hold every run once, of one shape, at most as many as asked for', () => {
    for (const stack of [1, 4, 15]) {
      const { groups, runs } = sweepPlan(presetNamed('paper'), {}, stack);
      expect(idsOf(groups.flatMap((group) => group.runs)).sort()).toEqual(idsOf(runs).sort());
      expect(new Set(groups.map(({ id }) => id)).size).toBe(groups.length);
      for (const group of groups) {
        expect(group.runs.length).toBeLessThanOrEqual(stack);
        expect(new Set(group.runs.map((run) => [run.system, run.optimizer, run.weighting].join())).size).toBe(1);
      }
    }
    expect(paper.groups).toHaveLength(20);
  });

  it('keep apart numbers of points', () => {
    const { groups } = sweepPlan(presetNamed('hard'));
    for (const { runs } of groups) {
      const sizes = runs.map((run) => countOf(systemOf(run).points(run.parameters, run.seed)['interior']!));
      expect(new Set(sizes).size).toBe(1);
    }
  });

  it.each([1, 2, 3, 7, 40])('in %i shards are a partition', (count) => {
    const parts = Array.from({ length: count }, (_, k) => selectGroups(paper, [], { index: k + 1, count }));
    const all = parts.flatMap((groups) => groups.flatMap(({ runs }) => idsOf(runs)));
    expect(all.sort()).toEqual(idsOf(paper.runs).sort());
  });
});

describe('--only', () => {
  const left = (...conditions: string[]) => onlyRuns(paper.runs, conditions);
  it('filters: alternatives within a key, all keys together', () => {
    expect(left('system=thermoelasticity')).toHaveLength(90);
    expect(left('optimizer=soap', 'weighting=lra', 'seed=42')).toHaveLength(12);
    expect(left('gamma=50', 'gamma=1', 'method=SOAP+GN')).toHaveLength(6);
    expect(left('gamma=50,1', 'method=SOAP+GN')).toHaveLength(6);
    expect(left('epsilon=2e-1').map(({ system }) => system)).toContain('electroosmotic-flow');
    expect(left('coupling=0.5')).toHaveLength(36);
    expect(selectGroups(paper, ['seed=42', 'gamma=50']).map(({ runs }) => runs.length)).toEqual([1, 1, 1, 1, 1, 1]);
  });

  it.each([
    ['system', 'key=value'],
    ['system=foo', 'there are thermoelasticity'],
    ['colour=red', 'it knows system, optimizer'],
    ['gamma=3', 'there are 1, 5, 10, 20, 50'],
  ])('refuses %s', (condition, remedy) => {
    expect(() => left(condition)).toThrow(remedy);
    expect(() => left('gamma=1', 'k=5')).toThrow('gamma=1 and k=5');
  });

  it.each(['0/2', '3/2', '1', 'a/b', '1/0'])('--shard refuses %s', (text) => {
    expect(() => shardOf(text)).toThrow(/i\/n/);
  });
});

describe('the folder', () => {
  let base = '';
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'tapir-'));
  });
  afterEach(() => rmSync(base, { recursive: true, force: true }));
  const quick = sweepPlan(presetNamed('quick'));
  const open = (plan = quick) => SweepFolder.open(join(base, 'a', 'sweep'), plan, 'tapir sweep quick');

  it('is refused to another configuration, in one line that says what differs', () => {
    open();
    open();
    const before = readFileSync(join(base, 'a', 'sweep', 'sweep.json'), 'utf8');
    expect(() => open(sweepPlan(presetNamed('ends')))).toThrow(
      /another sweep: preset was "quick", now "ends"; .*--out$/,
    );
    expect(() => open(sweepPlan(presetNamed('quick'), { epochs: 3 }))).toThrow(/epochs was the default, now 3;/);
    expect(() => open(sweepPlan(presetNamed('quick'), {}, 2))).toThrow(/stack was 15, now 2;/);
    expect(readFileSync(join(base, 'a', 'sweep', 'sweep.json'), 'utf8')).toBe(before);
    writeFileSync(join(base, 'config.json'), '{}');
    expect(() => SweepFolder.open(base, quick, '')).toThrow(/holds a training run, not a sweep/);
    expect(() => SweepFolder.open(join(base, 'config.json'), quick, '')).toThrow(/is a file/);
  });

  it('holds a run whole or not at all, and once', () => {
    const folder = open();
    const { id } = quick.runs[0]!;
    expect(folder.finished(id)).toBe(false);
    const files = (text: string) => new Map([['summary.json', text]]);
    expect(folder.writeRun(id, files('first'))).toBe(true);
    expect(folder.writeRun(id, files('second'))).toBe(false);
    expect(readFileSync(join(folder.path, 'runs', id, 'summary.json'), 'utf8')).toBe('first');
    expect(readdirSync(join(folder.path, 'runs'))).toEqual([id]);
  });

  it('lends a group to one process, and sweeps up what a killed one left', () => {
    const folder = open();
    const { id, runs } = quick.groups[0]!;
    const draft = join(folder.path, 'runs', `.${runs[0]!.id}.4711.tmp`);
    mkdirSync(draft);
    const unlock = folder.lockGroup(id, quick.runs) as () => void;
    expect(existsSync(draft)).toBe(false);
    expect(folder.lockGroup(id, quick.runs)).toMatch(/in use by process/);
    unlock();
    writeFileSync(join(folder.path, 'groups', id, '.lock'), `${process.ppid} ${hostname()}\n`);
    expect(folder.lockGroup(id, quick.runs)).toMatch(/in use by process/);
  });
});

describe('the state of a stack', () => {
  const { runs } = sweepPlan(presetNamed('quick')).groups[0]!;
  const snapshot = { epoch: 50, values: { theta: Float32Array.of(1, Number.NaN, -0) } };
  const state = { snapshot, records: runs.map(emptyRecord), pace: { ms: 1.5, steps: 25 } };
  const shapes = { theta: [3] };
  let path = '';
  beforeEach(() => {
    path = join(mkdtempSync(join(tmpdir(), 'tapir-')), 'x.safetensors');
  });
  afterEach(() => rmSync(dirname(path), { recursive: true, force: true }));

  it('comes back as it was', () => {
    writeFileSync(path, encodeState(state, runs, shapes));
    expect(readState(path, runs, shapes)).toEqual(state);
    expect(peekState(path)).toEqual({ epoch: 50, ids: idsOf(runs) });
  });

  it('is refused where it is damaged or not of these runs, with a remedy', () => {
    const bytes = encodeState(state, runs, shapes);
    writeFileSync(path, bytes);
    const other = runs.map((each) => ({ ...each, learningRate: 7 }));
    expect(() => readState(path, other, shapes)).toThrow(/of other runs; remove it/);
    expect(() => readState(path, runs, { theta: [4] })).toThrow(/theta of shape \[3\], \[4\] is needed; remove it/);
    writeFileSync(path, bytes.subarray(0, bytes.length - 5));
    for (const read of [() => peekState(path), () => readState(path, runs, shapes)]) {
      expect(read).toThrow(CheckpointError);
      expect(read).toThrow(/remove it to train its runs from the start$/);
    }
  });
});

describe('the progress line', () => {
  const state = {
    done: 36,
    total: 234,
    fraction: 0.155,
    title: 'thermoelasticity SOAP+GN x15',
    epoch: 1200,
    epochs: 30_000,
  };
  const all = { ...state, loss: 1e-5, error: 2e-3, left: 3723 };
  it('says how far, how long, and what', () => {
    expect(sweepLine('sweep paper', all, 200, false)).toBe(
      'sweep paper   15%  36/234 runs  left 1:02:03  thermoelasticity SOAP+GN x15  epoch 1200/30000  loss 1.0e-5  error 2.0e-3',
    );
    for (const columns of [10, 40, 79, 120])
      expect(sweepLine('sweep paper', all, columns).length).toBeLessThanOrEqual(columns);
    expect(['-', '0:01', '2 d 2 h']).toEqual([duration(Number.NaN), duration(0.2), duration(50 * 3600)]);
  });
});
