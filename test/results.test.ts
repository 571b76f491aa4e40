/** Figures in results/README.md are those of the files beside it. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readRuns, reportOf } from '../experiments/report/data.ts';
import { spreadOf } from '../experiments/report/history.ts';

const folder = join(import.meta.dirname, '..', 'results');
const page = readFileSync(join(folder, 'README.md'), 'utf8');

const rows = (file: string): { epoch: number; mean: number; rmse: number }[] =>
  readFileSync(join(folder, file), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const figure = (value: number) => value.toExponential(2);

it.each([
  ['thermoelasticity, Adam, gamma = 5', 'thermoelasticity-gamma5-adam', 'mean'],
  ['thermoelasticity, Adam, gamma = 20', 'thermoelasticity-gamma20-adam', 'mean'],
  ['reaction-diffusion, Adam, k = 5', 'reaction-diffusion-k5-adam', 'rmse'],
] as const)("the authors' errors late in %s", (cell, name, error) => {
  const history = rows(`histories/${name}-authors.jsonl`);
  const { median, low, high } = spreadOf(history.filter(({ epoch }) => epoch > 25_000).map((row) => row[error]))!;
  const line = page.split('\n').find((each) => each.startsWith(`| ${cell} `));
  expect(line).toContain(`${figure(median)}, ${figure(low)} to ${figure(high)} | ${figure(history.at(-1)![error])} `);
});

it('lambda_max of thermoelasticity at gamma = 50, seed by seed', () => {
  const { studies } = JSON.parse(readFileSync(join(folder, 'ntk', 'table', 'ntk.json'), 'utf8'));
  const study = studies.find(({ system }: { system: string }) => system === 'thermoelasticity');
  const largest = study.measurements
    .filter(({ coupling }: { coupling: number }) => coupling === 50)
    .map(({ ntk }: { ntk: { lambdaMax: number } }) => figure(ntk.lambdaMax).replace('+', ''));
  expect(largest).toHaveLength(3);
  for (const value of largest) expect(page).toContain(value);
});

it('medians by coupling are those that a report finds in the histories that are left', () => {
  const report = reportOf(readRuns(join(folder, 'couplings')));
  expect([report.done, report.damaged]).toEqual([44, []]);
  for (const { system, rows } of report.systems)
    for (const { optimizer, cells } of rows) {
      const medians = cells.flatMap(({ late }) => (late ? [figure(late.median)] : []));
      const name = optimizer === 'adam' ? 'Adam' : 'SOAP';
      const line = page.split('\n').find((each) => new RegExp(`^\\| ${system} +\\| ${name} +\\|`).test(each));
      expect(line?.match(/\d\S+e-\d+/g), `${system} ${name}`).toEqual(medians);
    }
});

it('the folder stays under 4 MB and holds neither weights nor optimizer state', () => {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name));
  expect(files.reduce((sum, file) => sum + statSync(file).size, 0)).toBeLessThan(4e6);
  const tensors = files.filter((file) => file.endsWith('.safetensors') && !file.endsWith('fields.safetensors'));
  expect(tensors).toEqual([]);
});
