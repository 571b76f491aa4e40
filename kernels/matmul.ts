/**
 * Batched matrix multiplication of windows: transposed operands and operands shared by a batch are strides.
 *
 * Meaning: a [..,M,K], b [..,K,N] -> y [..,M,N], y[i,j] = sum_k a[i,k] b[k,j]; `ta`, `tb`: the last two axes of a, of b
 * are swapped first. Sums of more than 512 terms are taken in parts (`partial-sums.ts`), so that rounding grows with a part, not with the sum.
 *
 * Versions, each with fewer loads for a multiplication than the one before:
 * - simple: two loads for each.
 * - tile: a load of a vector from workgroup memory for 8; 64 x 64 outputs a workgroup.
 * - block: one for 16; 128 x 128 outputs a workgroup, for large matrices.
 * - lanes: columns across a subgroup, rows handed round by its lanes. For CPUs that play a GPU.
 *
 * Flops: 2 M N K for each product of the batch. Bytes: both operands and the result once.
 */
import {
  type Build,
  type Grid,
  grid,
  type Kernel,
  loop,
  type MatmulParams,
  operandBytes,
  matmul as product,
  simdLanes,
  sizeOf,
  when,
} from '../engine/index.ts';
import { elementsOf, type MatmulCall, OPERANDS, sizes } from './matmul-call.ts';
import { acrossLanes, BATCH_AXES } from './matmul-lanes.ts';
import { tiled } from './matmul-tile.ts';
import { inParts, partOf } from './partial-sums.ts';

export const matmul: Kernel<MatmulParams> = {
  name: 'matmul',
  means: ([a, b], params) => [product(a!, b!, params)],
  flops: (call) => {
    const { batch, M, N, K } = sizes(call);
    return 2 * sizeOf(batch) * M * N * K;
  },
  bytes: operandBytes,
  cases: [
    ...[false, true].flatMap((ta) => [false, true].map((tb) => matmulCase([3], 19, 21, 5, ta, tb))),
    matmulCase([], 1, 1, 1, false, false),
    matmulCase([], 1, 17, 3, false, true),
    matmulCase([2, 3], 7, 1, 9, true, false),
    matmulCase([2], 64, 64, 64, false, false),
    matmulCase([], 67, 33, 130, true, false),
    matmulCase([], 259, 301, 37, false, false),
    matmulCase([], 256, 384, 48, true, true),
    matmulCase([2], 17, 19, 1031, true, false),
    matmulCase([], 3, 2, 1024, false, true),
  ],
  versions: [
    {
      name: 'simple',
      why: 'the definition: one dot product for each element, for any layout',
      supports: () => true,
      build: (call) => parted(call, perElement),
    },
    {
      name: 'tile',
      why: '64 x 64 outputs of a workgroup from strips in workgroup memory, 4 x 4 of them in the registers of an invocation',
      supports: (call) => {
        const { M, N, K } = sizes(call);
        return Math.min(M, N) >= 16 && K >= 4;
      },
      build: (call) => parted(call, (part) => tiled(part, 64)),
    },
    {
      name: 'block',
      why: 'the same with 128 x 128 and 8 x 8: a load from workgroup memory for 16 multiplications, for matrices large enough to fill a GPU with such blocks',
      supports: (call) => {
        const { M, N, K } = sizes(call);
        return Math.min(M, N) >= 256 && K >= 8;
      },
      build: (call) => parted(call, (part) => tiled(part, 128)),
    },
    {
      name: 'lanes',
      why: 'where a load costs as much as ten multiplications (llvmpipe): columns across the subgroup, rows broadcast from its lanes',
      supports: (call, device) => {
        const { batch, M, N, K } = sizes(call);
        const axes = batch.length + (partOf(M, N, K) === null ? 0 : 1);
        return simdLanes(device) > 0 && Math.min(M, N, K) >= 4 && axes <= BATCH_AXES;
      },
      build: (call, device) => parted(call, (part) => acrossLanes(part, device)),
    },
  ],
};

function matmulCase(batch: number[], M: number, N: number, K: number, ta: boolean, tb: boolean) {
  const shapes = [
    [...batch, ...(ta ? [K, M] : [M, K])],
    [...batch, ...(tb ? [N, K] : [K, N])],
  ];
  return { params: { ta, tb }, shapes };
}

/** A product as one grid; in parts where its sums are long. */
function parted(call: MatmulCall, build: (call: MatmulCall) => Grid): Build {
  const { M, N, K } = sizes(call);
  const part = partOf(M, N, K);
  return part === null ? { stages: [[build(call)]] } : inParts(call, part, build);
}

function perElement(call: MatmulCall): Grid {
  const { batch, M, N, K } = sizes(call);
  return grid({
    ...OPERANDS,
    threads: 64,
    groups: [Math.ceil((M * N) / 64), 1, sizeOf(batch)],
    code: (operands) => {
      const { a, b, y } = elementsOf(call, operands);
      return [
        'let element = group.x * 64u + thread;',
        `let i = element / ${N}u;`,
        `let j = element % ${N}u;`,
        'let z = group.z;',
        when(`i >= ${M}u`, 'return;'),
        'var dot = 0.0;',
        loop('k', K, `dot = fma(${a('i', 'k')}, ${b('k', 'j')}, dot);`),
        `${y('i', 'j')} = dot;`,
      ];
    },
  });
}
