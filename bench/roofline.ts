/**
 * What this adapter can do at best, measured: multiply-adds in registers, copies in memory, dispatches in a pass. Each
 * shader is held against what it should have computed before its time counts.
 */
import { type Device, Program, UserError } from '../engine/index.ts';
import { planOf, type Shader } from './shader.ts';
import { byWall, type Clock, type Effort, type Spread, timePlan } from './timing.ts';

/** A shader of the roofline that computed something else than it claims: its time means nothing. */
export class RooflineError extends UserError {
  override readonly name = 'RooflineError';
  override readonly exitCode = 1;
  constructor(message: string) {
    super(message, { remedy: 'tapir doctor shows what this adapter computes' });
  }
}

export interface Ceiling {
  readonly name: string;
  /** FLOP/s or bytes/s. */
  readonly perSecond: number;
  /** Bytes of the working set; 0 where only registers are used. */
  readonly workingSet: number;
  readonly time: Spread;
}

export interface Roofline {
  /** Multiply-adds in registers; the fastest counts. */
  readonly compute: readonly Ceiling[];
  /** Copies by working set; see {@link bandwidthFor}. */
  readonly memory: readonly Ceiling[];
  readonly peakFlops: number;
  readonly peakBandwidth: number;
}

/** Bytes/s of the fastest copy whose working set is at least this large, so that caches help neither or both. */
export function bandwidthFor({ memory }: Roofline, bytes: number): number {
  const largest = Math.max(...memory.map(({ workingSet }) => workingSet));
  const atLeast = memory.filter(({ workingSet }) => workingSet >= Math.min(bytes, largest));
  return Math.max(...atLeast.map(({ perSecond }) => perSecond));
}

/** Nanoseconds that nothing on this adapter can beat: for the arithmetic or for the traffic, whichever takes longer. */
export function bound(roofline: Roofline, flops: number, bytes: number): { ns: number; by: 'arithmetic' | 'memory' } {
  const arithmetic = (1e9 * flops) / roofline.peakFlops;
  const memory = (1e9 * bytes) / bandwidthFor(roofline, bytes);
  return arithmetic >= memory ? { ns: arithmetic, by: 'arithmetic' } : { ns: memory, by: 'memory' };
}

const THREADS = 64;
const UNROLL = 16;
const ROUNDS = 4096;
const [A, B] = [0.9999, 0.0625];
const PEAK_MS = 5;

/** `chains` independent x <- a x + b in registers, `ROUNDS` times; each invocation stores the sum. */
export function fmaShader(chains: number, spelling: 'fma' | 'mul+add', groups: number): Shader {
  const each = (line: (c: number) => string) => Array.from({ length: chains }, (_, c) => line(c)).join(' ');
  const turn = each((c) => (spelling === 'fma' ? `x${c} = fma(x${c}, a, b);` : `x${c} = x${c} * a + b;`));
  const code = `
@group(0) @binding(0) var<storage, read> start: array<f32>;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;
@compute @workgroup_size(${THREADS})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let a = start[0];
  let b = start[1];
  let lane = f32(id.x % ${THREADS}u);
  ${each((c) => `var x${c} = start[2] * (lane + ${c}.0);`)}
  for (var i = 0u; i < ${ROUNDS / UNROLL}u; i++) {
    ${Array.from({ length: UNROLL }, () => turn).join('\n    ')}
  }
  sums[id.x] = ${Array.from({ length: chains }, (_, c) => `x${c}`).join(' + ')};
}`;
  return {
    name: `${spelling}, ${chains} chains`,
    code,
    buffers: [
      { name: 'start', elements: 3, written: false },
      { name: 'sums', elements: THREADS * groups, written: true },
    ],
    workgroups: [groups, 1, 1],
    flops: 2 * chains * ROUNDS * THREADS * groups,
    bytes: 4 * THREADS * groups,
  };
}

const FMA_START = [A, B, 0.5];

/** The sum that lane `lane` must have stored, in float64 from the closed form of the recurrence. */
function expectedSum(lane: number, chains: number): number {
  const [a, b, start] = Array.from(Float32Array.of(...FMA_START)) as [number, number, number];
  const power = a ** ROUNDS;
  const from = Array.from({ length: chains }, (_, c) => start * (lane + c)).reduce((x, y) => x + y, 0);
  return power * from + (chains * b * (1 - power)) / (1 - a);
}

/** Runs a shader once on the given inputs and hands its output over. */
async function outputOf(device: Device, shader: Shader, data: Readonly<Record<string, ArrayLike<number>>>) {
  const program = await Program.create(device, planOf(shader));
  try {
    for (const [name, values] of Object.entries(data)) program.write(name, values);
    await program.run();
    return await program.read(shader.buffers.find(({ written }) => written)!.name);
  } finally {
    program.destroy();
  }
}

function demand(shader: Shader, got: ArrayLike<number>, expected: (k: number) => number, tolerance: number): void {
  for (let k = 0; k < got.length; k++) {
    const want = expected(k);
    if (!(Math.abs(got[k]! - want) <= tolerance * Math.abs(want)))
      throw new RooflineError(
        `${shader.name}: element ${k} is ${got[k]}, not ${want}: this adapter cannot be measured`,
      );
  }
}

/** One round too few in a hundred moves the sums by 2e-3 and more; rounding by less than 1e-4. */
const FMA_TOLERANCE = 1e-3;

