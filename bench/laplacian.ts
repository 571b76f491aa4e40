/**
 * Three ways to the second derivative of a network, at the size of thermoelasticity: reverse over reverse, jets on the
 * tape, jets in the fused kernel. Each is held against float64 before it is timed.
 */
import {
  compile,
  type Device,
  evaluate,
  full,
  grad,
  graphOf,
  input,
  jet,
  type Library,
  mean,
  newTape,
  Program,
  reshape,
  type Source,
  simplify,
  slice,
  square,
  sum,
  type Var,
  vjp,
} from '../engine/index.ts';
import { distance } from '../experiments/verify/quantity.ts';
import {
  type Architecture,
  initialThetas,
  jetsUpTo,
  network,
  parameterCount,
  resolveParameters,
  seeded,
  systemNamed,
} from '../systems/index.ts';
import { type Contestant, interleaved, type Ratio, ratioOf } from './interleave.ts';
import type { Effort, Spread } from './timing.ts';

export interface LaplacianRow {
  readonly way: string;
  /** `u_xx`, or the gradient of its mean square with respect to the parameters. */
  readonly what: 'u_xx' | 'its gradient';
  /** Largest over the outputs of ||gpu - float64|| / ||float64||, and what is allowed. */
  readonly error: number;
  readonly tolerance: number;
  readonly refused?: string;
  readonly dispatches: number;
  /** Of device memory: inputs, outputs and temporaries. */
  readonly bytes: number;
  readonly time?: Spread;
  /** How often the fused kernel is faster. */
  readonly slower?: Ratio;
}

/** Networks of thermoelasticity, T and u, at its interior points and ends. */
const size = () => {
  const system = systemNamed('thermoelasticity');
  const { interior, ends } = system.points(resolveParameters(system), 42);
  const x = Float32Array.from([...interior!['x']!, ...ends!['x']!]);
  const { hidden, width } = system.architecture;
  const architecture: Architecture = { inputs: 1, outputs: 1, hidden, width };
  const theta = initialThetas(seeded(system, resolveParameters(system), [42]))['theta']!;
  const B = system.networks.length;
  return {
    architecture,
    B,
    N: x.length,
    theta,
    X: Float32Array.from({ length: B * x.length }, (_, k) => x[k % x.length]!),
  };
};

/** u_xx [B,N] of networks theta at X [B,1,N]. */
type Way = (theta: Var, X: Var, architecture: Architecture) => Var;

const reverse: Way = (theta, X, architecture) => {
  const along = (y: Var) => vjp([y], [full(y, 1)], [X])[0];
  return flat(along(along(network(theta, X, architecture, jetsUpTo(0, 1)))), X);
};
const jets: Way = (theta, X, architecture) => {
  const [{ second }] = jet([network(theta, X, architecture, jetsUpTo(0, 1))], { x: X }, { second: [['x', 'x']] }) as [
    ReturnType<typeof jet>[number],
  ];
  return flat(second['xx']!, X);
};
const fused: Way = (theta, X, architecture) => flat(slice(network(theta, X, architecture, jetsUpTo(2, 1)), 1, 2, 3), X);

const flat = (v: Var, X: Var) => reshape(v, [X.shape[0]!, X.shape[2]!]);

/** Ways by name; the last is what the others are compared with. Those without kernels compile from the tape alone. */
export const ways: readonly { readonly name: string; readonly way: Way; readonly kernels: boolean }[] = [
  { name: 'reverse over reverse', way: reverse, kernels: false },
  { name: 'reverse over reverse, kernels', way: reverse, kernels: true },
  { name: 'jets on the tape', way: jets, kernels: false },
  { name: 'fused kernel', way: fused, kernels: true },
];

function sourceOf(way: Way, what: LaplacianRow['what']): Source {
  const { architecture, B, N } = size();
  const tape = newTape();
  const theta = input(tape, 'theta', [B, parameterCount(architecture)]);
  const X = input(tape, 'X', [B, 1, N]);
  const u_xx = way(theta, X, architecture);
  if (what === 'u_xx') return { inputs: { theta, X }, outputs: { u_xx } };
  const loss = sum(mean(square(u_xx), [1]), undefined, false);
  return { inputs: { theta, X }, outputs: { gradient: grad(loss, [theta])[0] } };
}

/** How much further from exact than the float32 interpretation of the fused tape a way may be: it sums in another order. */
const SLACK = 16;
const FLOOR = 5e-6;

export interface LaplacianBench {
  readonly device: Device;
  readonly library: Library;
  readonly versions?: Readonly<Record<string, string>>;
  readonly effort: Effort;
  readonly onStart?: (text: string) => void;
  /** Ways to measure; all unless given. */
  readonly only?: typeof ways;
}

export async function benchLaplacian({ device, library, versions, effort, onStart, only = ways }: LaplacianBench) {
  const rows: LaplacianRow[] = [];
  const { theta, X } = size();
  for (const what of ['u_xx', 'its gradient'] as const) {
    onStart?.(`laplacian, ${what}: float64 reference`);
    const truth = sourceOf(fused, what);
    const graph = simplify(graphOf(Object.values(truth.inputs), Object.values(truth.outputs)));
    const exact = evaluate(graph, [theta, X]);
    const rounded = evaluate(graph, [theta, X], 'f32');
    const tolerance = Math.max(FLOOR, SLACK * Math.max(...rounded.map((r, k) => distance(r, exact[k]!))));
    const entries: { row: LaplacianRow; program: Program }[] = [];
    try {
      for (const { name, way, kernels } of only) {
        onStart?.(`laplacian, ${what}: ${name}`);
        const source = sourceOf(way, what);
        const settings = { device: device.capabilities, library: kernels ? library : [] };
        const plan = compile(source, { ...settings, ...(versions && kernels ? { versions } : {}) });
        const program = await Program.create(device, plan);
        program.write('theta', theta);
        program.write('X', X);
        for (const [output, { shape }] of Object.entries(plan.outputs))
          program.write(output, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(Number.NaN));
        const got = await program.run(1, Object.keys(source.outputs));
        const error = Math.max(...Object.keys(source.outputs).map((key, k) => distance(got[key]!, exact[k]!)));
        const refused =
          error <= tolerance ? {} : { refused: `error ${error.toExponential(1)} > ${tolerance.toExponential(1)}` };
        const { bytes } = program;
        entries.push({
          row: { way: name, what, error, tolerance, dispatches: plan.dispatches.length, bytes, ...refused },
          program,
        });
      }
      rows.push(...(await timed(entries, effort)));
    } finally {
      for (const { program } of entries) program.destroy();
    }
  }
  return rows;
}

async function timed(entries: readonly { row: LaplacianRow; program: Program }[], effort: Effort) {
  const right = entries.filter(({ row }) => row.refused === undefined);
  const contestants = right.map(
    ({ row, program }): Contestant => ({
      name: row.way,
      time: async (calls) => {
        const from = performance.now();
        await program.run(calls);
        return (1e6 * (performance.now() - from)) / calls;
      },
    }),
  );
  const times = right.length > 0 ? await interleaved(contestants, effort) : [];
  const best = right.findIndex(({ row }) => row.way === 'fused kernel');
  return entries.map(({ row }): LaplacianRow => {
    const k = right.findIndex((each) => each.row === row);
    if (k < 0) return row;
    return { ...row, time: times[k]!, ...(best < 0 ? {} : { slower: ratioOf(times[best]!, times[k]!) }) };
  });
}
