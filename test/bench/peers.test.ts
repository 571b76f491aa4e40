/** Peers: told the problem, held to our numbers, timed only then; their absence is a line, never a failure. */
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Ours, oursGradient, oursStep, problemOf } from '../../bench/gradient.ts';
import { benchPeers, type PeerRow, type PeerSpec, peersOf } from '../../bench/peers.ts';
import { peersTable, textOf } from '../../bench/tables.ts';
import { type Device, openDevice } from '../../engine/index.ts';
import { library } from '../../kernels/index.ts';

const script = fileURLToPath(new URL('fake-peer.mjs', import.meta.url));
const effort = { budgetMs: 20, least: 2 };

let device: Device;
let ours: Ours;
/** One run with every peer: our own side and its float64 truth take a second each time. */
let rows: readonly PeerRow[];
let table: string;

const fake = (how: string, more: Partial<PeerSpec> = {}): PeerSpec => ({
  name: `fake ${how}`,
  command: process.execPath,
  args: [script, how],
  work: 'gradient',
  extra: { answer: { losses: Array.from(ours.losses), gradient: Array.from(ours.gradient) } },
  ...more,
});
const rowOf = (name: string) => rows.find(({ peer }) => peer === name)!;

beforeAll(async () => {
  device = await openDevice();
  ours = await oursGradient({ device, library });
  const jaxJs = peersOf({ python: 'python3' }).find(({ name }) => name === 'jax-js wasm')!;
  const peers = [
    ...['right', 'wrong', 'short', 'nan', 'absent', 'babbles', 'fails', 'dies'].map((how) => fake(how)),
    fake('right', { command: 'no-such-program', name: 'no program' }),
    fake('right', { slow: true, name: 'slow' }),
    { ...jaxJs, folder: tmpdir(), name: 'not installed' },
    ...peersOf({ python: 'no-such-python' }).filter(({ name, work }) => name !== 'jax-js wasm' && work === 'gradient'),
  ];
  const result = await benchPeers({ device, library, effort, peers, quick: true });
  rows = result.rows;
  table = textOf(peersTable(result));
});
afterAll(async () => {
  ours?.destroy();
  await device?.close();
});

describe('our own side', () => {
  it('is within 1e-5 of float64 in losses and gradient', () => {
    expect(ours.error).toBeGreaterThan(0);
    expect(ours.error).toBeLessThan(1e-5);
    expect(ours.gradient).toHaveLength(2 * 12673);
  });

  it('describes network, points and known functions', () => {
    const { theta, points, data, parameters, hidden, width } = problemOf();
    expect(theta.map(({ length }) => length)).toEqual([12673, 12673]);
    expect(points['interior']).toHaveLength(200);
    expect(points['ends']).toEqual([0, 1]);
    expect(Object.keys(data).sort()).toEqual(['ends.T_exact', 'ends.u_exact', 'interior.f_T', 'interior.f_u']);
    expect({ ...parameters, hidden, width }).toEqual({ gamma: 10, kappa: 1, E: 1, hidden: 4, width: 64 });
  });

  it('weights the terms of a whole step as grad-norm does, so its gradient is another one', async () => {
    const step = await oursStep({ device, library });
    try {
      const digest = (values: ArrayLike<number>) => createHash('sha1').update(Float32Array.from(values)).digest('hex');
      expect(digest(step.losses)).toBe(digest(ours.losses));
      expect(digest(step.gradient)).not.toBe(digest(ours.gradient));
      expect(step.error).toBeLessThan(1e-5);
      expect(await step.time(2)).toBeGreaterThan(0);
    } finally {
      step.destroy();
    }
  });
});

describe('a peer', () => {
  it('that agrees is timed in turn with us', () => {
    const row = rowOf('fake right');
    expect(row).toMatchObject({ work: 'gradient', variant: 'only', difference: 0, firstNs: 5e9 });
    expect(row.theirs!.minNs).toBe(1e6);
    expect(row.ours!.samples).toBe(row.theirs!.samples);
    expect(row.ratio!.fastest).toBeCloseTo(1e6 / row.ours!.minNs, 6);
  });

  it.each(['wrong', 'short', 'nan'])('whose gradient is %s is refused, not timed', (how) => {
    const row = rowOf(`fake ${how}`);
    expect(row.refused).toMatch(/^its numbers are not ours: .* > 0.0001$/);
    expect(row.theirs).toBeUndefined();
    expect(row.ratio).toBeUndefined();
  });

  it.each([
    ['fake absent', /^no such library; install it so$/],
    ['fake babbles', /^it answered no JSON but hello$/],
    ['fake fails', /^out of memory$/],
    ['fake dies', /exit code 3/],
    ['no program', /^there is no program no-such-program$/],
    ['slow', /^left out by --quick: it compiles for a minute or more$/],
    ['not installed', /^jax-js is not installed in this folder; npm install --no-save @jax-js\/jax$/],
    ['jax-js webgpu', /^left out by --quick/],
    ['PyTorch', /^there is no program no-such-python$/],
    ['JAX', /^there is no program no-such-python$/],
  ])('%s that gives no answer is one line that says why', (name, line) => {
    expect(rowOf(name).absent).toMatch(line);
    expect(rowOf(name).theirs).toBeUndefined();
  });

  it('of the authors is named by the user', async () => {
    const peers = peersOf({ python: 'python3' }).map((spec): PeerSpec => ({ ...spec, work: 'gradient' }));
    const { rows } = await benchPeers({ device, library, effort, peers: peers.slice(-1) });
    expect(rows).toMatchObject([{ absent: 'name a checkout of it, soap.py beside it, with --authors DIR' }]);
  });

  it('has its lines in a table of at most 100 columns', () => {
    expect(table.split('\n').filter((line) => line.length > 100)).toEqual([]);
    expect(table).toContain('  only: REFUSED: its numbers are not ours');
    expect(table).toContain('fake absent: gradient: no such library; install it so');
  });
});
