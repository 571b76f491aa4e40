/** How long a plan takes on a device: by timestamp queries where the adapter has them, else by the wall clock. */
import { type Device, type Plan, Program, sizeOf } from '../engine/index.ts';
import { samples } from '../experiments/verify/kernels.ts';

/** How time is told in one run of the benchmark. */
export interface Clock {
  readonly method: 'timestamp queries' | 'wall clock';
  /** Nanoseconds of an empty dispatch, subtracted for each dispatch where the wall clock is read. */
  readonly emptyNs: number;
}

/** How much time one figure may take. */
export interface Effort {
  /** Milliseconds of measuring, warm-up not counted. */
  readonly budgetMs: number;
  /** Samples taken even where they exceed the budget. */
  readonly least: number;
}

export const THOROUGH: Effort = { budgetMs: 600, least: 3 };
export const QUICK: Effort = { budgetMs: 60, least: 3 };

/** Time of one execution, over `samples` executions. */
export interface Spread {
  readonly medianNs: number;
  readonly minNs: number;
  readonly p90Ns: number;
  readonly samples: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  return { medianNs: at(0.5), minNs: at(0), p90Ns: at(0.9), samples: sorted.length };
}

/** Milliseconds that one submission of repeated work should last: long enough to keep a GPU's clocks up. */
const SUBMISSION_MS = 20;
const MOST_REPEATS = 50;
const MOST_SAMPLES = 2000;

const repeatsFor = (ns: number) =>
  Math.max(1, Math.min(MOST_REPEATS, Math.round((1e6 * SUBMISSION_MS) / Math.max(ns, 1))));

/** Times all dispatches of a plan, back to back; `data` as for {@link prepare}. */
export async function timePlan(
  device: Device,
  plan: Plan,
  clock: Clock,
  effort: Effort,
  data: Readonly<Record<string, ArrayLike<number>>> = {},
): Promise<Spread> {
  const prepared = await prepare(device, plan, clock, data);
  try {
    return spread(await gather(effort, prepared.sample));
  } finally {
    prepared.destroy();
  }
}

/** Dispatches that empty the caches are not timed. */
const FLUSH = 'flush';
/** Beyond any cache: twice the largest second-level cache of today's GPUs, a few times that of a CPU. */
const FLUSH_BYTES = 128 * 2 ** 20;

/**
 * Times a plan with caches that hold none of its data: a buffer larger than they are is written before each execution,
 * whose own time does not count. Undefined where timestamps cannot tell the two apart.
 */
export async function timeCold(
  device: Device,
  plan: Plan,
  clock: Clock,
  effort: Effort,
  data: Readonly<Record<string, ArrayLike<number>>> = {},
): Promise<Spread | undefined> {
  const { maxStorageBufferBindingSize, maxBufferSize } = device.gpu.limits;
  if (clock.method === 'wall clock') return undefined;
  const program = await filled(
    device,
    flushed(plan, Math.min(FLUSH_BYTES, maxStorageBufferBindingSize, maxBufferSize)),
    data,
  );
  try {
    await program.run();
    return spread(await gather(effort, () => byStamps(program, 1)));
  } finally {
    program.destroy();
  }
}

/** The plan after a dispatch that writes so many bytes. */
function flushed(plan: Plan, bytes: number): Plan {
  const [elements, threads] = [bytes / 4, 256];
  const [x, y] = [Math.min(65535, elements / threads), Math.ceil(elements / threads / 65535)];
  const flush = {
    ...{ scope: 'bench', kernel: FLUSH, offsets: [], immediate: false, flops: 0, bytes },
    code: `@group(0) @binding(0) var<storage, read_write> all: array<f32>;
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let k = (group.x + group.y * ${x}u) * ${threads}u + thread;
  if (k < ${elements}u) { all[k] = all[k] + 1.0; }
}
`,
    bindings: [{ slot: plan.slots.length, access: 'read_write' as const }],
    workgroups: [x, y, 1] as const,
  };
  return { ...plan, slots: [...plan.slots, { elements, names: ['flushed'] }], dispatches: [flush, ...plan.dispatches] };
}

/** A plan that ran once and can be timed. */
export interface Prepared {
  /** Nanoseconds of one execution, of each in one submission where timestamps tell. */
  sample(): Promise<number[]>;
  destroy(): void;
}

/** Every input and every temporary is filled with numbers in (-1,1), except those `data` gives. */
export async function prepare(
  device: Device,
  plan: Plan,
  clock: Clock,
  data: Readonly<Record<string, ArrayLike<number>>> = {},
): Promise<Prepared> {
  const single = await filled(device, plan, data);
  const destroy = () => single.destroy();
  try {
    await single.run();
    if (clock.method === 'wall clock') return { sample: await wallSampler(single, clock), destroy };
    const repeats = repeatsFor(Math.min(...(await byStamps(single, 1))));
    if (repeats === 1) return { sample: () => byStamps(single, 1), destroy };
    const repeated = await filled(device, repeat(plan, repeats), data);
    destroy();
    await repeated.run();
    return { sample: () => byStamps(repeated, repeats), destroy: () => repeated.destroy() };
  } catch (error) {
    destroy();
    throw error;
  }
}

/** Times by the wall clock alone: `program` as often as fits one submission, divided, without the empty dispatches. */
export async function byWall(program: Program, clock: Clock, effort: Effort): Promise<Spread> {
  return spread(await gather(effort, await wallSampler(program, clock)));
}

async function wallSampler(program: Program, { emptyNs }: Clock): Promise<() => Promise<number[]>> {
  const elapsed = async (steps: number) => {
    const from = performance.now();
    await program.run(steps);
    return (1e6 * (performance.now() - from)) / steps;
  };
  const steps = repeatsFor(await elapsed(1));
  if (steps > 1) await elapsed(steps);
  const overhead = emptyNs * program.plan.dispatches.length;
  return async () => [Math.max(1, (await elapsed(steps)) - overhead)];
}

async function byStamps(program: Program, repeats: number): Promise<number[]> {
  const timings = await program.profile(1);
  const each = timings.length / repeats;
  return Array.from({ length: repeats }, (_, r) =>
    timings.slice(r * each, (r + 1) * each).reduce((sum, { kernel, ns }) => sum + (kernel === FLUSH ? 0 : ns), 0),
  );
}

async function gather({ budgetMs, least }: Effort, sample: () => Promise<number[]>): Promise<number[]> {
  const all: number[] = [];
  const until = performance.now() + budgetMs;
  while (all.length < least || (performance.now() < until && all.length < MOST_SAMPLES)) all.push(...(await sample()));
  return all;
}

async function filled(device: Device, plan: Plan, data: Readonly<Record<string, ArrayLike<number>>>): Promise<Program> {
  const spare = plan.slots.flatMap(({ elements, names }, slot) =>
    names.length === 0 ? [[`temporary ${slot}`, { slot, at: 0, shape: [elements] }] as const] : [],
  );
  const inputs = { ...plan.inputs, ...Object.fromEntries(spare) };
  const program = await Program.create(device, { ...plan, inputs });
  Object.entries(inputs).forEach(([name, { shape }], k) => {
    program.write(name, data[name] ?? samples(sizeOf(shape), k + 1));
  });
  return program;
}

const repeat = (plan: Plan, times: number): Plan => ({
  ...plan,
  dispatches: Array.from({ length: times }, () => plan.dispatches).flat(),
});
