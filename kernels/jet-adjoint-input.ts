/** Cotangents of S in the adjoint of a layer with jets: one version each for every version of the kernel. */
import { type Call, type Capabilities, type Dispatch, element } from '../engine/index.ts';
import { activateAdjoint, affineBar, layoutsOf, loadChannels, range, sizesOf, wrtOf } from './jet-parts.ts';
import { broadcastBlock, outputBlock, pointsPerGroup, stageWeights } from './jet-tiling.ts';

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

export function inputPerElement(call: Call): Dispatch | null {
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
  ${range(C)
    .map((c) => `var a${c} = 0.0;`)
    .join(' ')}
  for (var o = 0u; o < ${O}u; o++) {
    let w = ${element('W', layouts.W, ['batch', 'o', 'k'])};
    ${range(C)
      .map((c) => `a${c} += w * ${affineBar(c, layouts, sizes, 'o', 'n')};`)
      .join(' ')}
  }
  ${storeInput(
    call,
    'k',
    range(C).map((c) => `a${c}`),
  )}
}`;
  return { ...inputOperands(call), code, workgroups: [Math.ceil(N / 64), K, B] };
}

export function inputStaged(call: Call, device: Capabilities): Dispatch | null {
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
    ${range(C)
      .map((c) => `let z${c} = ${affineBar(c, layouts, sizes, 'o', 'n')};`)
      .join(' ')}
    ${quads
      .map(
        (q) =>
          `let w${q} = tile[o * ${block / 4}u + ${q}u]; ${range(C)
            .map((c) => `a${q}_${c} = fma(w${q}, vec4f(z${c}), a${q}_${c});`)
            .join(' ')}`,
      )
      .join('\n    ')}
  }
  ${range(block)
    .map((j) => {
      const text = storeInput(
        call,
        `(first + ${j}u)`,
        range(C).map((c) => `a${j >> 2}_${c}[${j & 3}]`),
      );
      return K % block === 0 ? text : `if (first + ${j}u < ${K}u) ${text}`;
    })
    .join('\n  ')}
}`;
  return { ...inputOperands(call), code, workgroups: [Math.ceil(N / lanes), Math.ceil(K / block), B] };
}

export function inputAcrossLanes(call: Call, L: number): Dispatch | null {
  if (!wrtOf(call).includes(0)) return null;
  const sizes = sizesOf(call);
  const { B, C, K, O, N } = sizes;
  const layouts = layoutsOf(call);
  const block = broadcastBlock(call, K, L);
  const vectors = range(block / L);
  const column = (v: number) =>
    K % block === 0 ? `first + ${v * L}u + lane` : `min(first + ${v * L}u + lane, ${K - 1}u)`;
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
  ${vectors.map((v) => `let k${v} = ${column(v)};`).join(' ')}
  for (var o = 0u; o < ${O}u; o++) {
    ${range(C)
      .map((c) => `let z${c} = ${affineBar(c, layouts, sizes, 'o', 'n')};`)
      .join(' ')}
    ${vectors.map((v) => `let w${v} = ${element('W', layouts.W, ['batch', 'o', `k${v}`])};`).join(' ')}
    ${range(block)
      .map(
        (j) =>
          `let u${j} = subgroupBroadcast(w${Math.floor(j / L)}, ${j % L}u); ${range(C)
            .map((c) => `a${j}_${c} = fma(u${j}, z${c}, a${j}_${c});`)
            .join(' ')}`,
      )
      .join('\n    ')}
  }
  if (point >= ${N}u) { return; }
  ${range(block)
    .map((j) => {
      const text = storeInput(
        call,
        `(first + ${j}u)`,
        range(C).map((c) => `a${j}_${c}`),
      );
      return K % block === 0 ? text : `if (first + ${j}u < ${K}u) ${text}`;
    })
    .join('\n  ')}
}`;
  return {
    ...inputOperands(call),
    code,
    workgroups: [Math.ceil(K / block), Math.ceil(N / (2 * L)), B],
    subgroups: true,
  };
}
