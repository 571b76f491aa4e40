/** Inverse problems from the command line: parameters are learned from a table, shown, recorded, and resumed bit for bit. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { expectRefusal, ownLines, within } from '../../support/command.ts';

const decay = {
  name: 'decay',
  coordinates: { t: [0, 2] },
  fields: ['y'],
  parameters: { k: { value: 0.8, positive: true, trainable: true }, rest: { value: 0, trainable: true } },
  residuals: { decay: 'y.t + k*(y - rest)' },
  observations: [{ file: 'data/measured.csv', weight: 10 }],
  points: { interior: 40 },
};
const small = ['--width', '10', '--depth', '2', '--weighting', 'none'];
let cwd: string;

beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'tapir-inverse-'));
  mkdirSync(join(cwd, 'own/data'), { recursive: true });
  writeFileSync(join(cwd, 'own/decay.json'), JSON.stringify(decay));
  const rows = Array.from({ length: 12 }, (_, k) => (2 * k) / 11).map((t) => `${t},${0.3 + 0.7 * Math.exp(-1.5 * t)}`);
  writeFileSync(join(cwd, 'own/data/measured.csv'), ['t,y', ...rows, ''].join('\n'));
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

const json = (path: string) => JSON.parse(readFileSync(join(cwd, path), 'utf8'));

it('learns what the data was made with', async () => {
  const args = ['train', 'own/decay.json', '--optimizer', 'adam', '--lr', '0.01', '--epochs', '1600', ...small];
  const outcome = await within(cwd, [...args, '--out', 'run']);
  expect([outcome.status, ownLines(outcome).filter((line) => line.startsWith('tapir:'))]).toEqual([0, []]);
  const { learned, losses } = json('run/summary.json');
  expect(Object.keys(losses)).toEqual(['decay', 'data']);
  expect(Math.abs(learned.k - 1.5)).toBeLessThan(0.06);
  expect(Math.abs(learned.rest - 0.3)).toBeLessThan(0.02);
  expect(outcome.stderr).toMatch(/k 1\.[45]e\+00 {2}rest [23]\.\de-01/);
  expect(outcome.stdout).toMatch(/learned parameters:\nseed +k +rest\n42 +1\.[45]/);
  const lines = readFileSync(join(cwd, 'run/metrics.jsonl'), 'utf8').trim().split('\n');
  const path = lines.map((line) => JSON.parse(line).facts.k);
  expect(path).toHaveLength(1600 / 25);
  expect(Math.abs(path[0] - 0.8)).toBeLessThan(0.4);
  expect(path.at(-1)).toBe(learned.k);
});

it('goes on where it was, bit for bit', async () => {
  const args = ['train', 'own/decay.json', '--optimizer', 'soap', ...small, '--seeds', '1,2'];
  await within(cwd, [...args, '--epochs', '50', '--out', 'whole']);
  await within(cwd, [...args, '--epochs', '25', '--out', 'parts']);
  const before = json('parts/summary.json').runs;
  await within(cwd, ['train', 'own/decay.json', '--resume', 'parts', '--epochs', '50']);
  const [whole, parts] = ['whole', 'parts'].map((name) => readFileSync(join(cwd, `${name}/checkpoint.safetensors`)));
  expect(parts!.equals(whole!)).toBe(true);
  const after = json('parts/summary.json').runs;
  expect(after.map((run: { learned: object }) => run.learned)).toEqual(
    json('whole/summary.json').runs.map((run: { learned: object }) => run.learned),
  );
  for (const r of [0, 1]) expect(after[r].learned.k).not.toBe(before[r].learned.k);
});

it('gauss-newton learns them, too, to more digits, and goes on bit for bit', async () => {
  const args = ['train', 'own/decay.json', '--optimizer', 'gauss-newton', '--width', '10', '--depth', '2'];
  const outcome = await within(cwd, [...args, '--epochs', '16', '--out', 'newton']);
  expect([outcome.status, ownLines(outcome).filter((line) => line.startsWith('tapir:'))]).toEqual([0, []]);
  const { learned } = json('newton/summary.json');
  expect(Math.abs(learned.k - 1.5)).toBeLessThan(2e-3);
  expect(Math.abs(learned.rest - 0.3)).toBeLessThan(1e-3);
  await within(cwd, [...args, '--epochs', '8', '--out', 'half']);
  await within(cwd, ['train', 'own/decay.json', '--resume', 'half', '--epochs', '16']);
  const [whole, parts] = ['newton', 'half'].map((name) => readFileSync(join(cwd, `${name}/checkpoint.safetensors`)));
  expect(parts!.equals(whole!)).toBe(true);
});

it('gauss-newton says which systems it does not take', async () => {
  writeFileSync(
    join(cwd, 'own/third.json'),
    JSON.stringify({ ...decay, name: 'third', residuals: { third: 'y.ttt' } }),
  );
  const args = ['train', 'own/third.json', '--optimizer', 'gauss-newton', '--out', 'refused'];
  expectRefusal(
    await within(cwd, args),
    /third takes derivatives that no fused jet carries; rows of its Jacobian are not available, train it with adam or soap/,
  );
});
