/** A matrix product across the lanes of a subgroup, for adapters whose lanes are those of a CPU. */
import {
  type Capabilities,
  type Grid,
  grid,
  loop,
  range,
  scope,
  sizeOf,
  type Tensor,
  unroll,
  when,
} from '../engine/index.ts';
import { eachRow } from './jet-parts.ts';
import { type MatmulCall, OPERANDS, sizes } from './matmul-call.ts';

/** Vectors of columns and rows that one subgroup accumulates. */
const COLUMN_VECTORS = 4;
const ROWS = 16;

/** Batch axes that the shader can tell apart. */
export const BATCH_AXES = 3;

/**
 * Sizes and strides reach the shader as numbers, not as code: its compiler takes long (llvmpipe), and this way calls of
 * any layout share what it made.
 */
export function acrossLanes(call: MatmulCall, { subgroupMaxSize: L }: Capabilities): Grid {
  const { batch, M, N, K } = sizes(call);
  const columns = Math.min(COLUMN_VECTORS, Math.ceil(N / L));
  const rowVectors = Math.min(Math.max(1, ROWS / L), Math.ceil(M / L));
  const rows = Math.min(M, rowVectors * L);
  const width = columns * L;
  const extents = [...Array<number>(BATCH_AXES - batch.length).fill(1), ...batch];
  const sums = range(columns).map((c) => `s${c}`);
  return grid({
    ...OPERANDS,
    threads: L,
    groups: [Math.ceil(N / width), Math.ceil(M / rows), sizeOf(batch)],
    subgroups: true,
    uniforms: { M, N, K, rows, batch_1: extents[1]!, batch_2: extents[2]!, ...stridesOf(call) },
    code: ({ a, b, y }, at) => {
      const start = (x: Tensor, [z0, z1, z2]: readonly string[]) => `${x.start} + z0*${z0} + z1*${z1} + z2*${z2}`;
      const multiply = (r: number) =>
        scope([
          `let u = subgroupBroadcast(a${Math.floor(r / L)}, ${r % L}u);`,
          unroll(columns, (c) => `s${c}_${r} = fma(u, b${c}, s${c}_${r});`),
        ]);
      const storeRow = (r: string) =>
        unroll(columns, (c) => {
          const element = y.flat(`y_start + (first + ${r}) * ${at.y_i} + q${c} * ${at.y_j}`);
          return when(N % width === 0 || `q${c} < ${at.N}`, `${element} = s${c}_0;`);
        });
      return [
        `let z2 = group.z % ${at.batch_2};`,
        `let z1 = group.z / ${at.batch_2} % ${at.batch_1};`,
        `let z0 = group.z / (${at.batch_2} * ${at.batch_1});`,
        `let a_start = ${start(a, [at.a_0, at.a_1, at.a_2])};`,
        `let b_start = ${start(b, [at.b_0, at.b_1, at.b_2])};`,
        `let y_start = ${start(y, [at.y_0, at.y_1, at.y_2])};`,
        `let first = group.y * ${rows}u;`,
        unroll(columns, (c) => [
          `let q${c} = group.x * ${width}u + ${c * L}u + lane;`,
          `let j${c} = b_start + min(q${c}, ${at.N} - 1u) * ${at.b_j};`,
        ]),
        unroll(rowVectors, (v) => `let i${v} = a_start + min(first + ${v * L}u + lane, ${at.M} - 1u) * ${at.a_i};`),
        unroll(rows, (r) => unroll(columns, (c) => `var s${c}_${r} = 0.0;`)),
        loop('k', at.K, [
          unroll(columns, (c) => `let b${c} = ${b.flat(`j${c} + k * ${at.b_k}`)};`),
          unroll(rowVectors, (v) => `let a${v} = ${a.flat(`i${v} + k * ${at.a_k}`)};`),
          unroll(rows, multiply),
        ]),
        eachRow(rows, at.rows, `${at.M} - first`, sums, storeRow),
      ];
    },
  });
}

/** Strides of a(i,k), b(k,j), y(i,j) and of their batch axes, `NAME_0` to `NAME_2`. */
function stridesOf({ inputs, outputs, params }: MatmulCall) {
  const [a, b, y] = [...inputs, ...outputs].map(({ strides, shape }) => {
    const own = strides.map((stride, axis) => (shape[axis] === 1 ? 0 : stride));
    const batch = own.slice(0, -2);
    const [outer, last] = own.slice(-2) as [number, number];
    const [z0, z1, z2] = [...Array<number>(BATCH_AXES - batch.length).fill(0), ...batch] as [number, number, number];
    return { z0, z1, z2, outer, last };
  }) as [Strides, Strides, Strides];
  const [a_i, a_k] = params.ta ? [a.last, a.outer] : [a.outer, a.last];
  const [b_k, b_j] = params.tb ? [b.last, b.outer] : [b.outer, b.last];
  return {
    ...{ a_0: a.z0, a_1: a.z1, a_2: a.z2, b_0: b.z0, b_1: b.z1, b_2: b.z2, y_0: y.z0, y_1: y.z1, y_2: y.z2 },
    ...{ a_i, a_k, b_k, b_j, y_i: y.outer, y_j: y.last },
  };
}

type Strides = Record<'z0' | 'z1' | 'z2' | 'outer' | 'last', number>;
