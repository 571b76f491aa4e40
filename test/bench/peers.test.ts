/** Peers: told the problem, held to our numbers, timed only then; their absence is a line, never a failure. */
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { judgeBlas } from '../../bench/blas.ts';
import { type Job, type Ours, oursOf, problemOf } from '../../bench/job.ts';
import { benchPeers, type PeerRow, type PeerSpec, peersOf } from '../../bench/peers.ts';
import { peersTable, textOf } from '../../bench/tables.ts';
import { type Device, openDevice } from '../../engine/index.ts';
import { library } from '../../kernels/index.ts';

const script = fileURLToPath(new URL('fake-peer.mjs', import.meta.url));
const effort = { budgetMs: 20, least: 2 };

let device: Device;
let ours: Ours;
const GRADIENT: Job = { system: 'thermoelasticity', work: 'gradient', runs: 1 };

/** One run with every peer: our own side and its float64 truth take a second each time. */
let rows: readonly PeerRow[];
let table: string;

const fake = (how: string, more: Partial<PeerSpec> = {}): PeerSpec => ({
  name: `fake ${how}`,
  command: process.execPath,
  args: [script, how],
  job: GRADIENT,
  extra: { answer: { losses: Array.from(ours.losses), gradient: Array.from(ours.gradient) } },
  ...more,
});
const rowOf = (name: string) => rows.find(({ peer }) => peer === name)!;

beforeAll(async () => {
  device = await openDevice();
  ours = await oursOf(GRADIENT, { device, library });
  const jaxJs = peersOf({ python: 'python3' }).find(({ name }) => name === 'jax-js wasm')!;
  const peers = [
    ...['right', 'wrong', 'short', 'nan', 'absent', 'babbles', 'fails', 'dies'].map((how) => fake(how)),
    fake('openblas'),
    fake('reference'),
    fake('right', { threads: 3, name: 'three threads', extra: { ...fake('').extra, says: 'threads' } }),
    fake('right', { command: 'no-such-program', name: 'no program' }),
    fake('right', { slow: true, name: 'slow' }),
    { ...jaxJs, folder: tmpdir(), name: 'not installed' },
    ...peersOf({ python: 'no-such-python' }).filter(
      ({ name, job }) => name !== 'jax-js wasm' && job.work === 'gradient' && job.system === 'thermoelasticity',
    ),
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
    const { theta, points, data, parameters, hidden, width } = problemOf(GRADIENT);
    expect(theta.map(({ length }) => length)).toEqual([12673, 12673]);
    expect(points['interior']!['x']).toHaveLength(200);
    expect(points['ends']).toEqual({ x: [0, 1] });
    expect(Object.keys(data).sort()).toEqual(['ends.T_exact', 'ends.u_exact', 'interior.f_T', 'interior.f_u']);
    expect({ ...parameters, hidden, width }).toEqual({ gamma: 10, kappa: 1, E: 1, hidden: 4, width: 64 });
  });

  it('weights the terms of a whole step as grad-norm does, so its gradient is another one', async () => {
    const step = await oursOf({ ...GRADIENT, work: 'SOAP step' }, { device, library });
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
    expect(row).toMatchObject({ job: GRADIENT, variant: 'only', difference: 0, firstNs: 5e9 });
    expect(row.theirs!.minNs).toBe(1e6);
    expect(row.ours!.samples).toBe(row.theirs!.samples);
    expect(row.ratio!.fastest).toBeCloseTo(1e6 / row.ours!.minNs, 6);
  });

  it('has its processor time beside the clock, and so have we', () => {
    const row = rowOf('fake right');
    expect(row.theirsCpu!.medianNs).toBe(2e6);
    expect(row.oursCpu!.medianNs).toBeGreaterThan(0);
  });

  it('is held to the threads it was given, and those that wait sleep', () => {
    expect(rowOf('OPENBLAS 3, OMP 3, MKL 3, PASSIVE')).toBeDefined();
  });

  it('on OpenBLAS is named with it, its threads, and gets a ratio', () => {
    const row = rowOf('fake openblas, OpenBLAS 0.3.21, 1 thread');
    expect(row.unfair).toBeUndefined();
    expect(row.ratio).toBeDefined();
  });

  it('on a reference BLAS is timed, called unfair with what to install, and gets no ratio', () => {
    const row = rowOf('fake reference, reference BLAS');
    expect(row.unfair).toMatch(/^a reference BLAS, libblas.so.3.11.0: install OpenBLAS .*libopenblas0-pthread/);
    expect(row.theirs!.minNs).toBe(1e6);
    expect(row.ratio).toBeUndefined();
    expect(table).toContain('    UNFAIR, no ratio: a reference BLAS, libblas.so.3.11.0');
    expect(table.split('\n').filter((line) => /^ {4}only .* unfair /.test(line))).toHaveLength(1);
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
    ['slow', /^left out by --quick: it takes a minute or more$/],
    ['not installed', /^jax-js is not installed in this folder; npm install --no-save @jax-js\/jax$/],
    ['jax-js webgpu', /^left out by --quick/],
    ['PyTorch', /^there is no program no-such-python$/],
    ['PyTorch on CUDA', /^there is no program no-such-python$/],
    ['JAX', /^there is no program no-such-python$/],
  ])('%s that gives no answer is one line that says why', (name, line) => {
    expect(rowOf(name).absent).toMatch(line);
    expect(rowOf(name).theirs).toBeUndefined();
  });

  it('of the authors is named by the user, before anything of ours is compiled', async () => {
    const authors = peersOf({ python: 'python3' }).filter(({ name }) => name === "the authors' code");
    const result = await benchPeers({ device, library, effort, peers: authors });
    expect(result.ours).toEqual([]);
    expect(result.rows).toMatchObject([{ absent: 'name a checkout of it, soap.py beside it, with --authors DIR' }]);
  });

  it('has its lines in a table of at most 100 columns', () => {
    expect(table.split('\n').filter((line) => line.length > 100)).toEqual([]);
    expect(table).toContain('    only: REFUSED: its numbers are not ours');
    expect(table).toContain('  fake absent: no such library; install it so');
  });
});

