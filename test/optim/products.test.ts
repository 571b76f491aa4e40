/** Products of Jacobian rows and columns on the host, against rows written out. */
import { describe, expect, it } from 'vitest';
import { hostGram, lowerNormal } from '../../optim/index.ts';
import { addProducts } from '../../optim/products.ts';
import { tileMemory } from '../../optim/tile.ts';

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

describe('addProducts', () => {
  const rows = (data: Float64Array, start: number, stride: number, count: number) => ({ data, start, stride, count });
  const expected = (a: Float64Array, b: Float64Array, depth: number, i: number, j: number) =>
    dot([...a.subarray(1 + i * (depth + 2), 1 + i * (depth + 2) + depth)], [...b.subarray(j * depth, (j + 1) * depth)]);

  it.each([
    [1, 1, 1],
    [4, 4, 4],
    [5, 7, 3],
    [70, 67, 9],
    [6, 130, 1100],
  ])('adds %i x %i products of %i numbers, wherever rows lie', (M, N, depth) => {
    const [a, b] = [wave(1 + M * (depth + 2), 0.7), wave(N * depth, 1.1)];
    const out = wave(3 + M * (N + 1), 0.2);
    const before = out.slice();
    const target = { data: out, start: 3, stride: N + 1 };
    addProducts(target, rows(a, 1, depth + 2, M), rows(b, 0, depth, N), depth, { factor: -2 });
    for (let i = 0; i < M; i++)
      for (let j = 0; j < N; j++) {
        const at = 3 + i * (N + 1) + j;
        expect(out[at]).toBeCloseTo(before[at]! - 2 * expected(a, b, depth, i, j), 10);
      }
    for (let i = 0; i < M - 1; i++) expect(out[3 + i * (N + 1) + N]).toBe(before[3 + i * (N + 1) + N]);
    expect(out.subarray(0, 3)).toEqual(before.subarray(0, 3));
  });

  it('below the diagonal leaves what is above as it is', () => {
    const [M, depth] = [131, 5];
    const a = wave(M * depth, 0.9);
    const out = new Float64Array(M * M);
    const all = rows(a, 0, depth, M);
    addProducts({ data: out, start: 0, stride: M }, all, all, depth, { lower: true });
    for (let i = 0; i < M; i++)
      for (let j = 0; j < M; j++) {
        const [left, right] = [i, j].map((row) => [...a.subarray(row * depth, (row + 1) * depth)]);
        if (j <= i) expect(out[i * M + j]).toBeCloseTo(dot(left!, right!), 12);
        else expect(out[i * M + j]).toBe(0);
      }
  });
});

it('the memory of tiles grows with what is asked for', () => {
  const before = tileMemory().view(0).length;
  expect(tileMemory().view(before + 1).length).toBeGreaterThan(before);
});

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
