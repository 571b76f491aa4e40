/** Points that move while a run is under way: where they go, and that a resumed run has those of an undisturbed one. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readSafetensors } from '../../../experiments/disk/safetensors.ts';
import { ownLines, within } from '../../support/command.ts';

const front = {
  name: 'front',
  coordinates: { x: [-1, 1], t: [0, 1] },
  fields: ['u'],
  parameters: { steep: 30 },
  definitions: { f: '1/cosh(steep*x)^2' },
  transform: { u: 't*N' },
  residuals: { source: 'u.t - 5*f' },
  conditions: [{ periodic: 'x', residuals: ['u', 'u.x'], points: 8 }],
  observations: [{ values: { x: [0.5], t: [0.5], u: [0] } }],
  points: { interior: 60, sampling: 'random', resample: 20 },
};
const adapting = { ...front, name: 'adapting', points: { ...front.points, adaptive: { pool: 10, offset: 0 } } };
const options = ['--optimizer', 'adam', '--width', '8', '--depth', '1', '--weighting', 'none'];
let cwd: string;

beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'tapir-points-'));
  for (const system of [front, adapting]) writeFileSync(join(cwd, `${system.name}.json`), JSON.stringify(system));
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

async function train(...args: string[]): Promise<void> {
  const outcome = await within(cwd, ['train', ...args]);
  expect([outcome.status, ownLines(outcome).filter((line) => line.startsWith('tapir:'))]).toEqual([0, []]);
}

/** The x of the interior points in a checkpoint. */
function pointsIn(run: string): number[] {
  const { data } = readSafetensors(join(cwd, run, 'checkpoint.safetensors')).tensors.get('x.interior')!;
  return Array.from(data.slice(0, 60), Number);
}
const nearFront = (xs: readonly number[]) => xs.filter((x) => Math.abs(x) < 0.1).length;

it.each(['front', 'adapting'])('%s: goes on where it was, bit for bit', async (name) => {
  const file = `${name}.json`;
  await train(file, ...options, '--epochs', '50', '--out', `${name}-whole`);
  await train(file, ...options, '--epochs', '25', '--out', `${name}-parts`);
  const before = pointsIn(`${name}-parts`);
  await train(file, '--resume', `${name}-parts`, '--epochs', '50');
  const [whole, parts] = ['whole', 'parts'].map((run) =>
    readFileSync(join(cwd, `${name}-${run}/checkpoint.safetensors`)),
  );
  expect(parts!.equals(whole!)).toBe(true);
  expect(pointsIn(`${name}-parts`)).not.toEqual(before);
  // A tenth of the domain holds most of the residual; chance puts 6 of 60 points there.
  if (name === 'front') expect(nearFront(pointsIn('front-whole'))).toBeLessThan(15);
  else expect(nearFront(pointsIn('adapting-whole'))).toBeGreaterThan(12);
});
