/**
 * One layer of a network carrying jets up to second order, forward: the kernel of `dense_jet`, defined in `dense-jet.ts`.
 *
 * Meaning: S [B,C,K,N], W [B,O,K], b [B,O] -> y [B,C,O,N] with y_c[o,n] = sum_k W[o,k] a_c[k,n], plus b[o] where c = 0;
 * a is the jet of S, and y_0 goes through the activation that the call names. N points, C channels of a jet; where an
 * activation saves more numbers than one, S or y has as many more channels.
 *
 * Versions, each with less to load for a multiplication than the one before:
 * - simple: two loads for C multiplications.
 * - staged: weights from workgroup memory, one address for all lanes; a load of the jet serves up to 48 / C outputs.
 * - lanes: a load of the weights serves a whole subgroup, whose lanes hand them round. For CPUs that play a GPU.
 *
 * Flops: 2 B C K O N. Bytes: 4 (B C K N + B O K + B O + B C O N), each operand and the result once.
 */
import { type Call, type Kernel, operandBytes, simdLanes, type Tensor, unroll } from '../engine/index.ts';
import { activations } from './activation.ts';
import { type DenseJetParams, denseJet, savedBy } from './dense-jet.ts';
import { activate, loadChannels, sizesOf } from './jet-parts.ts';
import { acrossLanes, canStage, type JetProduct, perElement, staged } from './jet-product.ts';
import { channelsOf } from './slots.ts';

export const jet: Kernel<DenseJetParams> = {
  name: 'dense_jet',
  means: ([S, W, b], params) => [denseJet(S!, W!, b!, params)],
  flops: (call) => {
    const { B, C, K, O, N } = sizesOf(call);
    return 2 * B * C * K * O * N;
  },
  bytes: operandBytes,
  cases: jetCases(),
  versions: [
    {
      name: 'simple',
      why: 'the definition: one invocation for each output and point, for any layout',
      supports: () => true,
      build: (call, device) => ({ stages: [[perElement(productOf(call), device)]] }),
    },
    {
      name: 'staged',
      why: 'a block of outputs in all channels at one point stays in registers; its weights lie in workgroup memory, one address for all lanes',
      supports: (call) => sizesOf(call).O > 1 && canStage(sizesOf(call).K),
      build: (call, device) => ({ stages: [[staged(productOf(call), device)]] }),
    },
    {
      name: 'lanes',
      why: 'where a load costs as much as ten multiplications (llvmpipe): weights are loaded once across the subgroup and broadcast from its lanes',
      supports: (call, device) => sizesOf(call).O > 1 && simdLanes(device) > 0,
      build: (call, device) => ({ stages: [[acrossLanes(productOf(call), device)]] }),
    },
  ],
};

/** Every combination of forms and orders, slots and activations; sizes of 1, primes and non-multiples of a tile. */
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
  const combinations = forms.flatMap((form) => orders.map((order) => ({ ...order, ...form })));
  const full = { D: 1, second: true, from: 'tanh', to: 'tanh' } as const;
  const [first, inner, last] = [{ ...full, from: 'linear' }, full, { ...full, to: 'linear' }] as const;
  return [
    ...combinations.map((params) => jetCase(params, 3, 9, 11, 13)),
    ...slotCases(),
    ...activationCases(),
    jetCase(inner, 1, 1, 1, 1),
    jetCase(first, 2, 1, 24, 67),
    jetCase(inner, 2, 33, 18, 67),
    jetCase(inner, 1, 64, 64, 202),
    jetCase(last, 2, 24, 1, 130),
  ];
}

/** One pair, a mixed one beside it, sums with weights, and all that there are of three coordinates. */
function slotCases() {
  return [
    jetCase({ D: 2, second: 'xx', from: 'tanh', to: 'tanh' }, 2, 9, 8, 13),
    jetCase({ D: 2, second: 'xx,xy', from: 'linear', to: 'tanh' }, 1, 3, 11, 13),
    jetCase({ D: 3, second: '2*xy+zz,-0.5*xx+yz', from: 'tanh', to: 'linear' }, 1, 11, 3, 13),
    jetCase({ D: 3, second: 'xx,xy,xz,yy,yz,zz', from: 'tanh', to: 'tanh' }, 1, 8, 8, 19),
  ];
}

/** Every activation but tanh, into its saved form, between two, and out of it. */
function activationCases() {
  return (['sine', 'silu'] as const).flatMap((name) => [
    jetCase({ D: 1, second: true, from: 'linear', to: name }, 2, 1, 11, 13),
    jetCase({ D: 2, second: 'xx,xy', from: name, to: name }, 1, 8, 9, 19),
    jetCase({ D: 0, second: false, from: name, to: 'linear' }, 2, 11, 3, 13),
  ]);
}

function jetCase(params: DenseJetParams, B: number, K: number, O: number, N: number) {
  return {
    params,
    shapes: [
      [B, channelsOf(params) - 1 + savedBy(params.from), K, N],
      [B, O, K],
      [B, O],
    ],
  };
}

function productOf(call: Call<DenseJetParams>): JetProduct {
  const sizes = sizesOf(call);
  const { B, C, loaded, stored, K, O, N, to } = sizes;
  const activation = to === 'linear' ? undefined : activations[to].inCode;
  return {
    B,
    C,
    N,
    rows: O,
    depth: K,
    depthFirst: true,
    operands: {
      reads: { S: { input: 0 }, W: { input: 1 }, b: { input: 2 } },
      writes: { y: { output: 0 } },
      helpers: activation?.helpers ?? [],
    },
    parts: ({ S, W, b, y }: Record<'S' | 'W' | 'b' | 'y', Tensor>) => ({
      weight: (row, d) => W('batch', row, d),
      load: [loadChannels('s', loaded, S, 'd', 'n'), activate('v', 's', sizes)],
      // The bias goes to the value; then the row takes the form that the call wants.
      store: (row, [sum, ...derivatives]) => {
        const value = `${sum} + ${b('batch', row)}`;
        const channels = [...(activation ? activation.save(value) : [value]), ...derivatives];
        return unroll(stored, (c) => `${y('batch', c, row, 'n')} = ${channels[c]};`);
      },
    }),
  };
}
