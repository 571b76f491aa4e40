/** Batched matrix multiplication of windows: transposed operands and operands shared by a batch are strides. */
import {
  type Build,
  type Call,
  type Capabilities,
  element,
  type Kernel,
  type Layout,
  operandBytes,
  matmul as product,
  simdLanes,
  sizeOf,
} from '../engine/index.ts';
import { eachRow, range } from './jet-parts.ts';

export const matmul: Kernel = {
  name: 'matmul',
  means: ([a, b], { ta, tb }) => [product(a!, b!, { ta: ta as boolean, tb: tb as boolean })],
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
  ],
  versions: [
    {
      name: 'simple',
      why: 'the definition: one dot product for each element, for any layout',
      supports: () => true,
      build: perElement,
    },
    {
      name: 'tile',
      why: '64 x 64 outputs of a workgroup from strips in workgroup memory, 4 x 4 of them in the registers of an invocation',
      supports: (call) => {
        const { M, N, K } = sizes(call);
        return Math.min(M, N) >= 16 && K >= 4;
      },
      build: tiled,
    },
    {
      name: 'lanes',
      why: 'where a load costs as much as ten multiplications (llvmpipe): columns across the subgroup, rows broadcast from its lanes',
      supports: (call, device) => {
        const { batch, M, N, K } = sizes(call);
        return simdLanes(device) > 0 && Math.min(M, N, K) >= 4 && batch.length <= BATCH_AXES;
      },
      build: acrossLanes,
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

function sizes({ params, inputs, outputs }: Call) {
  const { shape } = outputs[0]!;
  const [M, N] = shape.slice(-2) as [number, number];
  return { batch: shape.slice(0, -2), M, N, K: inputs[0]!.shape.at(params['ta'] ? -2 : -1)! };
}

const OPERANDS = { reads: { a: { input: 0 }, b: { input: 1 } }, writes: { y: { output: 0 } } } as const;

/** Index expressions of the batch axes from `z`. */
const batchIndices = ({ outputs }: Call): string[] => {
  const batch = outputs[0]!.shape.slice(0, -2);
  return batch.map((extent, axis) => `(z / ${sizeOf(batch.slice(axis + 1))}u) % ${extent}u`);
};

/** WGSL of elements a(i,k), b(k,j), y(i,j) of batch `z`. */
function elements(call: Call) {
  const [a, b] = call.inputs as [Layout, Layout];
  const { ta, tb } = call.params;
  const z = batchIndices(call);
  return {
    a: (i: string, k: string) => element('a', a, [...z, ...(ta ? [k, i] : [i, k])]),
    b: (k: string, j: string) => element('b', b, [...z, ...(tb ? [j, k] : [k, j])]),
    y: (i: string, j: string) => element('y', call.outputs[0]!, [...z, i, j]),
  };
}

function perElement(call: Call): Build {
  const { batch, M, N, K } = sizes(call);
  const { a, b, y } = elements(call);
  const code = `
  let element = group.x * 64u + thread;
  let i = element / ${N}u;
  let j = element % ${N}u;
  let z = group.z;
  if (i >= ${M}u) { return; }
  var dot = 0.0;
  for (var k = 0u; k < ${K}u; k++) { dot = fma(${a('i', 'k')}, ${b('k', 'j')}, dot); }
  ${y('i', 'j')} = dot;`;
  return { stages: [[{ ...OPERANDS, code, threads: 64, groups: [Math.ceil((M * N) / 64), 1, sizeOf(batch)] }]] };
}

const TILE = 64;
const DEPTH = 16;
/** Distance of rows in workgroup memory: odd, so that they start in different banks. */
const PITCH = TILE + 1;

function tiled(call: Call): Build {
  const { batch, M, N, K } = sizes(call);
  const { y } = elements(call);
  const rows = range(4);
  const code = `
  let z = group.z;
  let column = thread % 16u;
  let row = thread / 16u;
  ${rows.map((r) => `var s${r} = vec4f();`).join(' ')}
  for (var start = 0u; start < ${K}u; start += ${DEPTH}u) {
    for (var e = thread; e < ${TILE * DEPTH}u; e += 256u) {
      ${stage(call, 0)}
      ${stage(call, 1)}
    }
    workgroupBarrier();
    for (var d = 0u; d < ${DEPTH}u; d++) {
      let r = vec4f(${rows.map((c) => `right[d * ${PITCH}u + column + ${16 * c}u]`).join(', ')});
      ${rows.map((r) => `s${r} = fma(vec4f(left[d * ${PITCH}u + row + ${16 * r}u]), r, s${r});`).join(' ')}
    }
    workgroupBarrier();
  }
  ${rows
    .map((r) =>
      rows
        .map((c) => {
          const [i, j] = [`(group.y * ${TILE}u + row + ${16 * r}u)`, `(group.x * ${TILE}u + column + ${16 * c}u)`];
          return `if (${i} < ${M}u && ${j} < ${N}u) { ${y(i, j)} = s${r}[${c}]; }`;
        })
        .join('\n  '),
    )
    .join('\n  ')}`;
  const strip = { of: 'f32', length: DEPTH * PITCH } as const;
  const groups = [Math.ceil(N / TILE), Math.ceil(M / TILE), sizeOf(batch)] as const;
  return { stages: [[{ ...OPERANDS, code, threads: 256, groups, shared: { left: strip, right: strip } }]] };
}

/** Copies an operand's element number `e` of a strip, neighbouring invocations along its shorter stride. */
function stage(call: Call, operand: 0 | 1): string {
  const { M, N, K } = sizes(call);
  const { a, b } = elements(call);
  const layout = call.inputs[operand]!;
  const [name, extent, group] = operand === 0 ? ['left', M, 'group.y'] : ['right', N, 'group.x'];
  const transposed = call.params[operand === 0 ? 'ta' : 'tb'] as boolean;
  const [outer, inner] = layout.strides.slice(-2) as [number, number];
  // Along k first where k has the unit stride.
  const kLast = (operand === 0) !== transposed;
  const alongK = kLast ? inner <= outer : outer < inner;
  const d = alongK ? `(e % ${DEPTH}u)` : `(e / ${TILE}u)`;
  const m = alongK ? `(e / ${DEPTH}u)` : `(e % ${TILE}u)`;
  const at = `min(${group} * ${TILE}u + ${m}, ${(extent as number) - 1}u)`;
  const k = `min(start + ${d}, ${K - 1}u)`;
  const value = operand === 0 ? a(at, k) : b(k, at);
  return `${name}[${d} * ${PITCH}u + ${m}] = select(0.0, ${value}, start + ${d} < ${K}u);`;
}

/** Vectors of columns and rows that one subgroup accumulates. */
const COLUMN_VECTORS = 4;
const ROWS = 16;

/** Batch axes that the shader can tell apart. */
const BATCH_AXES = 3;

/**
 * Sizes and strides reach the shader as numbers, not as code: its compiler takes long (llvmpipe), and this way calls of
 * any layout share what it made.
 */
function acrossLanes(call: Call, { subgroupMaxSize: L }: Capabilities): Build {
  const { batch, M, N, K } = sizes(call);
  const columns = range(Math.min(COLUMN_VECTORS, Math.ceil(N / L)));
  const rowVectors = range(Math.min(Math.max(1, ROWS / L), Math.ceil(M / L)));
  const rows = range(Math.min(M, rowVectors.length * L));
  const width = columns.length * L;
  const height = rows.length;
  const start = (name: string) => `at.${name} + z0*at.${name}_0 + z1*at.${name}_1 + z2*at.${name}_2`;
  const code = `
  let z2 = group.z % at.batch_2;
  let z1 = group.z / at.batch_2 % at.batch_1;
  let z0 = group.z / (at.batch_2 * at.batch_1);
  let a_start = ${start('a')};
  let b_start = ${start('b')};
  let y_start = ${start('y')};
  let first = group.y * ${height}u;
  ${columns.map((c) => `let q${c} = group.x * ${width}u + ${c * L}u + lane; let j${c} = b_start + min(q${c}, at.N - 1u) * at.b_j;`).join(' ')}
  ${rowVectors.map((v) => `let i${v} = a_start + min(first + ${v * L}u + lane, at.M - 1u) * at.a_i;`).join(' ')}
  ${rows.map((r) => columns.map((c) => `var s${c}_${r} = 0.0;`).join(' ')).join(' ')}
  for (var k = 0u; k < at.K; k++) {
    ${columns.map((c) => `let b${c} = b[j${c} + k * at.b_k];`).join(' ')}
    ${rowVectors.map((v) => `let a${v} = a[i${v} + k * at.a_k];`).join(' ')}
    ${rows.map((r) => `{ let u = subgroupBroadcast(a${Math.floor(r / L)}, ${r % L}u); ${columns.map((c) => `s${c}_${r} = fma(u, b${c}, s${c}_${r});`).join(' ')} }`).join('\n    ')}
  }
  ${eachRow(
    height,
    'at.M - first',
    columns.map((c) => `s${c}`),
    (r) =>
      columns
        .map(
          (c) =>
            `${N % width === 0 ? '' : `if (q${c} < at.N) `}{ y[y_start + (first + ${r}) * at.y_i + q${c} * at.y_j] = s${c}_0; }`,
        )
        .join(' '),
  )}`;
  const groups = [Math.ceil(N / width), Math.ceil(M / height), sizeOf(batch)] as const;
  const extents = [...Array<number>(BATCH_AXES - batch.length).fill(1), ...batch];
  const uniforms = { M, N, K, rows: height, batch_1: extents[1]!, batch_2: extents[2]!, ...stridesOf(call) };
  return { stages: [[{ ...OPERANDS, code, threads: L, groups, subgroups: true, uniforms }]] };
}

/** Strides of a(i,k), b(k,j), y(i,j) and of their batch axes, `NAME_0` to `NAME_2`. */
function stridesOf({ inputs, outputs, params }: Call): Record<string, number> {
  const [a, b, y] = [...inputs, ...outputs].map(({ strides, shape }) =>
    strides.map((stride, axis) => (shape[axis] === 1 ? 0 : stride)),
  ) as [number[], number[], number[]];
  const inner = (strides: number[], [row, column]: [string, string], transposed: unknown) => {
    const [outer, last] = strides.slice(-2) as [number, number];
    return transposed ? { [row]: last, [column]: outer } : { [row]: outer, [column]: last };
  };
  const outer = (name: string, strides: number[]) => {
    const own = strides.slice(0, -2);
    const padded = [...Array<number>(BATCH_AXES - own.length).fill(0), ...own];
    return Object.fromEntries(padded.map((stride, axis) => [`${name}_${axis}`, stride]));
  };
  return {
    ...outer('a', a),
    ...outer('b', b),
    ...outer('y', y),
    ...inner(a, ['a_i', 'a_k'], params['ta']),
    ...inner(b, ['b_k', 'b_j'], params['tb']),
    ...inner(y, ['y_i', 'y_j'], false),
  };
}
