/**
 * The adjoint of a layer with jets, `vjp(dense_jet)`: from S, W, b, the result and its cotangent to the cotangents of
 * those of S, W, b that `wrt` lists.
 */
import { type Build, type Call, type Capabilities, type Dispatch, element, type Kernel, type Layout, sizeOf, vjp } from '../engine/index.ts';
import { type DenseJetParams, denseJet } from './dense-jet.ts';
import { broadcastBlock, broadcasts, canStage, jetCases, outputBlock, pointsPerGroup, stageWeights } from './jet.ts';
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
      build: (call) => both(inputPerElement(call), weightsPerElement(call)),
    },
    {
      name: 'staged',
      why: 'cotangents of S as the forward pass; those of W one column per lane and a block of rows in registers, points staged chunk by chunk',
      supports: (call) => canStage(sizesOf(call).O),
      build: (call, device) => both(inputStaged(call, device), weightsStaged(call, device)),
    },
    {
      name: 'lanes',
      why: 'where a load costs as much as ten multiplications (llvmpipe): operands are loaded once across the subgroup and broadcast from its lanes',
      supports: (_, device) => broadcasts(device),
      build: (call, device) => {
        const { K, O } = sizesOf(call);
        const L = device.subgroupMaxSize;
        return both(K < L ? inputPerElement(call) : inputAcrossLanes(call, L), K < L || O < L ? weightsPerElement(call) : weightsAcrossLanes(call, L));
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

const wrtOf = ({ params }: Call) => (params as JetAdjointParams).wrt;

/** Stores the cotangent of row `k` of S at point `n` from the cotangent `values` of the activated row. */
function storeInput(call: Call, k: string, values: readonly string[]): string {
  const sizes = sizesOf(call);
  const out = call.outputs[wrtOf(call).indexOf(0)]!;
  const { before, channels } = activateAdjoint('g', 's', sizes);
  const load = sizes.from === 'tanh' ? loadChannels('s', sizes.C, 'S', call.inputs[0]!, ['batch', k, 'n']) : '';
  const given = values.map((value, c) => `let g${c} = ${value};`).join(' ');
  const lines = channels.map((value, c) => `${element('Sbar', out, ['batch', `${c}u`, k, 'n'])} = ${value};`);
  return `{ ${given} ${load} ${before} ${lines.join(' ')} }`;
}

function inputOperands(call: Call): Pick<Dispatch, 'label' | 'reads' | 'writes'> {
  const { from, to } = sizesOf(call);
  return {
    label: 'input',
    reads: {
      ...(from === 'tanh' ? { S: { input: 0 } } : {}),
      W: { input: 1 },
      ...(to === 'tanh' ? { result: { input: 3 } } : {}),
      bar: { input: 4 },
    },
    writes: { Sbar: { output: wrtOf(call).indexOf(0) } },
  };
}

function inputPerElement(call: Call): Dispatch | null {
  if (!wrtOf(call).includes(0)) return null;
  const sizes = sizesOf(call);
  const { B, C, K, O, N } = sizes;
  const layouts = layoutsOf(call);
  const code = `
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let n = id.x;
  let k = id.y;
  let batch = id.z;
  if (n >= ${N}u) { return; }
  ${range(C).map((c) => `var a${c} = 0.0;`).join(' ')}
  for (var o = 0u; o < ${O}u; o++) {
    let w = ${element('W', layouts.W, ['batch', 'o', 'k'])};
    ${range(C).map((c) => `a${c} += w * ${affineBar(c, layouts, sizes, 'o', 'n')};`).join(' ')}
  }
  ${storeInput(call, 'k', range(C).map((c) => `a${c}`))}
}`;
  return { ...inputOperands(call), code, workgroups: [Math.ceil(N / 64), K, B] };
}

function inputStaged(call: Call, device: Capabilities): Dispatch | null {
  if (!wrtOf(call).includes(0)) return null;
  const sizes = sizesOf(call);
  const { B, C, K, O, N } = sizes;
  const layouts = layoutsOf(call);
  const block = outputBlock(call, K, O);
  const lanes = pointsPerGroup(N, device);
  const stage = stageWeights(layouts.W, O, block, K, lanes, 'columns');
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
  for (var o = 0u; o < ${O}u; o++) {
    ${range(C).map((c) => `let z${c} = ${affineBar(c, layouts, sizes, 'o', 'n')};`).join(' ')}
    ${quads.map((q) => `let w${q} = tile[o * ${block / 4}u + ${q}u]; ${range(C).map((c) => `a${q}_${c} = fma(w${q}, vec4f(z${c}), a${q}_${c});`).join(' ')}`).join('\n    ')}
  }
  ${range(block).map((j) => {
    const text = storeInput(call, `(first + ${j}u)`, range(C).map((c) => `a${j >> 2}_${c}[${j & 3}]`));
    return K % block === 0 ? text : `if (first + ${j}u < ${K}u) ${text}`;
  }).join('\n  ')}
}`;
  return { ...inputOperands(call), code, workgroups: [Math.ceil(N / lanes), Math.ceil(K / block), B] };
}

function weightOperands(call: Call): Pick<Dispatch, 'label' | 'reads' | 'writes'> {
  const wrt = wrtOf(call);
  const target = (name: string, k: number) => (wrt.includes(k) ? { [name]: { output: wrt.indexOf(k) } } : {});
  return {
    label: 'weights',
    reads: { S: { input: 0 }, ...(sizesOf(call).to === 'tanh' ? { result: { input: 3 } } : {}), bar: { input: 4 } },
    writes: { ...target('Wbar', 1), ...target('bbar', 2) },
  };
}

const storeWeight = (call: Call, o: string, k: string, value: string) =>
  wrtOf(call).includes(1) ? `${element('Wbar', call.outputs[wrtOf(call).indexOf(1)]!, ['batch', o, k])} = ${value};` : '';
const storeBias = (call: Call, o: string, value: string) =>
  wrtOf(call).includes(2) ? `${element('bbar', call.outputs[wrtOf(call).indexOf(2)]!, ['batch', o])} = ${value};` : '';

function weightsPerElement(call: Call): Dispatch | null {
  const wrt = wrtOf(call);
  if (!wrt.includes(1) && !wrt.includes(2)) return null;
  const sizes = sizesOf(call);
  const { B, C, K, O, N } = sizes;
  const layouts = layoutsOf(call);
  const code = `
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let o = id.x / ${K}u;
  let k = id.x % ${K}u;
  let batch = id.z;
  if (o >= ${O}u) { return; }
  var a = 0.0;
  var b = 0.0;
  for (var n = 0u; n < ${N}u; n++) {
    ${loadChannels('s', C, 'S', layouts.S, ['batch', 'k', 'n'])}
    ${activate('y', 's', sizes)}
    ${range(C).map((c) => `let z${c} = ${affineBar(c, layouts, sizes, 'o', 'n')};`).join(' ')}
    a += ${range(C).map((c) => `z${c} * y${c}`).join(' + ')};
    b += z0;
  }
  ${storeWeight(call, 'o', 'k', 'a')}
  if (k == 0u) { ${storeBias(call, 'o', 'b')} }
}`;
  return { ...weightOperands(call), code, workgroups: [Math.ceil((O * K) / 64), 1, B] };
}

/** Points staged at a time. */
const CHUNK = 16;
/** Rows of W in one invocation's registers. */
const ROWS = 16;

function weightsStaged(call: Call, device: Capabilities): Dispatch | null {
  const wrt = wrtOf(call);
  if (!wrt.includes(1) && !wrt.includes(2)) return null;
  const sizes = sizesOf(call);
  const { B, C, K, O, N } = sizes;
  const layouts = layoutsOf(call);
  const rows = Math.min(ROWS, Math.ceil(O / 4) * 4);
  const columns = Math.min(64, Math.ceil(K / Math.max(device.subgroupMaxSize, 8)) * Math.max(device.subgroupMaxSize, 8));
  const quads = range(rows / 4);
  const code = `
var<workgroup> y: array<f32, ${C * CHUNK * columns}>;
var<workgroup> z: array<vec4f, ${(C * CHUNK * rows) / 4}>;
@compute @workgroup_size(${columns})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let column = group.x * ${columns}u;
  let row = group.y * ${rows}u;
  let batch = group.z;
  ${quads.map((q) => `var a${q} = vec4f(); var b${q} = vec4f();`).join(' ')}
  for (var start = 0u; start < ${N}u; start += ${CHUNK}u) {
    for (var i = lane; i < ${CHUNK * columns}u; i += ${columns}u) {
      let p = i % ${CHUNK}u;
      let n = min(start + p, ${N - 1}u);
      let k = min(column + i / ${CHUNK}u, ${K - 1}u);
      ${loadChannels('s', C, 'S', layouts.S, ['batch', 'k', 'n'])}
      ${activate('v', 's', sizes)}
      ${range(C).map((c) => `y[(${c}u * ${CHUNK}u + p) * ${columns}u + i / ${CHUNK}u] = v${c};`).join(' ')}
    }
    for (var i = lane; i < ${CHUNK * rows}u; i += ${columns}u) {
      let p = i % ${CHUNK}u;
      let j = i / ${CHUNK}u;
      let n = min(start + p, ${N - 1}u);
      let o = min(row + j, ${O - 1}u);
      let inside = select(0.0, 1.0, start + p < ${N}u);
      ${range(C).map((c) => `z[(${c}u * ${CHUNK}u + p) * ${rows / 4}u + j / 4u][j % 4u] = inside * ${affineBar(c, layouts, sizes, 'o', 'n')};`).join(' ')}
    }
    workgroupBarrier();
    for (var p = 0u; p < ${CHUNK}u; p++) {
      ${range(C).map((c) => `let y${c} = y[(${c}u * ${CHUNK}u + p) * ${columns}u + lane];`).join(' ')}
      ${quads.map((q) => `let z${q} = z[p * ${rows / 4}u + ${q}u]; a${q} = fma(z${q}, vec4f(y0), a${q}); b${q} += z${q};`).join('\n      ')}
      ${range(C).slice(1).flatMap((c) => quads.map((q) => `a${q} = fma(z[(${c}u * ${CHUNK}u + p) * ${rows / 4}u + ${q}u], vec4f(y${c}), a${q});`)).join('\n      ')}
    }
    workgroupBarrier();
  }
  let k = column + lane;
  if (k >= ${K}u) { return; }
  ${range(rows).map((j) => {
    const o = `(row + ${j}u)`;
    const text = `${storeWeight(call, o, 'k', `a${j >> 2}[${j & 3}]`)} if (k == 0u) { ${storeBias(call, o, `b${j >> 2}[${j & 3}]`)} }`;
    return O % rows === 0 ? text : `if (row + ${j}u < ${O}u) { ${text} }`;
  }).join('\n  ')}
}`;
  return { ...weightOperands(call), code, workgroups: [Math.ceil(K / columns), Math.ceil(O / rows), B] };
}

function inputAcrossLanes(call: Call, L: number): Dispatch | null {
  if (!wrtOf(call).includes(0)) return null;
  const sizes = sizesOf(call);
  const { B, C, K, O, N } = sizes;
  const layouts = layoutsOf(call);
  const block = broadcastBlock(call, K, L);
  const vectors = range(block / L);
  const column = (v: number) => (K % block === 0 ? `first + ${v * L}u + lane` : `min(first + ${v * L}u + lane, ${K - 1}u)`);
  const code = `
