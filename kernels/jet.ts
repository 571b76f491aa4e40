/** One layer of a tanh network carrying second-order jets, forward: the kernel of `dense_jet`. */
import {
  type Build,
  type Call,
  type Capabilities,
  element,
  type Kernel,
  type Layout,
  sizeOf,
} from '../engine/index.ts';
import { type DenseJetParams, denseJet } from './dense-jet.ts';
import { activate, loadChannels, range, sizesOf } from './jet-parts.ts';
import { broadcastBlock, broadcasts, canStage, outputBlock, pointsPerGroup, stageWeights } from './jet-tiling.ts';

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
      build: perElement,
    },
    {
      name: 'staged',
      why: 'a block of outputs in all channels at one point stays in registers; its weights lie in workgroup memory, one address for all lanes',
      supports: (call) => sizesOf(call).O > 1 && canStage(sizesOf(call).K),
      build: staged,
    },
    {
      name: 'lanes',
      why: 'where a load costs as much as ten multiplications (llvmpipe): weights are loaded once across the subgroup and broadcast from its lanes',
      supports: (call, device) => sizesOf(call).O > 1 && broadcasts(device),
      build: acrossLanes,
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

/** The definition: one output in all channels at one point. */
function perElement(call: Call): Build {
  const sizes = sizesOf(call);
  const { B, C, K, O, N } = sizes;
  const [S, W] = call.inputs as [Layout, Layout];
  const code = `
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let n = id.x;
  let o = id.y;
  let batch = id.z;
  if (n >= ${N}u) { return; }
  ${range(C)
    .map((c) => `var a${c} = 0.0;`)
    .join(' ')}
  for (var k = 0u; k < ${K}u; k++) {
    ${loadChannels('s', C, 'S', S, ['batch', 'k', 'n'])}
    ${activate('y', 's', sizes)}
    let w = ${element('W', W, ['batch', 'o', 'k'])};
    ${range(C)
      .map((c) => `a${c} += w * y${c};`)
      .join(' ')}
  }
  ${storeRow(
    call,
    'o',
    range(C).map((c) => `a${c}`),
  )}
}`;
  return { dispatches: [{ ...OPERANDS, code, workgroups: [Math.ceil(N / 64), O, B] }] };
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

/** Each invocation computes a block of outputs in all channels at one point, with weights from workgroup memory. */
function staged(call: Call, device: Capabilities): Build {
  const sizes = sizesOf(call);
  const { B, C, K, O, N } = sizes;
  const [S, W] = call.inputs as [Layout, Layout];
  const block = outputBlock(call, O, K);
  const lanes = pointsPerGroup(N, device);
  const stage = stageWeights(W, K, block, O, lanes, 'rows');
  const quads = range(block / 4);
  const code = `
${stage.declare}
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let n = group.x * ${lanes}u + lane;
  let first = group.y * ${block}u;
  let batch = group.z;
  ${stage.copy}
  if (n >= ${N}u) { return; }
  ${quads.flatMap((q) => range(C).map((c) => `var a${q}_${c} = vec4f();`)).join(' ')}
  for (var k = 0u; k < ${K}u; k++) {
    ${loadChannels('s', C, 'S', S, ['batch', 'k', 'n'])}
    ${activate('y', 's', sizes)}
    ${quads
      .map(
        (q) =>
          `let w${q} = tile[k * ${block / 4}u + ${q}u]; ${range(C)
            .map((c) => `a${q}_${c} = fma(w${q}, vec4f(y${c}), a${q}_${c});`)
            .join(' ')}`,
      )
      .join('\n    ')}
  }
  ${range(block)
    .map((j) => {
      const text = storeRow(
        call,
        `(first + ${j}u)`,
        range(C).map((c) => `a${j >> 2}_${c}[${j & 3}]`),
      );
      return O % block === 0 ? text : `if (first + ${j}u < ${O}u) { ${text} }`;
    })
    .join('\n  ')}
}`;
  return { dispatches: [{ ...OPERANDS, code, workgroups: [Math.ceil(N / lanes), Math.ceil(O / block), B] }] };
}

/** As `staged`, but each lane holds one weight of a vector of outputs, which is broadcast when its turn comes. */
function acrossLanes(call: Call, { subgroupMaxSize: L }: Capabilities): Build {
  const sizes = sizesOf(call);
  const { B, C, K, O, N } = sizes;
  const [S, W] = call.inputs as [Layout, Layout];
  const block = broadcastBlock(call, O, L);
  const vectors = range(block / L);
  const row = (v: number) =>
    O % block === 0 ? `first + ${v * L}u + lane` : `min(first + ${v * L}u + lane, ${O - 1}u)`;
  const code = `
@compute @workgroup_size(${2 * L})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32, @builtin(subgroup_invocation_id) lane: u32) {
  // Blocks of outputs run fastest: the points of a group stay in cache for all of them.
  let point = group.y * ${2 * L}u + local;
  let n = min(point, ${N - 1}u);
  let first = group.x * ${block}u;
  let batch = group.z;
  ${range(block)
    .flatMap((j) => range(C).map((c) => `var a${j}_${c} = 0.0;`))
    .join(' ')}
  ${vectors.map((v) => `let o${v} = ${row(v)};`).join(' ')}
  for (var k = 0u; k < ${K}u; k++) {
    ${loadChannels('s', C, 'S', S, ['batch', 'k', 'n'])}
    ${activate('y', 's', sizes)}
    ${vectors.map((v) => `let w${v} = ${element('W', W, ['batch', `o${v}`, 'k'])};`).join(' ')}
    ${range(block)
      .map(
        (j) =>
          `let u${j} = subgroupBroadcast(w${Math.floor(j / L)}, ${j % L}u); ${range(C)
            .map((c) => `a${j}_${c} = fma(u${j}, y${c}, a${j}_${c});`)
            .join(' ')}`,
      )
      .join('\n    ')}
  }
  if (point >= ${N}u) { return; }
  ${range(block)
    .map((j) => {
      const text = storeRow(
        call,
        `(first + ${j}u)`,
        range(C).map((c) => `a${j}_${c}`),
      );
      return O % block === 0 ? text : `if (first + ${j}u < ${O}u) { ${text} }`;
    })
    .join('\n  ')}
}`;
  return {
    dispatches: [{ ...OPERANDS, code, workgroups: [Math.ceil(O / block), Math.ceil(N / (2 * L)), B], subgroups: true }],
  };
}
