/**
 * Other programs at the same work: each peer's losses and gradient are held against ours before it is timed, then it and
 * we take turns. Peers are the user's own programs; one that is absent is said to be absent.
 */
import { fileURLToPath } from 'node:url';
import type { Device, Library } from '../engine/index.ts';
import { distance } from '../experiments/verify/quantity.ts';
import { type Ours, oursGradient, oursStep, problemOf } from './gradient.ts';
import { interleaved, type Ratio, ratioOf } from './interleave.ts';
import { Peer, type PeerCommand, PeerError } from './peer-process.ts';
import type { Effort, Spread } from './timing.ts';

export type Work = 'gradient' | 'SOAP step';

/** A peer and what it is compared on. */
export interface PeerSpec extends PeerCommand {
  readonly work: Work;
  /** Takes minutes to compile: left out of a quick run. */
  readonly slow?: boolean;
  /** What the problem says to this peer alone. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

export interface PeerRow {
  readonly peer: string;
  readonly work: Work;
  readonly variant: string;
  /** Largest of ||theirs - ours|| / ||ours|| over losses and gradient. */
  readonly difference?: number;
  /** Nanoseconds of the first call, compiling included where the variant compiles. */
  readonly firstNs?: number;
  readonly ours?: Spread;
  readonly theirs?: Spread;
  /** How often we are faster. */
  readonly ratio?: Ratio;
  /** Why no time is given: it is absent or failed; its numbers are not ours. */
  readonly absent?: string;
  readonly refused?: string;
}

/** Ours, to be read with the rows: dispatches and error against float64. */
export interface OursRow {
  readonly work: Work;
  readonly dispatches: number;
  readonly error: number;
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
}

const script = (name: string) => fileURLToPath(new URL(`../bench/peers/${name}`, import.meta.url));

export function peersOf({ python, authors }: PeerOptions): PeerSpec[] {
  const jaxJs = (backend: string): PeerCommand => ({
    name: `jax-js ${backend}`,
    command: process.execPath,
    args: [script('jax_js.mjs'), backend],
  });
  return [
    { ...jaxJs('wasm'), work: 'gradient' },
    { ...jaxJs('webgpu'), work: 'gradient', slow: true },
    { name: 'PyTorch', command: python, args: [script('torch_peer.py')], work: 'gradient' },
    { name: 'JAX', command: python, args: [script('jax_peer.py')], work: 'gradient' },
    {
      name: "the authors' code",
      command: python,
      args: [script('authors_peer.py')],
      work: 'SOAP step',
      extra: { authors: authors ?? '' },
    },
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
  const { peers, onStart = () => {} } = bench;
  const rows: PeerRow[] = [];
  const ours: OursRow[] = [];
  for (const work of ['gradient', 'SOAP step'] as const) {
    const specs = peers.filter((spec) => spec.work === work);
    if (specs.length === 0) continue;
    onStart(`peers: our ${work}`);
    const own = await (work === 'gradient' ? oursGradient : oursStep)(bench);
    ours.push({ work, dispatches: own.dispatches, error: own.error });
    try {
      for (const spec of specs) rows.push(...(await benchPeer(spec, own, bench)));
    } finally {
      own.destroy();
    }
  }
  return { ours, rows };
}

async function benchPeer(spec: PeerSpec, ours: Ours, { effort, quick, onStart = () => {} }: PeerBench) {
  const { name, work } = spec;
  const absent = (why: string): PeerRow[] => [{ peer: name, work, variant: '', absent: why }];
  if (quick && spec.slow) return absent('left out by --quick: it compiles for a minute or more');
  if (spec.extra?.['authors'] === '') return absent('name a checkout of it, soap.py beside it, with --authors DIR');
  onStart(`peers: ${name}`);
  let peer: Peer;
  try {
    peer = await Peer.start(spec, { ...problemOf(), ...spec.extra }, START_MS);
  } catch (error) {
    if (error instanceof PeerError) return absent(error.message);
    throw error;
  }
  const rows: PeerRow[] = [];
  try {
    for (const variant of peer.hello.variants) {
      onStart(`peers: ${peer.hello.name}, ${variant}`);
      const row = { peer: peer.hello.name, work, variant };
      try {
        rows.push({ ...row, ...(await benchVariant(peer, variant, ours, effort)) });
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

async function benchVariant(peer: Peer, variant: string, ours: Ours, effort: Effort): Promise<Partial<PeerRow>> {
  const { losses = [], gradient = [], firstNs } = await peer.check(variant, CHECK_MS);
  const difference = Math.max(apart(losses, ours.losses), apart(gradient, ours.gradient));
  if (!(difference <= AGREEMENT))
    return { difference, refused: `its numbers are not ours: ${difference.toExponential(1)} > ${AGREEMENT}` };
  const theirs = { name: variant, time: (calls: number) => peer.time(variant, calls, SAMPLE_MS) };
  const [own, their] = (await interleaved([ours, theirs], effort)) as [Spread, Spread];
  return { difference, firstNs, ours: own, theirs: their, ratio: ratioOf(own, their) };
}

const apart = (theirs: readonly number[], ours: ArrayLike<number>) =>
  theirs.length === ours.length ? distance(theirs, ours) : Number.POSITIVE_INFINITY;
