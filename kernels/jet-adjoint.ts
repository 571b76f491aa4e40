/**
 * The adjoint of a layer with jets, `vjp(dense_jet)`: from S, W, b, the result and its cotangent to the cotangents of
 * those of S, W, b that `wrt` lists.
 */
import { type Build, type Call, type Dispatch, element, type Kernel, type Layout, sizeOf, vjp } from '../engine/index.ts';
import { type DenseJetParams, denseJet } from './dense-jet.ts';
import { jetCases, outputBlock, pointsPerGroup } from './jet.ts';
import { activate, activateAdjoint, affineCotangent, type JetSizes, loadChannels, range, sizesOf } from './jet-parts.ts';

export interface JetAdjointParams extends DenseJetParams {
  /** Which of S (0), W (1), b (2) to give cotangents of, in this order. */
  readonly wrt: readonly number[];
}

export const jetAdjoint: Kernel = {
  name: 'vjp(dense_jet)',
  means: ([S, W, b, bar], params) => {
    const { wrt, ...forward } = params as JetAdjointParams;
    const inputs = [S!, W!, b!];
    return vjp([denseJet(S!, W!, b!, forward as DenseJetParams)], [bar!], wrt.map((k) => inputs[k]!));
  },
  flops: (call) => {
    const { B, C, K, O, N } = sizesOf(call);
    const { wrt } = call.params as JetAdjointParams;
    return 2 * B * C * K * O * N * wrt.filter((k) => k < 2).length;
  },
  bytes: ({ inputs, outputs }) => 4 * [...inputs, ...outputs].reduce((sum, { shape }) => sum + sizeOf(shape), 0),
  cases: jetCases().flatMap(({ params, shapes }) => {
    const [[B, C, , N], [, O]] = shapes as [number[], number[]];
    return [[0, 1, 2], [1, 2], [0]].map((wrt) => ({ params: { ...params, wrt }, shapes: [...shapes, [B!, C!, O!, N!]] }));
  }),
  versions: [
    {
      name: 'simple',
      why: 'the definition: one invocation for each element of a cotangent, for any layout',
      supports: () => true,
      build: (call) => both(inputCotangent(call, 1, 64), weightCotangent(call, 1, 1, 1)),
    },
    {
      name: 'points',
      why: 'a block of cotangents of S at one point in registers; for W a block of its rows and columns with points across the subgroup',
      supports: (_, device) => device.subgroups && device.subgroupMinSize === device.subgroupMaxSize,
      build: (call, device) => {
        const { K, O } = sizesOf(call);
        const block = outputBlock(call, K);
        return both(inputCotangent(call, block, pointsPerGroup(device)), weightCotangent(call, Math.min(O, 4), Math.min(K, 8), device.subgroupMaxSize));
      },
    },
  ],
};

function both(...parts: readonly (Dispatch | null)[]): Build {
  return { dispatches: parts.filter((part) => part !== null) };
}

const layoutsOf = ({ inputs }: Call) => {
  const [S, W, , result, bar] = inputs as [Layout, Layout, Layout, Layout, Layout];
  return { S, W, result, bar };
};

/** The cotangent of the affine map's channel c at row `o`, read from the result's. */
function affineBar(c: number, { bar, result }: { bar: Layout; result: Layout }, { to }: JetSizes, o: string, n: string): string {
  const at = ['batch', `${c}u`, o, n];
  return affineCotangent(c, element('bar', bar, at), element('result', result, at), to);
}

/** Each invocation: cotangents of `block` rows of S in all channels at one point. */
function inputCotangent(call: Call, block: number, lanes: number): Dispatch | null {
  const { wrt } = call.params as JetAdjointParams;
  const at = wrt.indexOf(0);
  if (at < 0) return null;
  const sizes = sizesOf(call);
  const { B, C, K, O, N, to, from } = sizes;
  const layouts = layoutsOf(call);
  const out = call.outputs[at]!;
  const ragged = K % block !== 0;
  const row = (j: number) => (j === 0 ? 'first' : `first + ${j}u`);
  const inner = range(block).flatMap((j) => [
    `let w${j} = ${element('W', layouts.W, ['batch', 'o', `k${j}`])};`,
    ...range(C).map((c) => `a${j}_${c} += w${j} * z${c};`),
  ]);
  const store = range(block).map((j) => {
    const { before, channels } = activateAdjoint(`a${j}_`, 's', sizes);
    const load = from === 'tanh' ? loadChannels('s', C, 'S', layouts.S, ['batch', `k${j}`, 'n']) : '';
    const lines = channels.map((value, c) => `${element('Sbar', out, ['batch', `${c}u`, `k${j}`, 'n'])} = ${value};`);
    return `${ragged ? `if (${row(j)} < ${K}u)` : ''} { ${load} ${before} ${lines.join(' ')} }`;
  });
  const code = `
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let n = group.x * ${lanes}u + lane;
  let first = group.y * ${block}u;
  let batch = group.z;
  if (n >= ${N}u) { return; }
  ${range(block).map((j) => `let k${j} = ${ragged ? `min(${row(j)}, ${K - 1}u)` : row(j)};`).join(' ')}
  ${range(block).flatMap((j) => range(C).map((c) => `var a${j}_${c} = 0.0;`)).join(' ')}
  for (var o = 0u; o < ${O}u; o++) {
    ${range(C).map((c) => `let z${c} = ${affineBar(c, layouts, sizes, 'o', 'n')};`).join(' ')}
    ${inner.join('\n    ')}
  }
  ${store.join('\n  ')}
}`;
  return {
    label: 'input',
    reads: {
      ...(from === 'tanh' ? { S: { input: 0 } } : {}),
      W: { input: 1 },
      ...(to === 'tanh' ? { result: { input: 3 } } : {}),
      bar: { input: 4 },
    },
    writes: { Sbar: { output: at } },
    code,
    workgroups: [Math.ceil(N / lanes), Math.ceil(K / block), B],
  };
}

