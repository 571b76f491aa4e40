/** The Gram matrix of per-sample weight gradients: its meaning against gradients taken one by one. */
import { describe, expect, it } from 'vitest';
import { compile, evaluate, graphOf, input, newTape, type Source, simplify, sizeOf } from '../../engine/index.ts';
import { explicitRows } from '../../experiments/ntk/tape.ts';
import { jetGram, library } from '../../kernels/index.ts';
import { leastAdapter, llvmpipe } from '../support/gpu.ts';
import { generator, relative, uniform } from '../support/tensors.ts';

const shapes = [
  [2, 3, 5, 7],
  [2, 3, 4, 7],
] as const;

function source(): Source {
  const tape = newTape();
  const [deltas, activations] = shapes.map((shape, k) => input(tape, `in${k}`, shape));
  return {
    inputs: { deltas: deltas!, activations: activations! },
    outputs: { gram: jetGram(deltas!, activations!), rows: explicitRows(deltas!, activations!) },
  };
}

describe('jet_gram', () => {
  const { inputs, outputs } = source();
  const random = generator(3);
  const values = shapes.map((shape) => uniform(shape, random).data);
  const [gram, rows] = evaluate(simplify(graphOf(Object.values(inputs), Object.values(outputs))), values);

  it('is J J^T of the rows it stands for', () => {
    const [F, M, P] = outputs['rows']!.shape as [number, number, number];
    const products = Array.from({ length: F * M * M }, (_, k) => {
      const [f, m, n] = [Math.floor(k / (M * M)), Math.floor(k / M) % M, k % M];
      let sum = 0;
      for (let p = 0; p < P; p++) sum += rows![(f * M + m) * P + p]! * rows![(f * M + n) * P + p]!;
      return sum;
    });
    expect(relative(gram!, products)).toBeLessThan(1e-13);
  });

  it('holds, row by row, the outer products of cotangents and activations, then the bias', () => {
    const [F, C, O, M] = shapes[0];
    const K = shapes[1][2];
    const [f, m] = [1, 4];
    const at = (x: readonly number[], n: number, c: number, k: number) => x[((f * C + c) * n + k) * M + m]!;
    const expected: number[] = [];
    for (let o = 0; o < O; o++)
      for (let k = 0; k < K; k++) {
        let sum = 0;
        for (let c = 0; c < C; c++) sum += at(values[0]!, O, c, o) * at(values[1]!, K, c, k);
        expected.push(sum);
      }
    for (let o = 0; o < O; o++) expected.push(at(values[0]!, O, 0, o));
    const P = O * K + O;
    expect(F).toBe(2);
    expect(relative([...rows!.slice((f * M + m) * P, (f * M + m + 1) * P)], expected)).toBeLessThan(1e-14);
  });

  it('is dispatched where the library has it, inlined where not, on any adapter', () => {
    for (const device of [llvmpipe, leastAdapter]) {
      const kernels = (from: typeof library) =>
        compile(source(), { library: from, device }).calls.map(({ kernel, version }) => `${kernel}.${version}`);
      expect(kernels(library).filter((name) => name.startsWith('jet_gram.'))).toEqual(['jet_gram.pairs']);
      expect(kernels([]).some((name) => name.startsWith('jet_gram.'))).toBe(false);
    }
    expect(sizeOf(shapes[0])).toBe(210);
  });
});
