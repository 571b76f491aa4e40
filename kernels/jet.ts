/** One layer of a tanh network carrying second-order jets, forward: the kernel of `dense_jet`. */
import { type Build, type Call, type Capabilities, element, type Kernel, sizeOf } from '../engine/index.ts';
import { type DenseJetParams, denseJet } from './dense-jet.ts';
import { activate, loadChannels, range, sizesOf } from './jet-parts.ts';

export const jet: Kernel = {
  name: 'dense_jet',
  means: ([S, W, b], params) => [denseJet(S!, W!, b!, params as DenseJetParams)],
  flops: (call) => {
    const { B, C, K, O, N } = sizesOf(call);
    return 2 * B * C * K * O * N;
  },
  bytes: ({ inputs, outputs }) => 4 * [...inputs, ...outputs].reduce((sum, { shape }) => sum + sizeOf(shape), 0),
  cases: jetCases(),
  versions: [
    {
      name: 'simple',
      why: 'the definition: one invocation for each output and point, for any layout',
      supports: () => true,
      build: (call) => perPoint(call, 1, 64),
    },
    {
      name: 'points',
      why: 'one invocation holds all channels of a block of outputs at one point in registers; weights have one address for all lanes',
      supports: (call) => sizesOf(call).O > 1,
      build: (call, device) => perPoint(call, outputBlock(call), pointsPerGroup(device)),
    },
  ],
};

/** Sizes of 1, primes and non-multiples of a tile; every combination of forms. */
export function jetCases(): { params: DenseJetParams; shapes: number[][] }[] {
  const forms = [
    { from: 'linear', to: 'tanh' },
    { from: 'tanh', to: 'tanh' },
    { from: 'tanh', to: 'linear' },
  ] as const;
  const orders = [
    { D: 0, second: false },
    { D: 1, second: false },
    { D: 1, second: true },
    { D: 2, second: true },
  ];
  const sizes = [
    { B: 1, K: 1, O: 1, N: 1 },
    { B: 3, K: 5, O: 7, N: 13 },
    { B: 2, K: 33, O: 18, N: 67 },
  ];
  return forms.flatMap((form) =>
    orders.flatMap((order) =>
      sizes.map(({ B, K, O, N }) => ({
        params: { ...order, ...form },
        shapes: [[B, 1 + order.D + (order.second ? 1 : 0), K, N], [B, O, K], [B, O]],
      })),
    ),
  );
}

/** Registers for accumulators; more spill. */
const ACCUMULATORS = 48;

export function outputBlock(call: Call, count = sizesOf(call).O): number {
  const { C } = sizesOf(call);
  const most = Math.max(1, Math.floor(ACCUMULATORS / C));
  const blocks = Math.ceil(count / most);
  return Math.ceil(count / blocks);
}

/** Points of a workgroup: one subgroup where lanes are SIMD lanes and a larger group would only loop. */
export function pointsPerGroup({ software, subgroupMaxSize }: Capabilities): number {
  return software ? 2 * Math.max(subgroupMaxSize, 8) : 64;
}

/** Each invocation computes `block` outputs in all channels at one point. */
function perPoint(call: Call, block: number, lanes: number): Build {
  const sizes = sizesOf(call);
  const { B, C, K, O, N, to } = sizes;
  const [S, W, b] = call.inputs as [Call['inputs'][0], Call['inputs'][0], Call['inputs'][0]];
  const y = call.outputs[0]!;
  const row = (j: number) => (block === 1 ? 'first' : `first + ${j}u`);
  const ragged = O % block !== 0;
  const bounded = (j: number) => (ragged ? `min(${row(j)}, ${O - 1}u)` : row(j));
  const body = range(block).flatMap((j) => [
    `let w${j} = ${element('W', W, ['batch', `o${j}`, 'k'])};`,
    ...range(C).map((c) => `a${j}_${c} += w${j} * y${c};`),
  ]);
  const store = range(block).map((j) => {
    const values = range(C).map((c) => (c === 0 ? `a${j}_0 + ${element('b', b, ['batch', `o${j}`])}` : `a${j}_${c}`));
    const shown = values.map((value, c) => (c === 0 && to === 'tanh' ? `tapir_tanh(${value})` : value));
    const lines = shown.map((value, c) => `${element('y', y, ['batch', `${c}u`, `o${j}`, 'n'])} = ${value};`).join(' ');
    return ragged ? `if (${row(j)} < ${O}u) { ${lines} }` : lines;
  });
  const code = `
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let n = group.x * ${lanes}u + lane;
  let first = group.y * ${block}u;
  let batch = group.z;
  if (n >= ${N}u) { return; }
  ${range(block).map((j) => `let o${j} = ${bounded(j)};`).join(' ')}
  ${range(block).flatMap((j) => range(C).map((c) => `var a${j}_${c} = 0.0;`)).join(' ')}
  for (var k = 0u; k < ${K}u; k++) {
    ${loadChannels('s', C, 'S', S, ['batch', 'k', 'n'])}
    ${activate('y', 's', sizes)}
    ${body.join('\n    ')}
  }
  ${store.join('\n  ')}
}`;
  return {
    dispatches: [
      {
        reads: { S: { input: 0 }, W: { input: 1 }, b: { input: 2 } },
        writes: { y: { output: 0 } },
        code,
        workgroups: [Math.ceil(N / lanes), Math.ceil(O / block), B],
      },
    ],
  };
}
