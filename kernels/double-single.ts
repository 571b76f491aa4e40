/**
 * Kernels for tapes in double-single arithmetic: matrix products and Gram matrices, where the time goes. An operand may
 * be float32; what is summed is not. All else is generated code.
 */
import {
  addProduct,
  type Build,
  type Call,
  grid,
  type Layout,
  type Library,
  loop,
  type MatmulParams,
  range,
  sizeOf,
  type Tensor,
  unroll,
  when,
} from '../engine/index.ts';
import { gram } from './gram.ts';
import { matmul } from './matmul.ts';

/** Outputs along a column that an invocation keeps in registers. */
const ROWS = 8;
const THREADS = 64;

const elementsOf = ({ inputs }: Pick<Call, 'inputs'>) => [inputs[0]!.of ?? 'f32', inputs[1]!.of ?? 'f32'] as const;

/** A few rows of one column in registers: a load of the column serves them all, rows are at one address for all lanes. */
function columns({ params: { ta, tb }, inputs, outputs }: Call<MatmulParams>): Build {
  const { shape } = outputs[0]!;
  const [M, N] = shape.slice(-2) as [number, number];
  const K = inputs[0]!.shape.at(ta ? -2 : -1)!;
  const batch = shape.slice(0, -2);
  const z = batch.map((extent, axis) => `(group.z / ${sizeOf(batch.slice(axis + 1))}u) % ${extent}u`);
  const rows = Math.min(ROWS, M);
  const product = grid({
    reads: { a: { input: 0 }, b: { input: 1 } },
    writes: { y: { output: 0 } },
    threads: THREADS,
    groups: [Math.ceil(N / THREADS), Math.ceil(M / rows), sizeOf(batch)],
    code: ({ a, b, y }) => {
      const left = (r: number) => a(...z, ...(ta ? ['k', `i${r}`] : [`i${r}`, 'k']));
      return [
        `let first = group.y * ${rows}u;`,
        `let j = group.x * ${THREADS}u + thread;`,
        `let column = min(j, ${N - 1}u);`,
        unroll(rows, (r) => [`let i${r} = min(first + ${r}u, ${M - 1}u);`, `var s${r} = vec2f();`]),
        loop('k', K, [
          `let v = ${b(...z, ...(tb ? ['column', 'k'] : ['k', 'column']))};`,
          unroll(rows, (r) => `s${r} = ${addProduct(`s${r}`, left(r), 'v', elementsOf({ inputs }))};`),
        ]),
        when(`j >= ${N}u`, 'return;'),
        unroll(rows, (r) => when(`first + ${r}u < ${M}u`, `${y(...z, `i${r}`, 'j')} = ds_normal(s${r});`)),
      ];
    },
  });
  return { stages: [[product]] };
}

/** Products of channel pairs of two rows at a time, and sums of their products; the upper half only, mirrored. */
function rowPairs({ inputs }: Call): Build {
  const [delta, a] = inputs as [Layout, Layout];
  const [B, C, O, M] = delta.shape as [number, number, number, number];
  const K = a.shape[2]!;
  const [deltaOf, aOf] = elementsOf({ inputs });
  const pairs = range(C * C).map((pair) => [Math.floor(pair / C), pair % C] as const);
  const products = (sum: string, x: Tensor, extent: number, of: typeof deltaOf) => [
    unroll(C * C, (n) => `var ${sum}${n} = vec2f();`),
    loop('k', extent, [
      unroll(C, (c) => `let u${c} = ${x('batch', c, 'k', 'i')};`),
      unroll(C, (d) => `let v${d} = ${x('batch', d, 'k', 'column')};`),
      pairs.map(([c, d], n) => `${sum}${n} = ${addProduct(`${sum}${n}`, `u${c}`, `v${d}`, [of, of])};`),
    ]),
  ];
  const half = grid({
    reads: { delta: { input: 0 }, a: { input: 1 } },
    writes: { y: { output: 0 } },
    threads: THREADS,
    groups: [Math.ceil(M / THREADS), M, B],
    code: ({ delta, a, y }) => [
      'let batch = group.z;',
      'let i = group.y;',
      when(`group.x * ${THREADS}u + ${THREADS - 1}u < i`, 'return;'),
      `let j = group.x * ${THREADS}u + thread;`,
      `let column = min(j, ${M - 1}u);`,
      products('p', delta, O, deltaOf),
      products('q', a, K, aOf),
      'var total = ds_normal(p0);',
      unroll(C * C, (n) => `total = ds_add(total, ds_mul(ds_normal(p${n}), ds_normal(q${n})));`),
      when(`j >= i && j < ${M}u`, [`${y('batch', 'i', 'j')} = total;`, `${y('batch', 'j', 'i')} = total;`]),
    ],
  });
  return { stages: [[half]] };
}

/** The library for programs in double-single arithmetic. */
export const doubleSingleLibrary: Library = [
  {
    ...matmul,
    versions: [
      {
        name: 'double-single',
        why: 'eight rows of a column in registers, each a sum with the error it has made',
        supports: () => true,
        build: columns,
      },
    ],
  },
  {
    ...gram,
    versions: [
      {
        name: 'double-single',
        why: 'all pairs of channels of a pair of rows in registers, the upper half only',
        supports: () => true,
        build: rowPairs,
      },
    ],
  },
];
