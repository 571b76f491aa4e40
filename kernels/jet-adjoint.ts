/**
 * The adjoint of a layer with jets, `vjp(dense_jet)`: from S, W, b, the result and its cotangent to the cotangents of
 * those of S, W, b that `wrt` lists.
 *
 * Meaning: with z the cotangent of the affine map (that of the result, back through what its activation saves) and a the jet
 * of S, of W it is sum_c,n z_c[o,n] a_c[k,n], of b sum_n z_0[o,n], of a_c[k,n] sum_o W[o,k] z_c[o,n], which goes back
 * through the activation to S. Nothing of the forward pass is computed again but the activation.
 *
 * Versions, two grids each, for S and for W with b, which run at once:
 * - simple: an invocation for each element of a cotangent.
 * - staged: S as the forward pass; W by columns and blocks of 16 rows in registers, chunks of points in workgroup memory.
 * - lanes: operands loaded once for a subgroup and handed round. For CPUs that play a GPU.
 *
 * Flops: 2 B C K O N for each of S and W. Bytes: each operand and each cotangent once.
 */
import {
  type Build,
  type Call,
  type Capabilities,
  type Grid,
  type Kernel,
  operandBytes,
  scope,
  simdLanes,
  type Tensor,
  unroll,
  vjp,
} from '../engine/index.ts';
import { denseJet, type JetAdjointParams, savedBy } from './dense-jet.ts';
import { jetCases } from './jet.ts';
import { weightsAcrossLanes, weightsPerElement, weightsStaged } from './jet-adjoint-weights.ts';
import { activateAdjoint, affineBar, loadChannels, sizesOf } from './jet-parts.ts';
import { acrossLanes, canStage, type JetProduct, perElement, staged, type Way } from './jet-product.ts';
import { channelsOf } from './slots.ts';

export const jetAdjoint: Kernel<JetAdjointParams> = {
  name: 'vjp(dense_jet)',
  means: ([S, W, b, bar], params) => {
    const { wrt, ...forward } = params;
    const inputs = [S!, W!, b!];
    return vjp(
      [denseJet(S!, W!, b!, forward)],
      [bar!],
      wrt.map((k) => inputs[k]!),
    );
  },
  flops: (call) => {
    const { B, C, K, O, N } = sizesOf(call);
    return 2 * B * C * K * O * N * call.params.wrt.filter((k) => k < 2).length;
  },
  bytes: operandBytes,
  cases: [
    ...jetCases().map((forward) => adjointCase(forward, [0, 1, 2])),
    ...jetCases()
      .slice(0, 1)
      .flatMap((forward) => [[1, 2], [0], [1], [2]].map((wrt) => adjointCase(forward, wrt))),
  ],
  versions: [
    {
      name: 'simple',
      why: 'the definition: one invocation for each element of a cotangent, for any layout',
      supports: () => true,
      build: (call, device) => both(inputCotangent(call, device, perElement), weightsPerElement(call)),
    },
    {
      name: 'staged',
      why: 'cotangents of S as the forward pass; those of W one column per lane and a block of rows in registers, points staged chunk by chunk',
      supports: (call) => canStage(sizesOf(call).O),
      build: (call, device) => both(inputCotangent(call, device, staged), weightsStaged(call, device)),
    },
    {
      name: 'lanes',
      why: 'where a load costs as much as ten multiplications (llvmpipe): operands are loaded once across the subgroup and broadcast from its lanes',
      supports: (_, device) => simdLanes(device) > 0,
      build: (call, device) => {
        const { K, O } = sizesOf(call);
        const L = device.subgroupMaxSize;
        return both(
          inputCotangent(call, device, K < L ? perElement : acrossLanes),
          K < L || O < L ? weightsPerElement(call) : weightsAcrossLanes(call, L),
        );
      },
    },
  ],
};

/** The grid for the cotangent of S, or null where it is not asked for. */
function inputCotangent(call: Call<JetAdjointParams>, device: Capabilities, way: Way): Grid | null {
  return call.params.wrt.includes(0) ? way(inputProduct(call), device) : null;
}

function inputProduct(call: Call<JetAdjointParams>): JetProduct {
  const sizes = sizesOf(call);
  const { B, C, loaded, K, O, N, from, to } = sizes;
  return {
    B,
    C,
    N,
    rows: K,
    depth: O,
    depthFirst: false,
    operands: {
      label: 'input',
      reads: {
        S: from === 'linear' ? undefined : { input: 0 },
        W: { input: 1 },
        result: to === 'linear' ? undefined : { input: 3 },
        bar: { input: 4 },
      },
      writes: { Sbar: { output: call.params.wrt.indexOf(0) } },
    },
    parts: ({ S, W, result, bar, Sbar }: Record<'S' | 'W' | 'result' | 'bar' | 'Sbar', Tensor>) => ({
      weight: (row, d) => W('batch', d, row),
      load: unroll(C, (c) => `let v${c} = ${affineBar(c, bar, result, sizes, 'd', 'n')};`),
      store: (row, values) => {
        const { before, channels } = activateAdjoint('g', 's', sizes);
        return scope([
          unroll(C, (c) => `let g${c} = ${values[c]};`),
          from === 'linear' ? [] : loadChannels('s', loaded, S, row, 'n'),
          before,
          unroll(loaded, (c) => `${Sbar('batch', c, row, 'n')} = ${channels[c]};`),
        ]);
      },
    }),
  };
}

function both(...grids: readonly (Grid | null)[]): Build {
  return { stages: [grids.filter((grid) => grid !== null)] };
}

function adjointCase({ params, shapes }: ReturnType<typeof jetCases>[0], wrt: readonly number[]) {
  const [[B, , , N], [, O]] = shapes as [number[], number[]];
  return { params: { ...params, wrt }, shapes: [...shapes, [B!, channelsOf(params) - 1 + savedBy(params.to), O!, N!]] };
}
