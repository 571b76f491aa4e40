/**
 * A thousand malformed command lines and files: one line of Tapir's own on stderr, exit 2, nothing on stdout, nothing
 * written. Most of them without a process of their own, which costs half a second; a sample in one.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { benchCommand, tuneCommand } from '../../../bench/index.ts';
import { tapir as program } from '../../../experiments/command/main.ts';
import { sweepPlan } from '../../../experiments/sweep/plan.ts';
import { presetNamed } from '../../../experiments/sweep/presets.ts';
import { settingsFor } from '../../../experiments/training/settings.ts';
import { ownLines, tapir, within, withoutDriver } from '../../support/command.ts';
import { cuts } from '../../support/damage.ts';
import { malformed, misfits } from '../../support/malformed.ts';

let cwd = '';
/** Without a driver whatever is not refused ends at once, with another message. */
const environment = { ...process.env };
beforeAll(() => {
  Object.assign(process.env, withoutDriver);
  cwd = mkdtempSync(join(tmpdir(), 'tapir-'));
  for (const folder of ['run', 'sweep']) mkdirSync(join(cwd, folder));
  writeFileSync(join(cwd, 'taken'), 'mine');
});
afterAll(() => {
  process.env = environment;
  rmSync(cwd, { recursive: true, force: true });
});

/** Everything in the folder, with sizes. */
const listing = () =>
  readdirSync(cwd, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => `${name} ${statSync(join(cwd, name)).size}`)
    .join('\n');

interface Case {
  readonly args: readonly string[];
  /** What lies in the folder then. */
  readonly file?: { readonly name: string; readonly text: string };
}

const own = {
  ...{ name: 'own', title: 'Own', coordinates: { y: [-1, 1] }, fields: ['u', 'b'] },
  ...{ parameters: { Ha: { value: 5, positive: true }, G: 1 }, coupling: { parameter: 'Ha', values: [1, 5] } },
  ...{ definitions: { f: 'G*sin(pi*y)' }, residuals: { m: 'u.yy + Ha*b.y + f', i: 'b.yy + Ha*u.y' } },
  conditions: [{ at: { y: -1 }, residuals: ['u - u_exact', 'b'], over: 'sum', term: 'BC', points: 5 }],
  ...{ exact: { u: 'y', b: 'Ha*y' }, points: { interior: 9 }, network: { hidden: 1, width: 3 }, learningRate: 1e-3 },
};
const config = { format: 2, ...settingsFor('thermoelasticity', { width: 3, depth: 1, epochs: 5 }) };
const plan = sweepPlan(presetNamed('quick'), { seeds: [42] });
const sweep = {
  format: 1,
  created: '2026-11-24',
  command: 'tapir sweep quick',
  preset: plan.preset,
  overrides: {},
  stack: 1,
  runs: plan.runs.slice(0, 2),
};
const golden = readFileSync(join(import.meta.dirname, '../../golden/torch-init.json'), 'utf8');

const cut = (text: string, most: number) =>
  [...cuts(new TextEncoder().encode(text), most)].map((bytes) => new TextDecoder().decode(bytes));
const inFile = (name: string, args: readonly string[], texts: Iterable<string>): Case[] =>
  [...texts].map((text) => ({ args, file: { name, text } }));

const lines: Case[] = malformed(program(benchCommand(), tuneCommand()).commands).map((args) => ({ args }));
const files: Case[] = [
  ...inFile(
    'own.json',
    ['explain', 'own.json', 'tape'],
    [...misfits(own, (path) => path.join() === 'parameters,Ha'), ...cut(JSON.stringify(own), 50)],
  ),
  ...inFile(
    'run/config.json',
    ['train', 'thermoelasticity', '--resume', 'run'],
    [...misfits(config), ...cut(JSON.stringify(config), 50)],
  ),
  ...inFile(
    'sweep/sweep.json',
    ['report', 'sweep'],
    [...misfits(sweep, ([key]) => key === 'overrides'), ...cut(JSON.stringify(sweep), 50)],
  ),
  ...inFile('golden.json', ['verify', 'golden.json'], cut(golden, 50)),
  ...inFile(
    'bench.json',
    ['bench', 'compare', 'bench.json', 'bench.json'],
    cut(JSON.stringify({ date: 'x', machine: {} }), 30),
  ),
];

/** What is not as promised, in words; undefined where all is. */
async function broken({ args, file }: Case, run: typeof within = within): Promise<string | undefined> {
  if (file) writeFileSync(join(cwd, file.name), file.text);
  const before = listing();
  const outcome = await run(cwd, [...args], ...(run === within ? [benchCommand(), tuneCommand()] : []));
  const own = ownLines(outcome);
  const wrong = [
    ...(own.length === 1 && own[0]!.startsWith('tapir: ') && own[0]!.length < 1200
      ? []
      : [`says ${JSON.stringify(outcome.stderr.slice(0, 300))}`]),
    ...(/internal error|no WebGPU adapter|undefined|\p{Cc}./u.test(outcome.stderr)
      ? ['is an internal error, is not plain, or comes late']
      : []),
    ...(outcome.status === 2 ? [] : [`ends with ${outcome.status}`]),
    ...(outcome.stdout === '' ? [] : ['writes to stdout']),
    ...(listing() === before ? [] : ['writes files']),
  ];
  const what = `${JSON.stringify(args).slice(0, 200)}${file ? `, ${file.text.slice(0, 300)}` : ''}`;
  return wrong.length > 0 ? `${what}: ${wrong.join('; ')}` : undefined;
}

async function allBroken(cases: readonly Case[]): Promise<string[]> {
  const found: string[] = [];
  for (const each of cases) found.push(...[(await broken(each)) ?? []].flat());
  return found;
}

describe('refused in one line, with nothing written', () => {
  it('there are a thousand of them', () => {
    expect(lines.length + files.length).toBeGreaterThanOrEqual(1000);
    expect(files.length).toBeGreaterThan(300);
  });

  it('command lines', async () => {
    expect(await allBroken(lines)).toEqual([]);
  }, 120_000);

  it('files', async () => {
    expect(await allBroken(files)).toEqual([]);
  }, 120_000);

  it('a sample of both, each in a process of its own', async () => {
    const all = [...lines, ...files];
    const sample = all.filter((_, k) => k % Math.floor(all.length / 12) === 7);
    const found: (string | undefined)[] = [];
    for (const each of sample) found.push(await broken(each, (folder, args) => tapir(args, { cwd: folder })));
    expect(sample.length).toBeGreaterThanOrEqual(12);
    expect(found.filter((each) => each !== undefined)).toEqual([]);
  }, 120_000);
});
