/** Products of Jacobian rows and columns on the host, against rows written out. */
import { describe, expect, it } from 'vitest';
import { hostGram, lowerNormal } from '../../optim/index.ts';

const wave = (n: number, step: number) => Float64Array.from({ length: n }, (_, k) => Math.sin(step * (k + 1) + 0.3));

/** Rows of one layer: outer products of cotangents [C,O,M] and jets [C,K,M], then the bias. */
function rowsOf(C: number, O: number, K: number, M: number, deltas: Float64Array, jets: Float64Array): number[][] {
  return Array.from({ length: M }, (_, m) => {
    const weights = Array.from({ length: O * K }, (_, p) => {
      const [o, k] = [Math.floor(p / K), p % K];
      let sum = 0;
      for (let c = 0; c < C; c++) sum += deltas[(c * O + o) * M + m]! * jets[(c * K + k) * M + m]!;
      return sum;
    });
    return [...weights, ...Array.from({ length: O }, (_, o) => deltas[o * M + m]!)];
  });
}

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, k) => sum + x * b[k]!, 0);

describe('hostGram', () => {
  // Two residuals at five interior points, one at two ends.
  const spans = [
    { count: 5, points: 'interior' },
    { count: 5, points: 'interior' },
    { count: 2, points: 'ends' },
  ];
  const M = 12;

  it.each([1, 2, 3, 4])('is J J^T with %i channels', (C) => {
    const sizes = [
      [6, 1],
      [6, 6],
      [1, 6],
    ] as const;
    const layers = sizes.map(([O, K], layer) => {
      const perPoint = wave(C * K * 7, 0.7 + layer);
      const activations = Float64Array.from({ length: C * K * M }, (_, at) => {
        const [row, m] = [Math.floor(at / M), at % M];
        return perPoint[row * 7 + (m < 10 ? m % 5 : m - 5)]!;
      });
      return { O, K, channels: C, deltas: wave(C * O * M, 1.3 + layer), activations };
    });
    const rows = layers.map(({ O, K, deltas, activations }) => rowsOf(C, O, K, M, deltas, activations));
    const J = Array.from({ length: M }, (_, m) => rows.flatMap((layer) => layer[m]!));
    const K = hostGram(layers, spans);
    J.forEach((a, i) => {
      J.forEach((b, j) => {
        expect(K[i * M + j]).toBeCloseTo(dot(a, b), 11);
      });
    });
  });
});

describe('lowerNormal', () => {
  it('is the lower triangle of J^T J, columns of a group being zero outside its rows', () => {
    const M = 1200;
    const groups = [
      { count: 5, spans: [{ start: 0, count: 700 }] },
      { count: 130, spans: [{ start: 600, count: 600 }] },
      {
        count: 3,
        spans: [
          { start: 0, count: 10 },
          { start: 690, count: 20 },
        ],
      },
    ].map(({ count, spans }, g) => {
      const data = wave(count * M, 0.01 + g);
      for (let p = 0; p < count; p++)
        for (let m = 0; m < M; m++)
          if (!spans.some(({ start, count }) => m >= start && m < start + count)) data[p * M + m] = 0;
      return { data, count, spans };
    });
    const columns = groups.flatMap(({ data, count }) =>
      Array.from({ length: count }, (_, p) => [...data.subarray(p * M, (p + 1) * M)]),
    );
    const P = columns.length;
    const normal = lowerNormal(groups, M);
    for (let i = 0; i < P; i += 7)
      for (let j = 0; j <= i; j += 3) expect(normal[i * P + j]).toBeCloseTo(dot(columns[i]!, columns[j]!), 8);
    expect(normal[(P - 1) * P + P - 1]).toBeCloseTo(dot(columns[P - 1]!, columns[P - 1]!), 8);
  });
});
