/** One layer of a tanh network carrying second-order jets, forward: the kernel of `dense_jet`. */
import { type Call, element, type Kernel, type Layout, operandBytes, simdLanes } from '../engine/index.ts';
import { type DenseJetParams, denseJet } from './dense-jet.ts';
import { activate, loadChannels, sizesOf } from './jet-parts.ts';
import { acrossLanes, canStage, type JetProduct, perElement, staged } from './jet-product.ts';

export const jet: Kernel = {
  name: 'dense_jet',
  means: ([S, W, b], params) => [denseJet(S!, W!, b!, params as DenseJetParams)],
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
      build: (call) => ({ stages: [[{ ...OPERANDS, ...perElement(productOf(call)) }]] }),
    },
    {
      name: 'staged',
      why: 'a block of outputs in all channels at one point stays in registers; its weights lie in workgroup memory, one address for all lanes',
      supports: (call) => sizesOf(call).O > 1 && canStage(sizesOf(call).K),
      build: (call, device) => ({ stages: [[{ ...OPERANDS, ...staged(productOf(call), device) }]] }),
    },
    {
      name: 'lanes',
      why: 'where a load costs as much as ten multiplications (llvmpipe): weights are loaded once across the subgroup and broadcast from its lanes',
      supports: (call, device) => sizesOf(call).O > 1 && simdLanes(device) > 0,
      build: (call, device) => ({
        stages: [[{ ...OPERANDS, ...acrossLanes(productOf(call), device.subgroupMaxSize) }]],
      }),
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

const OPERANDS = {
  reads: { S: { input: 0 }, W: { input: 1 }, b: { input: 2 } },
  writes: { y: { output: 0 } },
} as const;

/** Adds the bias to channel 0, puts the row in the form the call wants, stores it. */
function storeRow({ inputs, outputs, params }: Call, row: string, values: readonly string[]): string {
  const value = `${values[0]} + ${element('b', inputs[2]!, ['batch', row])}`;
  const shown = [params['to'] === 'tanh' ? `tapir_tanh(${value})` : value, ...values.slice(1)];
  return shown.map((text, c) => `${element('y', outputs[0]!, ['batch', `${c}u`, row, 'n'])} = ${text};`).join(' ');
}

function productOf(call: Call): JetProduct {
  const sizes = sizesOf(call);
  const { B, C, K, O, N } = sizes;
  const [S, W] = call.inputs as [Layout, Layout];
  return {
    B,
    C,
    N,
    rows: O,
    depth: K,
    weight: (row, d) => element('W', W, ['batch', row, d]),
    depthFirst: true,
    load: `${loadChannels('s', C, 'S', S, ['batch', 'd', 'n'])} ${activate('v', 's', sizes)}`,
    store: (row, channels) => storeRow(call, row, channels),
  };
}
