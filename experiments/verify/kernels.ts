/** Proves kernels on an adapter: every version of every kernel, in every case, against the float64 meaning of its tape. */
import {
  type Arithmetic,
  ArithmeticError,
  compile,
  type Device,
  doubleSingleOn,
  evaluate,
  graphOf,
  input,
  joinPairs,
  type Kernel,
  type Library,
  newTape,
  Program,
  simplify,
  sizeOf,
  splitPairs,
  type Var,
  type Version,
} from '../../engine/index.ts';
import { distance } from './quantity.ts';

export interface CheckResult {
  readonly kernel: string;
  readonly version: string;
  readonly case: string;
  /** Largest over the outputs of ||gpu - exact|| / ||exact||. */
  readonly error: number;
  /** From the float32-rounded interpretation of the same tape. */
  readonly tolerance: number;
  readonly ok: boolean;
  /** Why the version was not run: it does not support this adapter or this case. */
  readonly skipped?: string;
}

/** How much further from exact than the rounded interpretation a kernel may be: it sums in another order. */
const SLACK = 8;
const FLOOR = 2e-6;

export function* casesOf(
  library: Library,
): Generator<{ kernel: Kernel; version: Version; which: Kernel['cases'][number] }> {
  for (const kernel of library)
    for (const version of kernel.versions) for (const which of kernel.cases) yield { kernel, version, which };
}

/** What kernels in double-single arithmetic keep of float64, sums of some hundred products included. */
const DOUBLE_SINGLE = 2 ** -40;

/**
 * Checks one version in one case, in float32 or in the arithmetic that it is written for. Throws GpuError where the
 * adapter refuses the shader.
 */
export async function check(
  device: Device,
  kernel: Kernel,
  version: Version,
  which: Kernel['cases'][number],
  arithmetic?: Arithmetic,
): Promise<CheckResult> {
  const description =
    `${which.shapes.map((shape) => `[${shape.join(',')}]`).join(' ')} ${parametersOf(which.params)}`.trim();
  const tape = newTape();
  const inputs = which.shapes.map((shape, k) => input(tape, `in${k}`, shape));
  const outputs = kernel.means(inputs, which.params);
  const singles = which.shapes.map((shape, k) => samples(sizeOf(shape), k + 1));
  // In double-single every number has a low part of its own.
  const values = singles.map((own) =>
    arithmetic ? joinPairs(splitPairs(Float64Array.from(own, (x, k) => x * (1 + 1e-9 * Math.sin(k))))) : own,
  );
  const named = <T>(prefix: string, list: readonly T[]) =>
    Object.fromEntries(list.map((item, k) => [`${prefix}${k}`, item]));
  const plan = compile(
    { inputs: named('in', inputs), outputs: named('out', outputs) },
    {
      ...{ library: [kernel], device: device.capabilities, versions: { [kernel.name]: version.name } },
      ...(arithmetic ? { arithmetic } : {}),
    },
  );
  const result = { kernel: kernel.name, version: version.name, case: description };
  if (!plan.calls.some((call) => call.kernel === kernel.name && call.version === version.name))
    return { ...result, error: 0, tolerance: 0, ok: true, skipped: 'not for this case or adapter' };
  const { exact, rounded } = meaning(inputs, outputs, values);
  const program = await Program.create(device, plan);
  try {
    values.forEach((data, k) => {
      program.write(`in${k}`, data);
    });
    for (const name of Object.keys(plan.outputs))
      program.write(name, new Array(sizeOf(plan.outputs[name]!.shape)).fill(Number.NaN));
    await program.run();
    const got = await Promise.all(outputs.map((_, k) => program.readDouble(`out${k}`)));
    const error = Math.max(...got.map((g, k) => distance(g, exact[k]!)));
    const single = Math.max(FLOOR, SLACK * Math.max(...rounded.map((r, k) => distance(r, exact[k]!))));
    const tolerance = arithmetic ? DOUBLE_SINGLE : single;
    return { ...result, error, tolerance, ok: error <= tolerance };
  } finally {
    program.destroy();
  }
}

function meaning(inputs: readonly Var[], outputs: readonly Var[], values: readonly ArrayLike<number>[]) {
  const graph = simplify(graphOf(inputs, outputs));
  return { exact: evaluate(graph, values), rounded: evaluate(graph, values, 'f32') };
}

/** Numbers in (-1,1) from a seed (Park and Miller's generator). */
export function samples(count: number, seed: number): Float32Array {
  let state = (seed * 48271 + 11) % 2147483647;
  return Float32Array.from({ length: count }, () => {
    state = (state * 48271) % 2147483647;
    return (2 * state) / 2147483647 - 1;
  });
}

function parametersOf(params: Kernel['cases'][number]['params']): string {
  return Object.entries(params)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}

/**
 * Double-single arithmetic of an adapter, or why it has none: its driver reassociates or contracts what error-free
 * transformations rest on.
 */
export async function arithmeticOf(device: Device): Promise<{ arithmetic: Arithmetic } | { refused: string }> {
  try {
    return await doubleSingleOn(device);
  } catch (error) {
    if (error instanceof ArithmeticError) return { refused: error.message };
    throw error;
  }
}