async function computeCeiling(
  device: Device,
  chains: number,
  spelling: 'fma' | 'mul+add',
  clock: Clock,
  effort: Effort,
): Promise<Ceiling> {
  const data = { start: FMA_START };
  const small = fmaShader(chains, spelling, 64);
  demand(small, await outputOf(device, small, data), (k) => expectedSum(k % THREADS, chains), FMA_TOLERANCE);
  const first = await timePlan(device, planOf(small), clock, { budgetMs: 5, least: 2 }, data);
  const more = Math.min(256, Math.max(1, Math.ceil((1e6 * PEAK_MS) / first.minNs)));
  const shader = more === 1 ? small : fmaShader(chains, spelling, 64 * more);
  const time = await timePlan(device, planOf(shader), clock, effort, data);
  return { name: shader.name, perSecond: (1e9 * shader.flops) / time.minNs, workingSet: 0, time };
}

/** Copies `vectors` 4-vectors, one by an invocation; `wide` loads and stores them whole, else four f32 each apart. */
export function copyShader(vectors: number, wide: boolean): Shader {
  const count = wide ? vectors : 4 * vectors;
  const groups = Math.ceil(count / THREADS);
  const [x, y] = [Math.min(groups, 32768), Math.ceil(groups / 32768)];
  const type = wide ? 'vec4f' : 'f32';
  const code = `
@group(0) @binding(0) var<storage, read> a: array<${type}>;
@group(0) @binding(1) var<storage, read_write> b: array<${type}>;
@compute @workgroup_size(${THREADS})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x + id.y * ${32768 * THREADS}u;
  if (i < ${count}u) { b[i] = a[i]; }
}`;
  return {
    name: `copy ${type}`,
    code,
    buffers: [
      { name: 'a', elements: 4 * vectors, written: false },
      { name: 'b', elements: 4 * vectors, written: true },
    ],
    workgroups: [x, y, 1],
    flops: 0,
    bytes: 32 * vectors,
  };
}

async function memoryCeiling(
  device: Device,
  workingSet: number,
  wide: boolean,
  clock: Clock,
  effort: Effort,
): Promise<Ceiling> {
  const shader = copyShader(workingSet / 32, wide);
  const a = new Float32Array(workingSet / 8);
  for (let k = 0; k < a.length; k++) a[k] = 1 + (k % 65521);
  demand(shader, await outputOf(device, shader, { a }), (k) => a[k]!, 0);
  const time = await timePlan(device, planOf(shader), clock, effort, { a });
  return { name: shader.name, perSecond: (1e9 * shader.bytes) / time.minNs, workingSet, time };
}

const MIB = 2 ** 20;

/** Working sets in bytes, the largest beyond the caches: 128 MiB without a GPU, 512 MiB with one, less where buffers end. */
function workingSets({ gpu, info }: Device): number[] {
  const buffer = Math.min(gpu.limits.maxStorageBufferBindingSize, gpu.limits.maxBufferSize);
  const largest = Math.min(info.software ? 128 * MIB : 512 * MIB, 2 * buffer);
  return [MIB, 16 * MIB, largest];
}

/** Measures both roofs from their fastest samples; `brief` leaves out the variants that seldom win. Throws {@link RooflineError}. */
export async function measureRoofline(device: Device, clock: Clock, effort: Effort, brief = false): Promise<Roofline> {
  const compute: Ceiling[] = [];
  for (const chains of brief ? [12] : [8, 12])
    for (const spelling of ['fma', 'mul+add'] as const)
      compute.push(await computeCeiling(device, chains, spelling, clock, effort));
  const memory: Ceiling[] = [];
  for (const workingSet of workingSets(device))
    for (const wide of brief ? [true] : [true, false])
      memory.push(await memoryCeiling(device, workingSet, wide, clock, effort));
  const peak = (all: readonly Ceiling[]) => Math.max(...all.map(({ perSecond }) => perSecond));
  return { compute, memory, peakFlops: peak(compute), peakBandwidth: peak(memory) };
}

/** The fastest register kernel once more: a peak that moved during a run says that the machine was shared or throttled. */
export async function peakAgain(
  device: Device,
  { compute, peakFlops }: Roofline,
  clock: Clock,
  effort: Effort,
): Promise<number> {
  const best = compute.find(({ perSecond }) => perSecond === peakFlops)!;
  const [, spelling, chains] = /^(fma|mul\+add), (\d+) chains$/.exec(best.name)!;
  const again = await computeCeiling(device, Number(chains), spelling as 'fma' | 'mul+add', clock, effort);
  return again.perSecond;
}

/** Whether timestamps tell what the wall clock tells of the same long work, within a factor of two. */
export async function timestampsTell(device: Device): Promise<boolean> {
  if (!device.gpu.features.has('timestamp-query')) return false;
  const shader = fmaShader(8, 'mul+add', 256);
  const brief = { budgetMs: 20, least: 3 };
  const stamps = await timePlan(device, planOf(shader), { method: 'timestamp queries', emptyNs: 0 }, brief);
  const program = await Program.create(device, planOf(shader));
  try {
    program.write('start', FMA_START);
    const wall = await byWall(program, { method: 'wall clock', emptyNs: 0 }, brief);
    return stamps.medianNs > wall.medianNs / 2 && stamps.medianNs < wall.medianNs * 2;
  } finally {
    program.destroy();
  }
}
