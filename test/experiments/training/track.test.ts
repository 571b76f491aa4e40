/**
 * Histories in the layouts of DVCLive and TensorBoard, read back: by a reader of its own, and by TensorBoard where there is
 * one (`PYTHON=... npx vitest run test/experiments/training/track.test.ts`).
 */
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeEvent } from '../../../experiments/disk/event-file.ts';
import { openTracker, trackings } from '../../../experiments/disk/tracker.ts';
import { yamlOf } from '../../../experiments/disk/yaml.ts';
import type { Line } from '../../../experiments/training/record.ts';
import { expectRefusal, within } from '../../support/command.ts';
import { eventsIn } from '../../support/events.ts';

const python = process.env['PYTHON'] ?? 'python3';
const hasTensorBoard = spawnSync(python, ['-c', 'import tensorboard']).status === 0;
const EVENTS = 'events.out.tfevents.0.tapir';
const small = ['--optimizer', 'adam', '--weighting', 'none', '--width', '4', '--depth', '1'];
let cwd = '';
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'tapir-'));
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

const linesOf = (run: string) =>
  readFileSync(join(cwd, run, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
const eventsOf = (...path: string[]) => eventsIn(readFileSync(join(cwd, ...path, EVENTS)));
const rowsOf = (run: string, name: string) =>
  readFileSync(join(cwd, run, 'dvclive/plots/metrics', `${name}.tsv`), 'utf8')
    .trimEnd()
    .split('\n');

/** What train says of every look, in both layouts, of one run. */
function expectTracked(run: string, steps: readonly number[]): void {
  const lines = linesOf(run);
  expect(lines.map(({ epoch }) => epoch)).toEqual(steps);
  const [header, ...events] = eventsOf(run, 'tensorboard');
  expect(header).toMatchObject({ version: 'brain.Event:2', scalars: {} });
  expect(events.map(({ step }) => step)).toEqual(steps);
  events.forEach(({ scalars, wallTime }, k) => {
    expect(scalars['losses/RT']).toBe(Math.fround(lines[k]!.losses['RT']!));
    expect(scalars['error/T']).toBe(Math.fround(lines[k]!.l2['T']!));
    expect(scalars['error/mean']).toBe(Math.fround(lines[k]!.mean!));
    expect(Math.abs(wallTime - Date.now() / 1000)).toBeLessThan(3600);
  });
  for (const [name, of] of [
    ['losses/Ru', ({ losses }: Line) => losses['Ru']],
    ['error/rmse', ({ rmse }: Line) => rmse],
  ] as const)
    expect(rowsOf(run, name)).toEqual([
      `step\t${name.split('/')[1]}`,
      ...lines.map((line) => `${line.epoch}\t${of(line)}`),
    ]);
  const latest = lines.at(-1)!;
  expect(JSON.parse(readFileSync(join(cwd, run, 'dvclive/metrics.json'), 'utf8'))).toMatchObject({
    step: latest.epoch,
    losses: latest.losses,
    error: { ...latest.l2, mean: latest.mean },
  });
}

describe('train --track', () => {
  it('writes both layouts, and goes on in them without a step twice', async () => {
    const args = [
      'train',
      'thermoelasticity',
      ...small,
      '--epochs',
      '50',
      '--track',
      'dvc,tensorboard',
      '--out',
      'run',
    ];
    const trained = await within(cwd, args);
    expect(trained.status, trained.stderr).toBe(0);
    expectTracked('run', [25, 50]);
    // As a process that was killed beyond its last checkpoint leaves them: steps that are taken again, and a torn one.
    const torn = encodeEvent({ wallTime: 0, step: 75, scalars: { 'losses/RT': 9 } });
    appendFileSync(join(cwd, 'run/tensorboard', EVENTS), torn);
    appendFileSync(join(cwd, 'run/tensorboard', EVENTS), torn.subarray(0, -3));
    appendFileSync(join(cwd, 'run/dvclive/plots/metrics/losses/Ru.tsv'), '75\t9\n10');
    const resumed = await within(cwd, ['train', 'thermoelasticity', '--resume', 'run', '--epochs', '100']);
    expect(resumed.status, resumed.stderr).toBe(0);
    expectTracked('run', [25, 50, 75, 100]);
  });

  it('begun with a resumed run, has what was before', async () => {
    const args = ['train', 'thermoelasticity', ...small, '--out', 'late'];
    expect((await within(cwd, [...args, '--epochs', '50'])).status).toBe(0);
    expect(existsSync(join(cwd, 'late/dvclive'))).toBe(false);
    const resume = ['--resume', 'late', '--epochs', '75', '--track', 'tensorboard,dvc'];
    expect((await within(cwd, ['train', 'thermoelasticity', ...resume])).status).toBe(0);
    expectTracked('late', [25, 50, 75]);
  });

  it('keeps seeds apart', async () => {
    const args = [
      'train',
      'thermoelasticity',
      ...small,
      '--epochs',
      '25',
      '--seeds',
      '1,2',
      '--track',
      'dvc,tensorboard',
    ];
    expect((await within(cwd, [...args, '--out', 'seeds'])).status).toBe(0);
    const [first, second] = linesOf('seeds');
    for (const line of [first!, second!]) {
      const [, event] = eventsOf('seeds/tensorboard', `seed-${line.seed}`);
      expect(event!.scalars['losses/RT']).toBe(Math.fround(line.losses['RT']!));
      expect(rowsOf('seeds', `seed-${line.seed}/losses/RT`)[1]).toBe(`25\t${line.losses['RT']}`);
    }
    expect(first!.losses['RT']).not.toBe(second!.losses['RT']);
  });

  it('refuses a format that is not there', async () => {
    const args = ['train', 'thermoelasticity', ...small, '--track', 'mlflow', '--out', 'none'];
    expectRefusal(await within(cwd, args), /--track must be one of dvc, tensorboard, not mlflow/);
    expect(existsSync(join(cwd, 'none'))).toBe(false);
  });

  it.skipIf(!hasTensorBoard)('is what TensorBoard itself reads', () => {
    const program = [
      'import json, sys',
      'from tensorboard.backend.event_processing.event_accumulator import EventAccumulator',
      'log = EventAccumulator(sys.argv[1], size_guidance={"tensors": 0, "scalars": 0}).Reload()',
      'print(json.dumps({t: [(e.step, e.value) for e in log.Scalars(t)] for t in log.Tags()["scalars"]}))',
    ].join('\n');
    const { status, stdout, stderr } = spawnSync(python, ['-c', program, join(cwd, 'run/tensorboard')], {
      encoding: 'utf8',
    });
    expect(status, stderr).toBe(0);
    const read = JSON.parse(stdout) as Record<string, [number, number][]>;
    expect(Object.keys(read)).toEqual(expect.arrayContaining(['losses/RT', 'weights/BC', 'error/mean']));
    expect(read['losses/RT']).toEqual(linesOf('run').map(({ epoch, losses }) => [epoch, Math.fround(losses['RT']!)]));
  });
});

describe('a tracker', () => {
  it('keeps to its folder whatever a loss term is called', () => {
    for (const kind of trackings) {
      const folder = join(cwd, `names-${kind}`);
      const tracker = openTracker(kind, folder, 0, {});
      tracker.add(undefined, 1, {
        'losses/../../../x': 1,
        'losses/a b<script>': 2,
        'losses/NP+': 3,
        ['losses/'.padEnd(300, 'y')]: 4,
      });
      expect(readdirSync(cwd).filter((name) => name.startsWith('x'))).toEqual([]);
      expect(readdirSync(folder)).toHaveLength(1);
    }
    const plots = join(cwd, 'names-dvc/dvclive/plots/metrics/losses');
    expect(readdirSync(plots)).toEqual(expect.arrayContaining(['NP+.tsv', 'a b_script_.tsv']));
  });

  it('writes a step of any size', () => {
    for (const step of [0, 1, 127, 128, 300, 2 ** 31, 2 ** 40 + 5])
      expect(eventsIn(encodeEvent({ wallTime: 1.5, step, scalars: { 'a/ü': -2.5 } }))).toEqual([
        { wallTime: 1.5, step, scalars: { 'a/ü': -2.5 } },
      ]);
    expect(() => encodeEvent({ wallTime: 0, step: -1, scalars: {} })).toThrow(/not -1/);
  });
});

it('YAML has numbers that every reader takes for numbers', () => {
  const text = yamlOf({ a: 1e-8, b: 1.5e-7, c: 1e21, d: [1, [2]], e: { f: 'x: y', g: true }, h: {}, i: [], j: -3e-9 });
  expect(text).toBe(
    '"a": 1.0e-8\n"b": 1.5e-7\n"c": 1.0e+21\n"d":\n- 1\n-\n  - 2\n"e":\n  "f": "x: y"\n  "g": true\n"h": {}\n"i": []\n"j": -3.0e-9\n',
  );
});
