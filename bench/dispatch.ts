/** What it costs to dispatch at all, by the wall clock: an empty shader, a shader that waits for the one before, a submission. */
import { type Device, Program } from '../engine/index.ts';
import { RooflineError } from './roofline.ts';
import { planOf, type Shader } from './shader.ts';
import { type Spread, spread } from './timing.ts';

export interface DispatchCost {
  /** Nanoseconds of a dispatch of nothing, among others in one pass. */
  readonly empty: Spread;
  /** The same where each dispatch reads what the one before wrote. */
  readonly dependent: Spread;
  /** Nanoseconds of submitting one empty dispatch and waiting for it. */
  readonly submission: Spread;
}

/** Steps of one `run`, which encodes 100 of them into a pass; dispatches of a step. */
const [STEPS, PER_STEP] = [100, 20];

const shader = (name: string, code: string, writes: boolean): Shader => ({
  name,
  code,
  buffers: writes ? [{ name: 'count', elements: 1, written: true }] : [],
  workgroups: [1, 1, 1],
  flops: 0,
  bytes: 0,
});

const empty = shader('empty', '@compute @workgroup_size(1) fn main() {}', false);
const counting = shader(
  'count',
  `@group(0) @binding(0) var<storage, read_write> count: array<f32>;
@compute @workgroup_size(1) fn main() { count[0] += 1.0; }`,
  true,
);

async function perDispatch(device: Device, what: Shader, least: number): Promise<Spread> {
  const plan = planOf(what);
  const dispatches = Array.from({ length: PER_STEP }, () => plan.dispatches[0]!);
  const program = await Program.create(device, { ...plan, dispatches });
  try {
    const elapsed = async (steps: number) => {
      const from = performance.now();
      await program.run(steps);
      return 1e6 * (performance.now() - from);
    };
    await elapsed(STEPS);
    const shorts: number[] = [];
    const longs: number[] = [];
    for (let k = 0; k < least; k++) {
      shorts.push(await elapsed(1));
      longs.push(await elapsed(STEPS));
    }
    const fixed = spread(shorts).medianNs;
    const values = longs.map((long) => Math.max(0, long - fixed) / ((STEPS - 1) * PER_STEP));
    if (what === counting) await demandCount(program, PER_STEP * (STEPS + least * (STEPS + 1)));
    return spread(values);
  } finally {
    program.destroy();
  }
}

async function demandCount(program: Program, expected: number): Promise<void> {
  const [count] = await program.read('count');
  if (count !== expected)
    throw new RooflineError(`${expected} dispatches counted to ${count}: this adapter drops or mixes dispatches`);
}

async function perSubmission(device: Device, least: number): Promise<Spread> {
  const program = await Program.create(device, planOf(empty));
  try {
    await program.run();
    const values: number[] = [];
    for (let k = 0; k < least; k++) {
      const from = performance.now();
      await program.run();
      values.push(1e6 * (performance.now() - from));
    }
    return spread(values);
  } finally {
    program.destroy();
  }
}

/** Throws {@link RooflineError} where the dispatches did not all run, in order. */
export async function measureDispatch(device: Device, least = 20): Promise<DispatchCost> {
  return {
    empty: await perDispatch(device, empty, least),
    dependent: await perDispatch(device, counting, least),
    submission: await perSubmission(device, least),
  };
}
