/**
 * The adjoint of a layer with jets, `vjp(dense_jet)`: from S, W, b, the result and its cotangent to the cotangents of
 * those of S, W, b that `wrt` lists.
 */
import { type Build, type Grid, type Kernel, operandBytes, simdLanes, vjp } from '../engine/index.ts';
import { type DenseJetParams, denseJet } from './dense-jet.ts';
import { jetCases } from './jet.ts';
import { inputCotangent } from './jet-adjoint-input.ts';
import { weightsAcrossLanes, weightsPerElement, weightsStaged } from './jet-adjoint-weights.ts';
import { sizesOf } from './jet-parts.ts';
import { acrossLanes, canStage, perElement, staged } from './jet-product.ts';

export interface JetAdjointParams extends DenseJetParams {
  /** Which of S (0), W (1), b (2) to give cotangents of, in this order. */
  readonly wrt: readonly number[];
}

export const jetAdjoint: Kernel = {
  name: 'vjp(dense_jet)',
  means: ([S, W, b, bar], params) => {
    const { wrt, ...forward } = params as JetAdjointParams;
    const inputs = [S!, W!, b!];
    return vjp(
      [denseJet(S!, W!, b!, forward as DenseJetParams)],
      [bar!],
      wrt.map((k) => inputs[k]!),
    );
  },
  flops: (call) => {
    const { B, C, K, O, N } = sizesOf(call);
    const { wrt } = call.params as JetAdjointParams;
    return 2 * B * C * K * O * N * wrt.filter((k) => k < 2).length;
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
      build: (call) => both(inputCotangent(call, perElement), weightsPerElement(call)),
    },
    {
      name: 'staged',
      why: 'cotangents of S as the forward pass; those of W one column per lane and a block of rows in registers, points staged chunk by chunk',
      supports: (call) => canStage(sizesOf(call).O),
      build: (call, device) =>
        both(
          inputCotangent(call, (product) => staged(product, device)),
          weightsStaged(call, device),
        ),
    },
    {
      name: 'lanes',
      why: 'where a load costs as much as ten multiplications (llvmpipe): operands are loaded once across the subgroup and broadcast from its lanes',
      supports: (_, device) => simdLanes(device) > 0,
      build: (call, device) => {
        const { K, O } = sizesOf(call);
        const L = device.subgroupMaxSize;
        return both(
          inputCotangent(call, (product) => (K < L ? perElement(product) : acrossLanes(product, L))),
          K < L || O < L ? weightsPerElement(call) : weightsAcrossLanes(call, L),
        );
      },
    },
  ],
};

function both(...grids: readonly (Grid | null)[]): Build {
  return { stages: [grids.filter((grid) => grid !== null)] };
}

function adjointCase({ params, shapes }: ReturnType<typeof jetCases>[0], wrt: readonly number[]): Kernel['cases'][0] {
  const [[B, C, , N], [, O]] = shapes as [number[], number[]];
  return { params: { ...params, wrt }, shapes: [...shapes, [B!, C!, O!, N!]] };
}
