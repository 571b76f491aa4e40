/** Batched matrix multiplication of windows: transposed operands and operands shared by a batch are strides. */
import {
  type Build,
  type Call,
  type Capabilities,
  type Code,
  grid,
  type Index,
  type Kernel,
  loop,
  type MatmulParams,
  operandBytes,
  matmul as product,
  range,
  scope,
  simdLanes,
  sizeOf,
  type Tensor,
  unroll,
  when,
} from '../engine/index.ts';
import { eachRow } from './jet-parts.ts';

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

type MatmulCall = Call<MatmulParams>;

function sizes({ params, inputs, outputs }: MatmulCall) {
  const { shape } = outputs[0]!;
  const [M, N] = shape.slice(-2) as [number, number];
  return { batch: shape.slice(0, -2), M, N, K: inputs[0]!.shape.at(params.ta ? -2 : -1)! };
}

const OPERANDS = { reads: { a: { input: 0 }, b: { input: 1 } }, writes: { y: { output: 0 } } } as const;

/** Elements a(i,k), b(k,j), y(i,j) of batch `z`. */
function elementsOf({ params: { ta, tb }, outputs }: MatmulCall, { a, b, y }: Record<'a' | 'b' | 'y', Tensor>) {
  const batch = outputs[0]!.shape.slice(0, -2);
  const z = batch.map((extent, axis) => `(z / ${sizeOf(batch.slice(axis + 1))}u) % ${extent}u`);
  return {
    a: (i: Index, k: Index) => a(...z, ...(ta ? [k, i] : [i, k])),
    b: (k: Index, j: Index) => b(...z, ...(tb ? [j, k] : [k, j])),
    y: (i: Index, j: Index) => y(...z, i, j),
  };
}

function perElement(call: MatmulCall): Build {
  const { batch, M, N, K } = sizes(call);
  const products = grid({
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
  return { stages: [[products]] };
}

/** Invocations of a workgroup along the rows and along the columns of its tile. */
const SIDE = 16;
/** Elements of each operand that an invocation brings to workgroup memory at a time. */
const SHARE = 4;

/**
 * `extent` x `extent` outputs of a workgroup, a sixteenth of the rows by a sixteenth of the columns in each invocation's
 * registers. Strips of both operands pass through workgroup memory; while one is multiplied, the next is on its way.
 */
function tiled(call: MatmulCall, extent: number): Build {
  const { batch, M, N, K } = sizes(call);
  const depth = (SHARE * SIDE * SIDE) / extent;
  // One vector more than a row of a strip has: rows start in different banks.
  const pitch = extent / 4 + 1;
  const quads = extent / (4 * SIDE);
  const array = { of: 'vec4f', length: depth * pitch } as const;
  /** For each accumulator `sRI_C`: quad of rows, row within it, quad of columns. */
  const accumulators = (code: (r: number, i: number, c: number) => Code) =>
    unroll(quads, (r) => unroll(4, (i) => unroll(quads, (c) => code(r, i, c))));
  const products = grid({
    ...OPERANDS,
    threads: SIDE * SIDE,
    groups: [Math.ceil(N / extent), Math.ceil(M / extent), sizeOf(batch)],
    shared: { left: array, right: array },
    barriers: true,
    code: ({ left, right, ...operands }) => {
      const { a, b, y } = elementsOf(call, operands);
      const strips = {
        left: strip(call, 0, extent, depth, (m, k) => a(m, k)),
        right: strip(call, 1, extent, depth, (m, k) => b(k, m)),
      };
      const load = (start: string) =>
        unroll(SHARE, (k) => [`l${k} = ${strips.left.load(k, start)};`, `r${k} = ${strips.right.load(k, start)};`]);
      const slot = (array: Tensor, { d, m }: { d: string; m: string }) =>
        `${array(`(${d}) * ${pitch}u + (${m}) / 4u`)}[(${m}) % 4u]`;
      const multiply = [
        unroll(quads, (q) => [
          `let a${q} = ${left(`d * ${pitch}u + row + ${SIDE * q}u`)};`,
          `let b${q} = ${right(`d * ${pitch}u + column + ${SIDE * q}u`)};`,
        ]),
        accumulators((r, i, c) => `s${r}${i}_${c} = fma(vec4f(a${r}[${i}]), b${c}, s${r}${i}_${c});`),
      ];
      const store = (r: number, c: number, e: number) => {
        const i = `(group.y * ${extent}u + row * 4u + ${4 * SIDE * r + (e >> 2)}u)`;
        const j = `(group.x * ${extent}u + column * 4u + ${4 * SIDE * c + (e & 3)}u)`;
        const limits = [M % extent === 0 ? [] : [`${i} < ${M}u`], N % extent === 0 ? [] : [`${j} < ${N}u`]].flat();
        return when(limits.join(' && ') || true, `${y(i, j)} = s${r}${e >> 2}_${c}[${e & 3}];`);
      };
      return [
        'let z = group.z;',
        `let column = thread % ${SIDE}u;`,
        `let row = thread / ${SIDE}u;`,
        accumulators((r, i, c) => `var s${r}${i}_${c} = vec4f();`),
        unroll(SHARE, (k) => [`var l${k}: f32;`, `var r${k}: f32;`]),
        load('0u'),
        loop(
          'start',
          K,
          [
            unroll(SHARE, (k) => [
              `${slot(left, strips.left.place(k))} = l${k};`,
              `${slot(right, strips.right.place(k))} = r${k};`,
            ]),
            'workgroupBarrier();',
            `let next = start + ${depth}u;`,
            when(`next < ${K}u`, load('next')),
            loop('d', depth, multiply),
            'workgroupBarrier();',
          ],
          { step: depth },
        ),
        unroll(quads, (r) => unroll(quads, (c) => unroll(16, (e) => store(r, c, e)))),
      ];
    },
  });
  return { stages: [[products]] };
}

/** `depth` rows or columns of an operand, from which the workgroup computes its tile; an invocation brings SHARE elements. */
interface Strip {
  /** Where the k-th of them lies: `d` along the sum, `m` along the rows or columns of y. */
  place(k: number): { d: string; m: string };
  /** Its value where the strip begins at `start`: 0 beyond the end of the sum. */
  load(k: number, start: string): string;
}

/** `element` is the operand at a row or column m of y and at k along the sum. */
function strip(
  call: MatmulCall,
  operand: 0 | 1,
  extent: number,
  depth: number,
  element: (m: string, k: string) => string,
): Strip {
  const { M, N, K } = sizes(call);
  const [outer, inner] = call.inputs[operand]!.strides.slice(-2) as [number, number];
  const kLast = operand === 0 ? !call.params.ta : call.params.tb;
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
    const value = element(at, from);
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
function acrossLanes(call: MatmulCall, { subgroupMaxSize: L }: Capabilities): Build {
  const { batch, M, N, K } = sizes(call);
  const columns = Math.min(COLUMN_VECTORS, Math.ceil(N / L));
  const rowVectors = Math.min(Math.max(1, ROWS / L), Math.ceil(M / L));
  const rows = Math.min(M, rowVectors * L);
  const width = columns * L;
  const extents = [...Array<number>(BATCH_AXES - batch.length).fill(1), ...batch];
  const sums = range(columns).map((c) => `s${c}`);
  const products = grid({
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
  return { stages: [[products]] };
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
