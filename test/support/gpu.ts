/** Programs for tests: run with every output poisoned, and held against the float64 meaning of their tape. */
import {
  type Capabilities,
  compile,
  type Device,
  evaluate,
  graphOf,
  type Library,
  Program,
  type Rounding,
  type Source,
  simplify,
  sizeOf,
} from '../../engine/index.ts';

/** What llvmpipe offers: the adapter of machines without a GPU. */
export const llvmpipe: Capabilities = {
  subgroups: true,
  subgroupMinSize: 8,
  subgroupMaxSize: 8,
  workgroupMemory: 32768,
  maxInvocations: 1024,
  maxStorageBuffers: 16,
  software: true,
};

/** The least that WebGPU promises. */
export const leastAdapter: Capabilities = {
  subgroups: false,
  subgroupMinSize: 4,
  subgroupMaxSize: 4,
  workgroupMemory: 16384,
  maxInvocations: 256,
  maxStorageBuffers: 8,
  software: false,
};

export type Values = Readonly<Record<string, ArrayLike<number>>>;

/** Outputs of a program after one step from `values`. Outputs that are no state hold NaN before it. */
export async function outputsOf(
  device: Device,
  source: Source,
  library: Library,
  values: Values,
): Promise<Record<string, Float32Array>> {
  const program = await Program.create(device, compile(source, { library, device: device.capabilities }));
  try {
    poison(program);
    for (const [name, data] of Object.entries(values)) program.write(name, data);
    return await program.run(1, Object.keys(source.outputs));
  } finally {
    program.destroy();
  }
}

/** Fills every output with NaN. */
export function poison(program: Program): void {
  for (const [name, { shape }] of Object.entries(program.plan.outputs))
    program.write(name, new Array<number>(sizeOf(shape)).fill(Number.NaN));
}

/** Outputs of a source in float64, or rounded after every primitive. */
export function meaningOf(source: Source, values: Values, rounding: Rounding = 'f64'): Record<string, number[]> {
  const graph = simplify(graphOf(Object.values(source.inputs), Object.values(source.outputs)));
  const inputs = Object.keys(source.inputs).map((name) => Float32Array.from(values[name]!));
  const results = evaluate(graph, inputs, rounding);
  return Object.fromEntries(Object.keys(source.outputs).map((name, k) => [name, [...results[k]!]]));
}

/** How much further from exact than the rounded interpretation a program may be: it sums in another order. */
const SLACK = 8;
const FLOOR = 2e-6;

/** Outputs that are further from the meaning of their tape than float32 explains, as readable lines. */
export function deviations(source: Source, values: Values, got: Readonly<Record<string, ArrayLike<number>>>): string[] {
  const [exact, rounded] = [meaningOf(source, values), meaningOf(source, values, 'f32')];
  return Object.keys(source.outputs).flatMap((name) => {
    const error = distance(got[name]!, exact[name]!);
    const tolerance = Math.max(FLOOR, SLACK * distance(rounded[name]!, exact[name]!));
    return error <= tolerance
      ? []
      : [`${name}: ||gpu - exact|| = ${error.toExponential(1)} > ${tolerance.toExponential(1)}`];
  });
}

/** ||a - b|| / ||b||; another length or NaN anywhere is infinitely far. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let [difference, size] = [0, 0];
  for (let k = 0; k < b.length; k++) {
    difference += (a[k]! - b[k]!) ** 2;
    size += b[k]! ** 2;
  }
  const relative = Math.sqrt(difference) / (Math.sqrt(size) || 1);
  return Number.isNaN(relative) ? Number.POSITIVE_INFINITY : relative;
}

/** Bits of float32 numbers, so that equality means equality. */
export const bitsOf = (values: ArrayLike<number>): number[] => [...new Uint32Array(Float32Array.from(values).buffer)];