@compute @workgroup_size(${2 * L})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let n = min(id.x, ${N - 1}u);
  let first = group.y * ${block}u;
  let batch = group.z;
  ${range(block).flatMap((j) => range(C).map((c) => `var a${j}_${c} = 0.0;`)).join(' ')}
  ${vectors.map((v) => `let k${v} = ${column(v)};`).join(' ')}
  for (var o = 0u; o < ${O}u; o++) {
    ${range(C).map((c) => `let z${c} = ${affineBar(c, layouts, sizes, 'o', 'n')};`).join(' ')}
    ${vectors.map((v) => `let w${v} = ${element('W', layouts.W, ['batch', 'o', `k${v}`])};`).join(' ')}
    ${range(block).map((j) => `let u${j} = subgroupBroadcast(w${Math.floor(j / L)}, ${j % L}u); ${range(C).map((c) => `a${j}_${c} = fma(u${j}, z${c}, a${j}_${c});`).join(' ')}`).join('\n    ')}
  }
  if (id.x >= ${N}u) { return; }
  ${range(block).map((j) => {
    const text = storeInput(call, `(first + ${j}u)`, range(C).map((c) => `a${j}_${c}`));
    return K % block === 0 ? text : `if (first + ${j}u < ${K}u) ${text}`;
  }).join('\n  ')}
}`;
  return { ...inputOperands(call), code, workgroups: [Math.ceil(N / (2 * L)), Math.ceil(K / block), B], subgroups: true };
}

/** Vectors of rows and of columns that one subgroup accumulates. */
const ROW_VECTORS = 2;
const COLUMN_VECTORS = 2;

/** One column of W per lane and vector, rows broadcast: the outer products of all points, summed in registers. */
function weightsAcrossLanes(call: Call, L: number): Dispatch | null {
  const wrt = wrtOf(call);
  if (!wrt.includes(1) && !wrt.includes(2)) return null;
  const sizes = sizesOf(call);
  const { B, C, K, O, N } = sizes;
  const layouts = layoutsOf(call);
  const rowVectors = range(Math.min(ROW_VECTORS, Math.ceil(O / L)));
  const columnVectors = range(Math.min(COLUMN_VECTORS, Math.ceil(K / L)));
  const [rows, columns] = [rowVectors.length * L, columnVectors.length * L];
  const code = `