/** Each workgroup of `lanes`: cotangents of `rows` x `columns` of W (and of `rows` of b), points shared among its lanes. */
function weightCotangent(call: Call, rows: number, columns: number, lanes: number): Dispatch | null {
  const { wrt } = call.params as JetAdjointParams;
  const [atW, atb] = [wrt.indexOf(1), wrt.indexOf(2)];
  if (atW < 0 && atb < 0) return null;
  const sizes = sizesOf(call);
  const { B, C, K, O, N, to } = sizes;
  const layouts = layoutsOf(call);
  const o = (i: number) => `o${i}`;
  const k = (j: number) => `k${j}`;
  const index = (name: string, first: string, count: number, extent: number) =>
    range(count).map((i) => `let ${name}${i} = ${extent % count === 0 ? `${first} + ${i}u` : `min(${first} + ${i}u, ${extent - 1}u)`};`).join(' ');
  const loads = [
    ...range(rows).flatMap((i) => range(C).map((c) => `let z${i}_${c} = ${affineBar(c, layouts, sizes, o(i), 'n')};`)),
    ...range(columns).map((j) => `${loadChannels(`s${j}_`, C, 'S', layouts.S, ['batch', k(j), 'n'])} ${activate(`y${j}_`, `s${j}_`, sizes)}`),
  ];
  const products = range(rows).flatMap((i) => [
    ...range(columns).map((j) => `a${i}_${j} += ${range(C).map((c) => `z${i}_${c} * y${j}_${c}`).join(' + ')};`),
    `b${i} += z${i}_0;`,
  ]);
  const fold = (value: string) => (lanes > 1 ? `subgroupAdd(${value})` : value);
  const sums = [
    ...range(rows).flatMap((i) => range(columns).map((j) => `let t${i}_${j} = ${fold(`a${i}_${j}`)};`)),
    ...(atb >= 0 ? range(rows).map((i) => `let u${i} = ${fold(`b${i}`)};`) : []),
  ];
  const guard = (text: string, conditions: string[]) => (conditions.length > 0 ? `if (${conditions.join(' && ')}) { ${text} }` : text);
  const stores = range(rows).flatMap((i) => [
    ...(atW < 0 ? [] : range(columns).map((j) =>
      guard(`${element('Wbar', call.outputs[atW]!, ['batch', o(i), k(j)])} = t${i}_${j};`, [
        ...(O % rows === 0 ? [] : [`row + ${i}u < ${O}u`]),
        ...(K % columns === 0 ? [] : [`column + ${j}u < ${K}u`]),
      ]))),
    ...(atb < 0 ? [] : [guard(`${element('bbar', call.outputs[atb]!, ['batch', o(i)])} = u${i};`, [...(O % rows === 0 ? [] : [`row + ${i}u < ${O}u`]), 'column == 0u'])]),
  ]);
  const code = `
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let column = group.x * ${columns}u;
  let row = group.y * ${rows}u;
  let batch = group.z;
  ${index('o', 'row', rows, O)} ${index('k', 'column', columns, K)}
  ${range(rows).map((i) => `var b${i} = 0.0; ${range(columns).map((j) => `var a${i}_${j} = 0.0;`).join(' ')}`).join('\n  ')}
  for (var n = lane; n < ${N}u; n += ${lanes}u) {
    ${loads.join('\n    ')}
    ${products.join('\n    ')}
  }
  ${sums.join('\n  ')}
  if (lane == 0u) {
    ${stores.join('\n    ')}
  }
}`;
  return {
    label: 'weights',
    reads: { S: { input: 0 }, ...(to === 'tanh' ? { result: { input: 3 } } : {}), bar: { input: 4 } },
    writes: { ...(atW >= 0 ? { Wbar: { output: atW } } : {}), ...(atb >= 0 ? { bbar: { output: atb } } : {}) },
    code,
    workgroups: [Math.ceil(K / columns), Math.ceil(O / rows), B],
    subgroups: lanes > 1,
  };
}
