/**
 * Other programs at the same work: each peer's losses and gradient are held against ours before it is timed, then it and
 * we take turns. Peers are the user's own programs; one that is absent is said to be absent, one that runs on a BLAS
 * nobody would train with is timed and gives no ratio.
 */
import { fileURLToPath } from 'node:url';
import type { Device, Library } from '../engine/index.ts';
import { distance } from '../experiments/verify/quantity.ts';
import { judgeBlas } from './blas.ts';
import { interleaved, type Ratio, ratioOf } from './interleave.ts';
import { ratioInterval } from './interval.ts';
import { type Job, jobText, type Ours, oursOf, problemOf } from './job.ts';
import { Peer, type PeerCommand, PeerError, type Timing } from './peer-process.ts';
import { type Effort, type Spread, spread } from './timing.ts';

/** A peer and what it is compared on. */
export interface PeerSpec extends PeerCommand {
  readonly job: Job;
  /** Takes minutes: left out of a quick run. */
  readonly slow?: boolean;
  /** What the problem says to this peer alone. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

export interface PeerRow {
  readonly peer: string;
  readonly job: Job;
  readonly variant: string;
  /** Largest of ||theirs - ours|| / ||ours|| over losses and gradient. */
  readonly difference?: number;
  /** Nanoseconds of the first call, compiling included where the variant compiles. */
  readonly firstNs?: number;
  readonly ours?: Spread;
  readonly theirs?: Spread;
  /** Processor time of a call, all threads together. */
  readonly oursCpu?: Spread;
  readonly theirsCpu?: Spread;
  /** How often we are faster; absent where the comparison is unfair. */
  readonly ratio?: Ratio;
  /** Why the times are no measure of the peer. */
  readonly unfair?: string;
  /** Why no time is given: it is absent or failed; its numbers are not ours. */
  readonly absent?: string;
  readonly refused?: string;
}

/** Ours, to be read with the rows: dispatches, and error against float64 where the interpreter can be asked. */
export interface OursRow {
  readonly job: Job;
  readonly dispatches: number;
  readonly error?: number;
}

/** How far losses and gradient of a peer may be from ours: both are float32. */
export const AGREEMENT = 1e-4;

const START_MS = 60_000;
const CHECK_MS = 400_000;
const SAMPLE_MS = 120_000;

export interface PeerOptions {
  /** The Python that has PyTorch or JAX. */
  readonly python: string;
  /** A checkout of the authors' code with soap.py beside it. */
  readonly authors?: string;
  /** Threads that peers on the CPU may use. */
  readonly threads?: number;
}

/** Runs of a stack that is compared with an ensemble. */
const ENSEMBLE = 12;

const GRADIENT: Job = { system: 'thermoelasticity', work: 'gradient', runs: 1 };
const SOAP_STEP: Job = { ...GRADIENT, work: 'SOAP step' };
const FLOW = 'electroosmotic-flow';

/** What PyTorch is compared on; the flow takes a second a step. */
const TORCH: readonly { readonly job: Job; readonly slow?: boolean }[] = [
  { job: GRADIENT },
  { job: { ...GRADIENT, work: 'Adam step' } },
  { job: SOAP_STEP },
  { job: { ...GRADIENT, work: 'Adam step', runs: ENSEMBLE } },
  { job: { ...GRADIENT, system: FLOW }, slow: true },
  { job: { ...SOAP_STEP, system: FLOW }, slow: true },
];

/** Systems that any peer is compared on. */
export const PEER_SYSTEMS: readonly string[] = [...new Set(TORCH.map(({ job }) => job.system))];

const script = (name: string) => fileURLToPath(new URL(`../bench/peers/${name}`, import.meta.url));

export function peersOf({ python, authors, threads = 1 }: PeerOptions): PeerSpec[] {
  const jaxJs = (backend: string): PeerCommand => ({
    name: `jax-js ${backend}`,
    command: process.execPath,
    args: [script('jax_js.mjs'), backend],
  });
  const inPython = (name: string, file: string, ...args: string[]): PeerCommand => ({
    name,
    command: python,
    args: [script(file), ...args],
    threads,
  });
  return [
    { ...jaxJs('wasm'), job: GRADIENT },
    { ...jaxJs('webgpu'), job: GRADIENT, slow: true },
    { ...inPython('JAX', 'jax_peer.py'), job: GRADIENT },
    ...TORCH.map((each) => ({ ...inPython('PyTorch', 'torch_peer.py', 'cpu'), ...each })),
    ...TORCH.map((each) => ({ ...inPython('PyTorch on CUDA', 'torch_peer.py', 'cuda'), ...each })),
    { ...inPython("the authors' code", 'authors_peer.py'), job: SOAP_STEP, extra: { authors: authors ?? '' } },
  ];
}

export interface PeerBench {
  readonly device: Device;
  readonly library: Library;
  readonly versions?: Readonly<Record<string, string>>;
  readonly effort: Effort;
  readonly peers: readonly PeerSpec[];
  readonly quick?: boolean;
  readonly onStart?: (text: string) => void;
}

