/** Holds a version at the very size that is to be timed against the meaning of its kernel in float64. */
import {
  compile,
  type Device,
  evaluate,
  graphOf,
  input,
  newTape,
  type Plan,
  Program,
  simplify,
  sizeOf,
  type Var,
} from '../engine/index.ts';
import { samples } from '../experiments/verify/kernels.ts';
import { distance } from '../experiments/verify/quantity.ts';
import type { Workload } from './workloads.ts';

/** A workload on a tape, with random inputs and what it should give. */
export interface Truth {
  readonly inputs: Readonly<Record<string, Var>>;
  readonly outputs: Readonly<Record<string, Var>>;
  readonly values: Readonly<Record<string, Float32Array>>;
  readonly exact: readonly ArrayLike<number>[];
  /** Relative error allowed: a multiple of that of float32 arithmetic in the order of the tape. */
  readonly tolerance: number;
}

const SLACK = 8;
const FLOOR = 2e-6;

/** Evaluates the meaning in float64 and in float32: seconds for large workloads, so once for all versions. */
export function truthOf({ kernel, params, shapes }: Workload): Truth {
  const tape = newTape();
  const inputs = shapes.map((shape, k) => input(tape, `in${k}`, shape));
  const outputs = kernel.means(inputs, params);
  const values = shapes.map((shape, k) => samples(sizeOf(shape), k + 1));
  const graph = simplify(graphOf(inputs, outputs));
  const exact = evaluate(graph, values);
  const rounded = evaluate(graph, values, 'f32');
  const error = Math.max(...rounded.map((r, k) => distance(r, exact[k]!)));
  return {
    inputs: named('in', inputs),
    outputs: named('out', outputs),
    values: named('in', values),
    exact,
    tolerance: Math.max(FLOOR, SLACK * error),
  };
}

const named = <T>(prefix: string, list: readonly T[]): Record<string, T> =>
  Object.fromEntries(list.map((item, k) => [`${prefix}${k}`, item]));

/** The plan that serves a workload with one version, or nothing where the version does not support it. */
export function planWith(
  { kernel }: Workload,
  version: string,
  { inputs, outputs }: Truth,
  device: Device,
): Plan | undefined {
  const plan = compile(
    { inputs, outputs },
    { library: [kernel], device: device.capabilities, versions: { [kernel.name]: version } },
  );
  const ours = plan.dispatches.filter((dispatch) => isOf(dispatch.kernel, kernel.name, version));
  return ours.length > 0 ? plan : undefined;
}

/** Whether a dispatch does work of a version: named by it, then perhaps a label, among others. */
export const isOf = (dispatch: string, kernel: string, version: string): boolean =>
  dispatch.split(' + ').some((part) => part === `${kernel}.${version}` || part.startsWith(`${kernel}.${version}/`));

/** Runs a plan once, over outputs filled with NaN. Largest over the outputs of ||gpu - exact|| / ||exact||. */
export async function errorOf(device: Device, plan: Plan, { values, outputs, exact }: Truth): Promise<number> {
  const program = await Program.create(device, plan);
  try {
    for (const [name, data] of Object.entries(values)) program.write(name, data);
    for (const [name, { shape }] of Object.entries(outputs))
      program.write(name, new Float32Array(sizeOf(shape)).fill(Number.NaN));
    await program.run();
    const got = await Promise.all(Object.keys(outputs).map((name) => program.read(name)));
    return Math.max(...got.map((g, k) => distance(g, exact[k]!)));
  } finally {
    program.destroy();
  }
}
