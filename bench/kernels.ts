/** Every version of every kernel at the sizes of the systems: validated, then timed, then held against the roofline. */
import type { Device, Plan, Version } from '../engine/index.ts';
import { bound, type Roofline } from './roofline.ts';
import { type Clock, type Effort, type Spread, timeCold, timePlan } from './timing.ts';
import { errorOf, isOf, planWith, type Truth, truthOf } from './validate.ts';
import { shapesText, type Workload } from './workloads.ts';

export interface KernelRow {
  readonly kernel: string;
  readonly version: string;
  readonly origin: string;
  /** Shapes of the operands. */
  readonly shapes: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** Relative error against float64 and what is allowed. */
  readonly error: number;
  readonly tolerance: number;
  /** Why no time is given: the result is wrong, or the version does not do this. */
  readonly refused?: string;
  readonly skipped?: string;
  readonly figures?: Figures;
}

export interface Figures {
  /** Nanoseconds of one call, all its dispatches. */
  readonly time: Spread;
  /** The same with caches that hold none of its data, where that was asked for and can be told. */
  readonly cold?: Spread;
  readonly dispatches: number;
  readonly flops: number;
  /** Bytes that must move at least once. */
  readonly bytes: number;
  /** Of the fastest sample: 1e9 operations and 1e9 bytes a second. */
  readonly gflops: number;
  readonly gbytes: number;
  /** Operations for a byte. */
  readonly intensity: number;
  /** What the roofline allows over the fastest sample: 1 is the roof. */
  readonly share: number;
  readonly boundBy: 'arithmetic' | 'memory';
}

export interface KernelBench {
  readonly device: Device;
  readonly roofline: Roofline;
  readonly clock: Clock;
  readonly effort: Effort;
  readonly workloads: readonly Workload[];
  /** Versions by kernel name; others are measured in every version. */
  readonly versions?: Readonly<Record<string, string>>;
  /** Also with caches that hold none of the data. */
  readonly cold?: boolean;
  /** Told what comes next. */
  readonly onStart?: (text: string) => void;
}

export async function benchKernels(bench: KernelBench): Promise<KernelRow[]> {
  const rows: KernelRow[] = [];
  for (const workload of bench.workloads) {
    const { kernel, origin } = workload;
    bench.onStart?.(`${kernel.name}, ${origin}: float64 reference`);
    const truth = truthOf(workload);
    const pinned = bench.versions?.[kernel.name];
    for (const version of kernel.versions.filter(({ name }) => pinned === undefined || name === pinned)) {
      bench.onStart?.(`${kernel.name}.${version.name}, ${origin}`);
      rows.push(await benchVersion(bench, workload, version, truth));
    }
  }
  return rows;
}

async function benchVersion(
  bench: KernelBench,
  workload: Workload,
  { name }: Version,
  truth: Truth,
): Promise<KernelRow> {
  const { device, roofline, clock, effort } = bench;
  const { kernel, origin, params, shapes } = workload;
  const { tolerance } = truth;
  const row = { kernel: kernel.name, version: name, origin, shapes: shapesText(shapes), params, error: 0, tolerance };
  const plan = planWith(workload, name, truth, device);
  if (!plan) return { ...row, skipped: 'not for this size or adapter' };
  const error = await errorOf(device, plan, truth);
  if (!(error <= tolerance))
    return { ...row, error, refused: `error ${error.toExponential(1)} > ${tolerance.toExponential(1)}` };
  const own = dispatchesOf(plan, kernel.name, name);
  const time = await timePlan(device, own, clock, effort, truth.values);
  const cold = bench.cold ? await timeCold(device, own, clock, effort, truth.values) : undefined;
  return { ...row, error, figures: { ...figuresOf(own, time, roofline), ...(cold ? { cold } : {}) } };
}

/** The plan without what prepares the kernel's operands. */
export function dispatchesOf(plan: Plan, kernel: string, version: string): Plan {
  return { ...plan, dispatches: plan.dispatches.filter((dispatch) => isOf(dispatch.kernel, kernel, version)) };
}

export function figuresOf({ dispatches }: Pick<Plan, 'dispatches'>, time: Spread, roofline: Roofline): Figures {
  const total = (of: 'flops' | 'bytes') => dispatches.reduce((sum, dispatch) => sum + dispatch[of], 0);
  const [flops, bytes] = [total('flops'), total('bytes')];
  const roof = bound(roofline, flops, bytes);
  return {
    time,
    dispatches: dispatches.length,
    flops,
    bytes,
    gflops: flops / time.minNs,
    gbytes: bytes / time.minNs,
    intensity: flops / bytes,
    share: roof.ns / time.minNs,
    boundBy: roof.by,
  };
}