export async function benchPeers(bench: PeerBench): Promise<{ ours: OursRow[]; rows: PeerRow[] }> {
  const { peers, quick = false, onStart = () => {} } = bench;
  const rows: PeerRow[] = [];
  const ours: OursRow[] = [];
  const jobs = new Map(peers.map(({ job }) => [jobText(job), job]));
  for (const [text, job] of jobs) {
    const specs = peers.filter((spec) => jobText(spec.job) === text);
    const away = specs.map((spec) => whyNot(spec, quick));
    if (away.every((why) => why !== undefined)) {
      rows.push(...specs.map((spec, k) => absentRow(spec, away[k]!)));
      continue;
    }
    onStart(`peers: our ${text}`);
    const own = await oursOf(job, bench);
    const { dispatches, error } = own;
    ours.push({ job, dispatches, ...(error === undefined ? {} : { error }) });
    try {
      for (const [k, spec] of specs.entries())
        rows.push(...(away[k] === undefined ? await benchPeer(spec, own, bench) : [absentRow(spec, away[k])]));
    } finally {
      own.destroy();
    }
  }
  return { ours, rows };
}

/** Why a peer is not even started. */
function whyNot({ slow, extra }: PeerSpec, quick: boolean): string | undefined {
  if (quick && slow) return 'left out by --quick: it takes a minute or more';
  if (extra?.['authors'] === '') return 'name a checkout of it, soap.py beside it, with --authors DIR';
  return undefined;
}

const absentRow = ({ name, job }: PeerSpec, absent: string): PeerRow => ({ peer: name, job, variant: '', absent });

async function benchPeer(spec: PeerSpec, ours: Ours, { effort, onStart = () => {} }: PeerBench): Promise<PeerRow[]> {
  const { job, threads } = spec;
  onStart(`peers: ${spec.name}, ${jobText(job)}`);
  let peer: Peer;
  try {
    peer = await Peer.start(spec, { ...problemOf(job, threads), ...spec.extra }, START_MS);
  } catch (error) {
    if (error instanceof PeerError) return [absentRow(spec, error.message)];
    throw error;
  }
  const blas = peer.hello.blas && judgeBlas(peer.hello.blas);
  const name = blas ? `${peer.hello.name}, ${blas.name}` : peer.hello.name;
  const rows: PeerRow[] = [];
  try {
    for (const variant of peer.hello.variants) {
      onStart(`peers: ${name}, ${variant}`);
      const row = { peer: name, job, variant };
      try {
        rows.push({ ...row, ...(await benchVariant(peer, variant, ours, effort, blas?.unfair)) });
      } catch (error) {
        if (!(error instanceof PeerError)) throw error;
        rows.push({ ...row, absent: error.message });
      }
    }
  } finally {
    peer.stop();
  }
  return rows;
}

async function benchVariant(
  peer: Peer,
  variant: string,
  ours: Ours,
  effort: Effort,
  unfair: string | undefined,
): Promise<Partial<PeerRow>> {
  const { losses = [], gradient = [], firstNs } = await peer.check(variant, CHECK_MS);
  const difference = Math.max(apart(losses, ours.losses), apart(gradient, ours.gradient));
  if (!(difference <= AGREEMENT))
    return { difference, refused: `its numbers are not ours: ${difference.toExponential(1)} > ${AGREEMENT}` };
  const [own, their] = [
    watched('Tapir', (calls) => ownTime(ours, calls)),
    watched(variant, (calls) => peer.time(variant, calls, SAMPLE_MS)),
  ];
  const [oursTime, theirsTime] = (await interleaved([own, their], effort)) as [Spread, Spread];
  // Without the two calls that warm up.
  const interval = ratioInterval(own.wall.slice(2), their.wall.slice(2));
  return {
    difference,
    firstNs,
    ours: oursTime,
    theirs: theirsTime,
    ...(own.cpu.length > 0 ? { oursCpu: spread(own.cpu) } : {}),
    ...(their.cpu.length > 0 ? { theirsCpu: spread(their.cpu) } : {}),
    ...(unfair === undefined
      ? { ratio: { ...ratioOf(oursTime, theirsTime), ...(interval ? { interval } : {}) } }
      : { unfair }),
  };
}

/** A contestant that keeps its samples, and the processor times beside them. */
function watched(name: string, run: (calls: number) => Promise<Timing>) {
  const [wall, cpu]: [number[], number[]] = [[], []];
  const time = async (calls: number) => {
    const { ns, cpuNs } = await run(calls);
    wall.push(ns);
    if (cpuNs !== undefined) cpu.push(cpuNs);
    return ns;
  };
  return { name, wall, cpu, time };
}

/** On a software adapter the threads that play the GPU are this process' own. */
async function ownTime(ours: Ours, calls: number): Promise<Timing> {
  const before = process.cpuUsage();
  const ns = await ours.time(calls);
  const { user, system } = process.cpuUsage(before);
  return { ns, cpuNs: (1e3 * (user + system)) / calls };
}

const apart = (theirs: readonly number[], ours: ArrayLike<number>) =>
  theirs.length === ours.length ? distance(theirs, ours) : Number.POSITIVE_INFINITY;