@compute @workgroup_size(${L})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let batch = group.z;
  ${rowVectors.map((v) => `let r${v} = group.y * ${rows}u + ${v * L}u + lane; let o${v} = min(r${v}, ${O - 1}u); var b${v} = 0.0;`).join(' ')}
  ${columnVectors.map((v) => `let q${v} = group.x * ${columns}u + ${v * L}u + lane; let k${v} = min(q${v}, ${K - 1}u);`).join(' ')}
  ${range(rows).map((i) => columnVectors.map((v) => `var a${i}_${v} = 0.0;`).join(' ')).join(' ')}
  for (var n = 0u; n < ${N}u; n++) {
    ${columnVectors.map((v) => `${loadChannels(`s${v}_`, C, 'S', layouts.S, ['batch', `k${v}`, 'n'])} ${activate(`y${v}_`, `s${v}_`, sizes)}`).join('\n    ')}
    ${rowVectors.map((v) => `${range(C).map((c) => `let z${v}_${c} = ${affineBar(c, layouts, sizes, `o${v}`, 'n')};`).join(' ')} b${v} += z${v}_0;`).join('\n    ')}
    ${range(rows).flatMap((i) => range(C).map((c) => `{ let u = subgroupBroadcast(z${Math.floor(i / L)}_${c}, ${i % L}u); ${columnVectors.map((v) => `a${i}_${v} = fma(u, y${v}_${c}, a${i}_${v});`).join(' ')} }`)).join('\n    ')}
  }
  ${columnVectors.map((v) => `if (q${v} < ${K}u) {
    ${range(rows).map((i) => `{ let o = group.y * ${rows}u + ${i}u; ${O % rows === 0 ? '' : `if (o < ${O}u)`} { ${storeWeight(call, 'o', `q${v}`, `a${i}_${v}`)} } }`).join('\n    ')}
  }`).join('\n  ')}
  if (group.x == 0u) { ${rowVectors.map((v) => `if (r${v} < ${O}u) { ${storeBias(call, `r${v}`, `b${v}`)} }`).join(' ')} }
}`;
  return { ...weightOperands(call), code, workgroups: [Math.ceil(K / columns), Math.ceil(O / rows), B], subgroups: true };
}
