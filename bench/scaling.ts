/**
 * How the time of each pass over a tape grows with the number of operations: for a chain, a wide sum and an MLP with
 * three nested gradients. The exponent is the slope of log time over log operations; 1 is linear.
 */
import {
  add,
  type Capabilities,
  compile,
  type Graph,
  grad,
  graphOf,
  input,
  jet,
  matmul,
  mul,
  newTape,
  print,
  simplify,
  sin,
  square,
  sum,
  tanh,
  type Var,
} from '../engine/index.ts';

/** A function written on a tape. */
interface Written {
  readonly inputs: Readonly<Record<string, Var>>;
  readonly output: Var;
  /** What gradients are taken with respect to. */
  readonly wrt: readonly Var[];
}

export interface ScalingCase {
  readonly name: string;
  /** Writes about `operations` nodes, gradients within included. */
  write(operations: number): Written;
}

const chain: ScalingCase = {
  name: 'chain',
  write(operations) {
    const x = input(newTape(), 'x', [4]);
    let y = x;
    for (let k = 0; k < operations / 2; k++) y = sin(add(y, x));
    return { inputs: { x }, output: sum(y, undefined, false), wrt: [x] };
  },
};

const wide: ScalingCase = {
  name: 'wide sum',
  write(operations) {
    const tape = newTape();
    const x = input(tape, 'x', [4]);
    const terms = Array.from({ length: Math.ceil(operations / 6) }, (_, k) => square(sin(mul(x, k + 1))));
    return { inputs: { x }, output: sum(terms.reduce(add), undefined, false), wrt: [x] };
  },
};

/** A gradient of a gradient of a gradient with respect to the point; its length is set by the number of layers. */
const mlp: ScalingCase = {
  name: 'MLP, three nested gradients',
  write(operations) {
    const PER_LAYER = 80;
    const tape = newTape();
    const x = input(tape, 'x', [4, 3]);
    const weights = Array.from({ length: Math.max(1, Math.round(operations / PER_LAYER)) }, (_, k) =>
      input(tape, `W${k}`, [3, 3]),
    );
    let y = weights.reduce((signal, W) => tanh(matmul(signal, W)), x);
    for (let order = 0; order < 3; order++) y = grad(sum(square(y), undefined, false), [x])[0];
    const inputs = Object.fromEntries(weights.map((W, k) => [`W${k}`, W]));
    return { inputs: { x, ...inputs }, output: sum(y, undefined, false), wrt: [weights[0]!] };
  },
};

export const scalingCases: readonly ScalingCase[] = [chain, wide, mlp];

/** WebGPU's least adapter, which needs no GPU to plan for. */
const device: Capabilities = {
  subgroups: false,
  subgroupMinSize: 4,
  subgroupMaxSize: 4,
  workgroupMemory: 16384,
  maxInvocations: 256,
  maxStorageBuffers: 8,
  software: false,
};

export const scalingPasses = ['grad', 'simplify', 'compile', 'print', 'jet'] as const;
export type ScalingPass = (typeof scalingPasses)[number];

export interface ScalingPoint {
  readonly pass: ScalingPass;
  readonly case: string;
  /** Nodes on the tape that the pass is given. */
  readonly operations: number;
  /** Of processor time, which other programs disturb less than the clock. */
  readonly seconds: number;
}

const PASSES: Readonly<Record<ScalingPass, (written: Written, graph: Graph) => unknown>> = {
  grad: ({ output, wrt }) => grad(output, wrt),
  simplify: (_, graph) => simplify(graph),
  compile: ({ inputs, output }) => compile({ inputs, outputs: { output } }, { library: [], device }),
  print: (_, graph) => print(graph),
  jet: ({ output, inputs }) => {
    const x = inputs['x']!;
    return jet([output], { x }, { second: [['x', 'x']] });
  },
};

/**
 * The time of each pass, each on a tape of its own; of short tapes the least of several. A pass that took longer than
 * `patience` seconds is not asked again at a larger size.
 */
export function measureScaling(
  sizes: readonly number[],
  { passes = scalingPasses, patience = 10, say = (_: ScalingPoint) => {} } = {},
): ScalingPoint[] {
  const points: ScalingPoint[] = [];
  for (const which of scalingCases)
    for (const pass of passes)
      for (const size of sizes) {
        const times = Array.from({ length: size < LONG ? 3 : 1 }, () => timeOf(PASSES[pass], which.write(size)));
        const seconds = times.reduce((least, time) => Math.min(least, time.seconds), Number.POSITIVE_INFINITY);
        const point = { pass, case: which.name, operations: times[0]!.operations, seconds };
        points.push(point);
        say(point);
        if (seconds > patience) break;
      }
  return points;
}

/** From so many operations on a single time is steady enough. */
const LONG = 10_000;

function timeOf(pass: (typeof PASSES)[ScalingPass], written: Written): { operations: number; seconds: number } {
  const graph = graphOf(Object.values(written.inputs), [written.output]);
  const start = process.cpuUsage();
  pass(written, graph);
  const { user, system } = process.cpuUsage(start);
  return { operations: graph.nodes.length, seconds: (user + system) / 1e6 };
}

/** Slope of log seconds over log operations by least squares. */
export function exponentOf(points: readonly Pick<ScalingPoint, 'operations' | 'seconds'>[]): number {
  const x = points.map(({ operations }) => Math.log(operations));
  const y = points.map(({ seconds }) => Math.log(seconds));
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const [mx, my] = [mean(x), mean(y)];
  const covariance = x.reduce((total, v, k) => total + (v - mx) * (y[k]! - my), 0);
  return covariance / x.reduce((total, v) => total + (v - mx) ** 2, 0);
}
