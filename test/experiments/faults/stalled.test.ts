/**
 * A GPU that makes no progress: given up after a while, by name, with the last state on disk, from which it goes on. The
 * loops have no end; their processes do. Needs an adapter.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ownLines, tapir } from '../../support/command.ts';
import { contents } from '../../support/contents.ts';

let base = '';
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'tapir-'));
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

const hook = pathToFileURL(resolve(import.meta.dirname, '../../support/endless.mjs')).href;
/** A process on whose GPU something never ends. */
const endless = (setting: Readonly<Record<string, string>>) => ({
  cwd: base,
  env: { ...setting, NODE_OPTIONS: `--import=${hook}` },
});
const patience = ['--patience', '4'];
const small = ['--width', '8', '--depth', '1', '--checkpoint', '0'];

it('ends train with what did not end and what to do, and --resume ends as if nothing had happened', async () => {
  const train = (out: string) => ['train', 'thermoelasticity', ...small, '--epochs', '300', '--out', out];
  const whole = await tapir(train('whole'), { cwd: base });
  expect(whole.status).toBe(0);
  const stalled = await tapir([...patience, ...train('stalled')], endless({ ENDLESS_AT: '80' }));
  expect(ownLines(stalled).at(-1)).toMatch(
    /^tapir: the GPU makes no progress: .+ did not end in \d+ s( \(TAPIR_SINGLY=on names the dispatch\))?; what was reached is kept: go on with --resume stalled$/,
  );
  expect([stalled.status, stalled.signal, stalled.stdout]).toEqual([75, null, '']);
  const resumed = await tapir(['train', 'thermoelasticity', '--resume', 'stalled'], { cwd: base });
  expect([resumed.status, resumed.stderr]).toEqual([0, expect.stringMatching(/epoch \d+\/300/)]);
  expect(contents(join(base, 'stalled'))).toEqual(contents(join(base, 'whole')));
});

it('is named by dispatch and program in a sweep, which opens another device and goes on by itself', async () => {
  const only = ['--only', 'system=thermoelasticity', '--only', 'method=Adam+GN', '--only', 'coupling=1'];
  const sweep = (out: string) => [
    ...['sweep', 'quick', ...small, ...only],
    ...['--epochs', '100', '--seeds', '1', '--out', out],
  ];
  const whole = await tapir(sweep('sweep-whole'), { cwd: base });
  expect(whole.status).toBe(0);
  const stalled = await tapir([...patience, ...sweep('sweep')], endless({ ENDLESS_KERNEL: 'vjp' }));
  expect(stalled.stderr).toMatch(
    /the GPU makes no progress: dispatch \d+ of program weighting, vjp\(dense_jet\)\S+ layer 2 \(adjoint\) did not end in \d+ s; opened .* again \(1 of 3\)/,
  );
  expect([stalled.status, stalled.stdout]).toEqual([0, expect.stringMatching(/^1 of 1 runs are done/)]);
  expect(contents(join(base, 'sweep', 'runs'))).toEqual(contents(join(base, 'sweep-whole', 'runs')));
});
