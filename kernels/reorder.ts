/**
 * Columns in descending order of values, as SOAP orders its eigenvectors before a refresh.
 *
 * Meaning: values [..,1,n], X [..,m,n] -> y [..,m,n]; the column of the r-th largest value becomes column r.
 *
 * Versions:
 * - simple: an invocation finds the rank of its column and moves eight of its rows.
 * - columns: it moves all of them. For CPUs that play a GPU.
 *
 * Flops: n comparisons for each value. Bytes: the values, X twice.
 */
import {
  type Build,
  broadcast,
  type Call,
  composite,
  concat,
  constant,
  grid,
  type Kernel,
  less,
  loop,
  matmul,
  reshape,
  type Shape,
  sizeOf,
  sum,
  type Tape,
  type Var,
  when,
  where,
} from '../engine/index.ts';

/** Column r of the result [..,m,n] is the column of X [..,m,n] with the r-th largest of values [..,1,n]; ties keep their order. */
export function reorder(values: Var, X: Var): Var {
  return composite('reorder', {}, [values, X], ([values, X]) => [matmul(X!, permutation(values!))])[0]!;
}

/** One-hot matrices [..,n,n]: row j marks the rank of column j. */
function permutation(values: Var): Var {
  const batch = values.shape.slice(0, -2);
  const n = values.shape.at(-1)!;
  const grid = [...batch, n, n];
  const ones = batch.map(() => 1);
  const own = broadcast(reshape(values, [...batch, n, 1]), grid);
  const other = broadcast(values, grid);
  const count = iota(values.tape, n);
  const row = broadcast(reshape(count, [...ones, n, 1]), grid);
  const column = broadcast(reshape(count, [...ones, 1, n]), grid);
  const before = where(less(own, other), 1, where(less(other, own), 0, less(column, row)));
  const rank = broadcast(sum(before, [grid.length - 1]), grid);
  return where(less(rank, column), 0, where(less(column, rank), 0, 1));
}

function iota(tape: Tape, n: number): Var {
  return concat(
    Array.from({ length: n }, (_, k) => broadcast(constant(tape, k), [1])),
    0,
  );
}

function reorderCase(batch: Shape, m: number, n: number): Kernel['cases'][number] {
  return {
    params: {},
    shapes: [
      [...batch, 1, n],
      [...batch, m, n],
    ],
  };
}

export const reorderKernel: Kernel = {
  name: 'reorder',
  means: ([values, X]) => [reorder(values!, X!)],
  // Comparisons; the rest is moving.
  flops: ({ inputs }) => sizeOf(inputs[0]!.shape) * inputs[0]!.shape.at(-1)!,
  bytes: ({ inputs }) => 4 * (sizeOf(inputs[0]!.shape) + 2 * sizeOf(inputs[1]!.shape)),
  cases: [reorderCase([], 1, 1), reorderCase([3], 5, 7), reorderCase([2, 2], 64, 33), reorderCase([2], 17, 64)],
  versions: [
    {
      name: 'simple',
      why: 'one invocation for each column in a strip of eight rows finds the rank of the column and moves its part',
      supports: () => true,
      build: (call) => build(call, 8),
    },
    {
      name: 'columns',
      why: 'with few cores the rank of a column is found once, for all its rows',
      supports: (_, device) => device.software,
      build: (call) => build(call, call.inputs[1]!.shape.at(-2)!),
    },
  ],
};

/** Each invocation: one column in a strip of `rows` rows. */
function build(call: Call, rows: number): Build {
  const { shape } = call.inputs[1]!;
  const [m, n] = shape.slice(-2) as [number, number];
  const batch = shape.slice(0, -2);
  const z = batch.map((extent, axis) => `(group.z / ${sizeOf(batch.slice(axis + 1))}u) % ${extent}u`);
  const columns = grid({
    reads: { values: { input: 0 }, X: { input: 1 } },
    writes: { y: { output: 0 } },
    threads: 32,
    groups: [Math.ceil(n / 32), Math.ceil(m / rows), sizeOf(batch)],
    code: ({ values, X, y }) => [
      'let j = group.x * 32u + thread;',
      when(`j >= ${n}u`, 'return;'),
      `let own = ${values(...z, 0, 'j')};`,
      'var rank = 0u;',
      loop('i', n, [
        `let other = ${values(...z, 0, 'i')};`,
        'rank += select(0u, 1u, other > own || (other == own && i < j));',
      ]),
      loop('r', `min((group.y + 1u) * ${rows}u, ${m}u)`, `${y(...z, 'r', 'rank')} = ${X(...z, 'r', 'j')};`, {
        from: `group.y * ${rows}u`,
      }),
    ],
  });
  return { stages: [[columns]] };
}