describe('the BLAS of a peer', () => {
  const lib = '/usr/lib/x86_64-linux-gnu';
  it.each([
    [
      'OpenBLAS',
      [`${lib}/openblas-pthread/libblas.so.3`, `${lib}/openblas-pthread/libopenblasp-r0.3.21.so`],
      'generic',
    ],
    ['OpenBLAS', [`${lib}/openblas-pthread/libblas.so.3`], 'generic'],
    ['BLIS', [`${lib}/blis-openmp/libblas.so.3`], 'generic'],
    ['MKL', ['/opt/intel/libmkl_core.so.2'], 'mkl'],
    ['MKL', [], 'mkl'],
    ['Accelerate', [], 'accelerate'],
  ])('%s is fair', (name, libraries, built) => {
    const judged = judgeBlas({ libraries, built });
    expect(judged.name).toContain(name);
    expect(judged.unfair).toBeUndefined();
  });

  it.each([
    ['reference BLAS', [`${lib}/blas/libblas.so.3.11.0`, `${lib}/lapack/liblapack.so.3`], 'generic'],
    ['reference BLAS', ['/usr/lib64/libcblas.so.3'], 'generic'],
    ['reference BLAS', ['/opt/openblas-tests/lib/libblas.so.3', '/usr/lib/libmkldnn.so.2'], 'generic'],
    ['unknown BLAS', [], 'generic'],
  ])('%s is not', (name, libraries, built) => {
    const judged = judgeBlas({ libraries, built });
    expect(judged.name).toBe(name);
    expect(judged.unfair).toContain('libopenblas0-pthread');
  });
});
