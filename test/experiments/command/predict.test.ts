/** `tapir predict`: a run's fields anywhere, in the formats of other programs, the same numbers in each. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseCsv } from '../../../systems/index.ts';
import { expectRefusal, within } from '../../support/command.ts';

const plate = {
  name: 'plate',
  coordinates: { x: [0, 2], y: [-1, 1] },
  fields: { flow: ['u', 'v'] },
  parameters: { k: { value: 2, positive: true, trainable: true } },
  transform: { u: 'k*x*(2 - x)*N + y' },
  residuals: { one: 'u.lap + k*v', two: 'v.x - u' },
  points: { interior: 20 },
};
let cwd: string;
const predict = (...args: string[]) => within(cwd, ['predict', 'run', '--system', 'plate.json', ...args]);

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'tapir-predict-'));
  writeFileSync(join(cwd, 'plate.json'), JSON.stringify(plate));
  const options = ['--optimizer', 'adam', '--lr', '0.01', '--width', '6', '--depth', '1', '--weighting', 'none'];
  const args = ['train', 'plate.json', ...options, '--seeds', '3,4', '--epochs', '25', '--out', 'run'];
  expect((await within(cwd, args)).status).toBe(0);
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

const text = (name: string) => readFileSync(join(cwd, name), 'utf8');
const numbersIn = (name: string, array: string) =>
  new RegExp(`Name="${array}"[^>]*>([^<]*)<`).exec(text(name))![1]!.split(' ').map(Number);

describe('predict', () => {
  it('writes a grid as CSV, the last coordinate fastest, with what the transform says', async () => {
    const { status, stdout } = await predict('--grid', '3x2');
    expect([status, stdout]).toEqual([0, 'run/prediction.csv: u, v at 6 points\n']);
    const { x, y, u, v } = parseCsv(text('run/prediction.csv'));
    expect([...x!]).toEqual([0, 0, 1, 1, 2, 2]);
    expect([...y!]).toEqual([-1, 1, -1, 1, -1, 1]);
    // The transform holds where x is 0 or 2.
    expect([u![0], u![1], u![4], u![5]]).toEqual([-1, 1, -1, 1]);
    expect(Math.abs(u![2]! + 1)).toBeGreaterThan(1e-6);
    expect(new Set(v).size).toBe(6);
  });

  it('has the derivatives that differences say, and each seed its own', async () => {
    const h = 1e-5;
    writeFileSync(join(cwd, 'at.csv'), `y,x\n0.3,0.5\n0.3,${0.5 + h}\n0.3,${0.5 - h}\n`);
    await predict('--points', 'at.csv', '--of', 'u,u.x,u.lap,v', '--out', 'three.csv');
    const own = parseCsv(text('three.csv'));
    expect(Object.keys(own)).toEqual(['x', 'y', 'u', 'u.x', 'u.lap', 'v']);
    expect(own['u.x']![0]).toBeCloseTo((own['u']![1]! - own['u']![2]!) / (2 * h), 8);
    await predict('--points', 'at.csv', '--of', 'v', '--seed', '4', '--out', 'other.csv');
    expect(parseCsv(text('other.csv'))['v']![0]).not.toBe(own['v']![0]);
  });

  it('writes the same numbers for NumPy and VTK', async () => {
    await predict('--grid', '3x2');
    const { x, y, u, v } = parseCsv(text('run/prediction.csv'));
    for (const out of ['field.npy', 'field.vti', 'field.vtu'])
      expect((await predict('--grid', '3x2', '--out', out)).status).toBe(0);
    const bytes = readFileSync(join(cwd, 'field.npy'));
    const size = bytes.readUInt16LE(8);
    expect([bytes.subarray(0, 8).toString('latin1'), (10 + size) % 64]).toEqual(['\x93NUMPY\x01\x00', 0]);
    expect(bytes.toString('latin1', 10, 10 + size)).toContain("'shape': (6, 4)");
    const values = Array.from({ length: 24 }, (_, k) => bytes.readDoubleLE(10 + size + 8 * k));
    expect(values).toEqual([...x!].flatMap((value, k) => [value, y![k]!, u![k]!, v![k]!]));
    expect(text('field.vti')).toContain('WholeExtent="0 2 0 1 0 0" Origin="0 -1 0" Spacing="1 2 1"');
    expect(numbersIn('field.vti', 'u')).toEqual([0, 2, 4, 1, 3, 5].map((k) => u![k]!));
    expect(numbersIn('field.vtu', 'v')).toEqual([...v!]);
    expect(numbersIn('field.vtu', 'points')).toEqual([...x!].flatMap((value, k) => [value, y![k]!, 0]));
  });

  it.each([
    [['--grid', '3'], /--grid must have 2 numbers, one for each of x, y/],
    [['--grid', '3x0'], /--grid takes the points along each coordinate, 200x100 say, not 3x0/],
    [[], /give either --points or --grid/],
    [['--grid', '3x2', '--of', 'w'], /plate has no w; its fields are u, v/],
    [['--grid', '3x2', '--of', 'u.z'], /plate has no u.z/],
    [['--grid', '3x2', '--seed', '5'], /run holds no run of seed 5; there are 3, 4/],
    [['--grid', '3x2', '--out', 'a.png'], /--out must end in .csv, .npy, .vti, .vtu, not a.png/],
    [['--points', 'gone.csv'], /--points: there is no file gone.csv/],
    [['--points', 'plate.json'], /there is no line of numbers/],
    [['--points', 'at.csv', '--out', 'a.vti'], /a .vti file holds a grid/],
  ])('refuses %j in one line', async (args, says) => {
    expectRefusal(await predict(...args), says);
  });

  it('refuses what is no run', async () => {
    expectRefusal(await within(cwd, ['predict', 'nothing', '--grid', '3x2']), /nothing holds no run/);
  });
});
