/** What the versions of the matrix product share: sizes of a call and elements of its operands. */
import { type Call, type Index, type MatmulParams, sizeOf, type Tensor } from '../engine/index.ts';

export type MatmulCall = Call<MatmulParams>;

export function sizes({ params, inputs, outputs }: MatmulCall) {
  const { shape } = outputs[0]!;
  const [M, N] = shape.slice(-2) as [number, number];
  return { batch: shape.slice(0, -2), M, N, K: inputs[0]!.shape.at(params.ta ? -2 : -1)! };
}

export const OPERANDS = { reads: { a: { input: 0 }, b: { input: 1 } }, writes: { y: { output: 0 } } } as const;

/** Elements a(i,k), b(k,j), y(i,j) of batch `z`. */
export function elementsOf({ params: { ta, tb }, outputs }: MatmulCall, { a, b, y }: Record<'a' | 'b' | 'y', Tensor>) {
  const batch = outputs[0]!.shape.slice(0, -2);
  const z = batch.map((extent, axis) => `(z / ${sizeOf(batch.slice(axis + 1))}u) % ${extent}u`);
  return {
    a: (i: Index, k: Index) => a(...z, ...(ta ? [k, i] : [i, k])),
    b: (k: Index, j: Index) => b(...z, ...(tb ? [j, k] : [k, j])),
    y: (i: Index, j: Index) => y(...z, i, j),
  };
}
