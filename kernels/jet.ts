/**
 * One layer of a tanh network carrying second-order jets, forward: the kernel of `dense_jet`, defined in `dense-jet.ts`.
 *
 * Meaning: S [B,C,K,N], W [B,O,K], b [B,O] -> y [B,C,O,N] with y_c[o,n] = sum_k W[o,k] a_c[k,n], plus b[o] where c = 0;
 * a is the jet of S, and tanh is taken of y_0 where the call says so. N points, C channels of a jet.
 *
 * Versions, each with less to load for a multiplication than the one before:
 * - simple: two loads for C multiplications.
 * - staged: weights from workgroup memory, one address for all lanes; a load of the jet serves up to 48 / C outputs.
 * - lanes: a load of the weights serves a whole subgroup, whose lanes hand them round. For CPUs that play a GPU.
 *
 * Flops: 2 B C K O N. Bytes: 4 (B C K N + B O K + B O + B C O N), each operand and the result once.
 */
import { type Call, type Kernel, operandBytes, simdLanes, type Tensor, unroll } from '../engine/index.ts';
import { type DenseJetParams, denseJet } from './dense-jet.ts';
import { activate, loadChannels, sizesOf } from './jet-parts.ts';
import { acrossLanes, canStage, type JetProduct, perElement, staged } from './jet-product.ts';

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

/** Every combination of forms and orders; sizes of 1, primes and non-multiples of a tile. */
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
    jetCase(inner, 1, 1, 1, 1),
    jetCase(first, 2, 1, 24, 67),
    jetCase(inner, 2, 33, 18, 67),
    jetCase(inner, 1, 64, 64, 202),
    jetCase(last, 2, 24, 1, 130),
  ];
}

function jetCase(params: DenseJetParams, B: number, K: number, O: number, N: number) {
  const C = 1 + params.D + (params.second ? 1 : 0);
  return {
    params,
    shapes: [
      [B, C, K, N],
      [B, O, K],
      [B, O],
    ],
  };
}

function productOf(call: Call<DenseJetParams>): JetProduct {
  const sizes = sizesOf(call);
  const { B, C, K, O, N, to } = sizes;
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
      helpers: to === 'tanh' ? ['tanh'] : [],
    },
    parts: ({ S, W, b, y }: Record<'S' | 'W' | 'b' | 'y', Tensor>) => ({
      weight: (row, d) => W('batch', row, d),
      load: [loadChannels('s', C, S, 'd', 'n'), activate('v', 's', sizes)],
      // The bias goes to the value; then the row takes the form that the call wants.
      store: (row, [sum, ...derivatives]) => {
        const value = `${sum} + ${b('batch', row)}`;
        const channels = [to === 'tanh' ? `tapir_tanh(${value})` : value, ...derivatives];
        return unroll(C, (c) => `${y('batch', c, row, 'n')} = ${channels[c]};`);
      },
    }),
  };
}
