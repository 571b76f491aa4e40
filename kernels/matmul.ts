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
    matmulCase([], 259, 301, 37, false, false),
    matmulCase([], 256, 384, 48, true, true),
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
      build: (call) => tiled(call, 64),
    },
    {
      name: 'block',
      why: 'the same with 128 x 128 and 8 x 8: a load from workgroup memory for 16 multiplications, for matrices large enough to fill a GPU with such blocks',
      supports: (call) => {
        const { M, N, K } = sizes(call);
        return Math.min(M, N) >= 256 && K >= 8;
      },
      build: (call) => tiled(call, 128),
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

/** Invocations of a workgroup along the rows and along the columns of its tile. */
const SIDE = 16;
/** Elements of each operand that an invocation brings to workgroup memory at a time. */
const SHARE = 4;

/**
 * `extent` x `extent` outputs of a workgroup, a sixteenth of the rows by a sixteenth of the columns in each invocation's
 * registers. Strips of both operands pass through workgroup memory; while one is multiplied, the next is on its way.
 */
function tiled(call: Call, extent: number): Build {
  const { batch, M, N, K } = sizes(call);
  const { y } = elements(call);
  const depth = (SHARE * SIDE * SIDE) / extent;
  // One vector more than a row of a strip has: rows start in different banks.
  const pitch = extent / 4 + 1;
  const [left, right] = [strip(call, 0, extent, depth), strip(call, 1, extent, depth)];
  const quads = range(extent / (4 * SIDE));
  const shares = range(SHARE);
  const load = (start: string) => shares.map((k) => `l${k} = ${left.load(k, start)}; r${k} = ${right.load(k, start)};`);
  const slot = ({ place }: Strip, k: number) => {
    const { d, m } = place(k);
    return `[(${d}) * ${pitch}u + (${m}) / 4u][(${m}) % 4u]`;
  };
  const code = `
  let z = group.z;
  let column = thread % ${SIDE}u;
  let row = thread / ${SIDE}u;
  ${quads.flatMap((r) => quads.flatMap((c) => range(4).map((i) => `var s${r}${i}_${c} = vec4f();`))).join(' ')}
  ${shares.map((k) => `var l${k}: f32; var r${k}: f32;`).join(' ')}
  ${load('0u').join('\n  ')}
  for (var start = 0u; start < ${K}u; start += ${depth}u) {
    ${shares.map((k) => `left${slot(left, k)} = l${k}; right${slot(right, k)} = r${k};`).join('\n    ')}
    workgroupBarrier();
    let next = start + ${depth}u;
    if (next < ${K}u) {
      ${load('next').join('\n      ')}
    }
    for (var d = 0u; d < ${depth}u; d++) {
      ${quads.map((q) => `let a${q} = left[d * ${pitch}u + row + ${SIDE * q}u]; let b${q} = right[d * ${pitch}u + column + ${SIDE * q}u];`).join(' ')}
      ${quads
        .flatMap((r) =>
          range(4).map((i) =>
            quads.map((c) => `s${r}${i}_${c} = fma(vec4f(a${r}[${i}]), b${c}, s${r}${i}_${c});`).join(' '),
          ),
        )
        .join('\n      ')}
    }
    workgroupBarrier();
  }
  ${quads
    .flatMap((r) =>
      quads.flatMap((c) =>
        range(16).map((e) => {
          const [i, j] = [
            `(group.y * ${extent}u + row * 4u + ${4 * SIDE * r + (e >> 2)}u)`,
            `(group.x * ${extent}u + column * 4u + ${4 * SIDE * c + (e & 3)}u)`,
          ];
          const inside = [
            ...(M % extent === 0 ? [] : [`${i} < ${M}u`]),
            ...(N % extent === 0 ? [] : [`${j} < ${N}u`]),
          ].join(' && ');
          return `${inside ? `if (${inside}) ` : ''}{ ${y(i, j)} = s${r}${e >> 2}_${c}[${e & 3}]; }`;
        }),
      ),
    )
    .join('\n  ')}`;
  const array = { of: 'vec4f', length: depth * pitch } as const;
  const groups = [Math.ceil(N / extent), Math.ceil(M / extent), sizeOf(batch)] as const;
  const shared = { left: array, right: array };
  return { stages: [[{ ...OPERANDS, code, threads: SIDE * SIDE, groups, shared }]] };
}

/** `depth` rows or columns of an operand, from which the workgroup computes its tile; an invocation brings SHARE elements. */
interface Strip {
  /** Where the k-th of them lies: `d` along the sum, `m` along the rows or columns of y. */
  readonly place: (k: number) => { d: string; m: string };
  /** Its value where the strip begins at `start`: 0 beyond the end of the sum. */
  readonly load: (k: number, start: string) => string;
}

function strip(call: Call, operand: 0 | 1, extent: number, depth: number): Strip {
  const { M, N, K } = sizes(call);
  const { a, b } = elements(call);
  const [outer, inner] = call.inputs[operand]!.strides.slice(-2) as [number, number];
  const kLast = (operand === 0) !== (call.params[operand === 0 ? 'ta' : 'tb'] as boolean);
  // Neighbouring invocations along the operand's shorter stride.
  const alongK = kLast ? inner <= outer : outer < inner;
  const place = (k: number) => {
    const e = `(thread + ${SIDE * SIDE * k}u)`;
    return alongK
      ? { d: `${e} % ${depth}u`, m: `${e} / ${depth}u` }
      : { d: `${e} / ${extent}u`, m: `${e} % ${extent}u` };
  };
  const [group, most] = operand === 0 ? ['group.y', M] : ['group.x', N];
  const limited = (index: string, whole: boolean, last: number) => (whole ? `(${index})` : `min(${index}, ${last}u)`);
  const load = (k: number, start: string) => {
    const { d, m } = place(k);
    const at = limited(`${group} * ${extent}u + ${m}`, most % extent === 0, most - 1);
    const from = limited(`${start} + ${d}`, K % depth === 0, K - 1);
    const value = operand === 0 ? a(at, from) : b(from, at);
    return K % depth === 0 ? value : `select(0.0, ${value}, ${start} + ${d} < ${K}u)`;
  };
  return { place, load };
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
