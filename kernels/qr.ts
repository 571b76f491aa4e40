/**
 * The orthogonal factor of a QR decomposition: the kernel of `qr`, defined in `householder.ts`.
 *
 * Meaning: A [B,n,n] -> Q [B,n,n] with Q^T Q = 1 and Q^T A upper triangular.
 *
 * Versions:
 * - simple: a workgroup for each matrix, right-looking; a column for each invocation, the reflection in workgroup memory.
 * - registers: a subgroup for each matrix, left-looking; a column stays in a lane's registers while all earlier
 *   reflections are applied to it. For CPUs that play a GPU.
 *
 * Flops: 8 B n^3 / 3, reflections applied to what is left and then to the identity. Bytes: 8 B n^2.
 */
import {
  type Build,
  block,
  type Call,
  type Capabilities,
  type Code,
  grid,
  type Kernel,
  literal,
  loop,
  range,
  scope,
  simdLanes,
  unroll,
  when,
} from '../engine/index.ts';
import { LIFT, NEGLIGIBLE, qr, TINY } from './householder.ts';
import { eachRow } from './jet-parts.ts';

export const qrKernel: Kernel = {
  name: 'qr',
  means: ([A]) => [qr(A!)],
  // Reflections applied to the trailing block, then to the identity: 4 n^3 / 3 each.
  flops: ({ inputs }) => {
    const [B, n] = inputs[0]!.shape as [number, number, number];
    return (B * 8 * n ** 3) / 3;
  },
  bytes: ({ inputs }) => {
    const [B, n] = inputs[0]!.shape as [number, number, number];
    return 8 * B * n * n;
  },
  cases: [1, 2, 5, 16, 33, 64].map((n) => ({ params: {}, shapes: [[n > 16 ? 2 : 3, n, n]] })),
  versions: [
    {
      name: 'simple',
      why: 'a workgroup for each matrix, a column for each invocation, the reflection in workgroup memory',
      supports: () => true,
      build: rightLooking,
    },
    {
      name: 'registers',
      why: 'where a load costs as much as ten multiplications (llvmpipe): one subgroup for each matrix holds a block of whole columns in registers, left-looking',
      supports: (call, device) =>
        simdLanes(device) > 0 && sizeOfMatrix(call) > device.subgroupMaxSize && sizeOfMatrix(call) <= 128,
      build: (call, device) => leftLooking(call, device.subgroupMaxSize),
    },
  ],
};

const sizeOfMatrix = ({ inputs }: Call) => inputs[0]!.shape[1]!;

/** From `squares` = ||x||^2 and `head` = x_1: `shift` makes v = x + shift e_1, `inverse` = 2 / v^T v, or 0 for x = 0. */
const HOUSEHOLDER = [
  'let norm = sqrt(squares);',
  'let half = fma(abs(head), norm, squares);',
  `let inverse = select(0.0, 1.0 / half, half > ${literal(NEGLIGIBLE)});`,
  'let shift = select(norm, -norm, head < 0.0);',
];

/** From a column's `largest`: the power of two that it is lifted by, and what to divide the lifted column by. */
const SCALE = [
  `let lift = select(select(1.0, ${literal(1 / LIFT)}, largest > ${literal(1 / TINY)}), ${literal(LIFT)}, largest < ${literal(TINY)});`,
  'let size = select(1.0, largest * lift, largest * lift > 0.0);',
];

/** Right-looking: each reflection is applied to all that is left, then in turn to the identity. */
function rightLooking(call: Call, { workgroupMemory }: Capabilities): Build {
  const [B, n] = call.inputs[0]!.shape as [number, number, number];
  const threads = Math.min(64, Math.ceil(n / 8) * 8);
  const inWorkgroup = 2 * 4 * n <= workgroupMemory;
  const column = { of: 'f32', length: inWorkgroup ? n : 1 } as const;
  const matrix = 2 * n * n + (inWorkgroup ? 0 : n);
  const mine = { from: 'thread', step: threads };
  const factor = grid({
    reads: { A: { input: 0 } },
    writes: { work: { scratch: 0 }, Q: { output: 0 } },
    threads,
    groups: [B, 1, 1],
    shared: { reflection: column, inverses: column },
    barriers: true,
    code: ({ A, work, Q, ...shared }) => {
      const a = (i: string, j: string) => work(`matrix + ${i}*${n}u + ${j}`);
      const q = (i: string, j: string) => Q('batch', i, j);
      const saved = (i: string) => work(`saved + k*${n}u + ${i}`);
      const reflection = inWorkgroup ? shared.reflection : saved;
      const inverses = inWorkgroup ? shared.inverses : (k: string) => work(`saved + ${n * n}u + ${k}`);
      const wait = ['storageBarrier();', 'workgroupBarrier();'];
      const waitForReflection = inWorkgroup ? 'workgroupBarrier();' : wait;
      /** A reflection is kept for the second sweep; where it was made in place it is kept already. */
      const copy = (to: (i: string) => string, from: (i: string) => string) =>
        inWorkgroup ? loop('i', n, `${to('i')} = ${from('i')};`, mine) : [];
      const scaleColumn = [
        'var largest = 0.0;',
        loop('i', n, `largest = max(largest, abs(${A('batch', 'i', 'j')}));`),
        SCALE,
        loop('i', n, [
          `${a('i', 'j')} = ${A('batch', 'i', 'j')} * lift / size;`,
          `${q('i', 'j')} = select(0.0, 1.0, i == j);`,
        ]),
      ];
      /** Applies the reflection to the columns of a matrix from `from` on, each invocation to its own. */
      const sweep = (at: (i: string, j: string) => string, from: string) =>
        loop(
          'c',
          n,
          [
            'var s = 0.0;',
            loop('i', n, `s = fma(${reflection('i')}, ${at('i', 'c')}, s);`, { from: 'k' }),
            's *= inverse;',
            loop('i', n, `${at('i', 'c')} = fma(-s, ${reflection('i')}, ${at('i', 'c')});`, { from: 'k' }),
          ],
          { from: `${from} + thread`, step: threads },
        );
      const eliminate = [
        wait,
        loop('i', n, `${reflection('i')} = ${a('i', 'k')};`, mine),
        waitForReflection,
        'var squares = 0.0;',
        loop('i', n, `squares = fma(${reflection('i')}, ${reflection('i')}, squares);`, { from: 'k' }),
        `let head = ${reflection('k')};`,
        HOUSEHOLDER,
        waitForReflection,
        when('thread == 0u', [`${reflection('k')} = head + shift;`, `${inverses('k')} = inverse;`]),
        waitForReflection,
        copy(saved, reflection),
        sweep(a, 'k + 1u'),
      ];
      const accumulate = [
        `let k = ${n - 1}u - step;`,
        wait,
        copy(reflection, saved),
        `let inverse = ${inverses('k')};`,
        'workgroupBarrier();',
        sweep(q, 'k'),
      ];
      return [
        'let batch = group.x;',
        `let matrix = batch * ${matrix}u;`,
        `let saved = matrix + ${n * n}u;`,
        loop('j', n, scaleColumn, mine),
        block(`for (var k = 0u; k + 1u < ${n}u; k++)`, eliminate),
        loop('step', n, accumulate, { from: 1 }),
      ];
    },
  });
  return { scratch: [B * matrix], stages: [[factor]] };
}

/** Left-looking: `lanes` columns at a time take all earlier reflections without leaving their registers. */
function leftLooking(call: Call, lanes: number): Build {
  const [B, n] = call.inputs[0]!.shape as [number, number, number];
  const vectors = Math.ceil(n / lanes);
  const padded = vectors * lanes;
  const size = (padded + 1) * n;
  const factor = grid({
    reads: { A: { input: 0 } },
    writes: { work: { scratch: 0 }, Q: { output: 0 } },
    threads: lanes,
    groups: [B, 1, 1],
    subgroups: true,
    barriers: true,
    uniforms: { rows: n },
    code: ({ A, work, Q }, uniforms) => {
      const saved = (p: number) => work(`matrix + k*${padded}u + ${p * lanes}u + lane`);
      const inverse = work(`matrix + ${n * padded}u + k`);
      const loadColumn = loop('r', n, [
        `let next = ${A('batch', 'r', 'c')};`,
        unroll(n - 1, (r) => `a_${r} = a_${r + 1};`),
        `a_${n - 1} = next;`,
      ]);
      const scaleColumn = [
        'var largest = 0.0;',
        unroll(n, (r) => `largest = max(largest, abs(a_${r}));`),
        SCALE,
        'let scale = 1.0 / size;',
        unroll(n, (r) => `a_${r} = a_${r} * lift * scale;`),
      ];
      const applySaved = [
        `let inverse = ${inverse};`,
        unroll(vectors, (p) => `let w${p} = ${saved(p)};`),
        unroll(n, (r) => `let v${r} = subgroupBroadcast(w${Math.floor(r / lanes)}, ${r % lanes}u);`),
        reflectRegisters(n),
      ];
      const eliminate = [
        'let k = block + j;',
        unroll(n, (r) => `let x${r} = select(0.0, subgroupShuffle(a_${r}, j), ${r}u >= k);`),
        'var squares = 0.0;',
        unroll(n, (r) => `squares = fma(x${r}, x${r}, squares);`),
        'var head = 0.0;',
        unroll(n, (r) => `head = select(head, x${r}, ${r}u == k);`),
        HOUSEHOLDER,
        unroll(n, (r) => `let v${r} = select(x${r}, x${r} + shift, ${r}u == k);`),
        reflectRegisters(n),
        unroll(vectors, (p) => `${saved(p)} = ${laneOf(p * lanes, Math.min(n, (p + 1) * lanes))};`),
        when('lane == 0u', `${inverse} = inverse;`),
      ];
      const storeColumn = eachRow(n, uniforms.rows, `${n}u`, ['a'], (r) => `${Q('batch', r, 'c')} = a_0;`);
      return [
        'let batch = group.x;',
        `let matrix = batch * ${size}u;`,
        unroll(n, (r) => `var a_${r} = 0.0;`),
        loop(
          'block',
          n,
          [
            `let c = min(block + lane, ${n - 1}u);`,
            loadColumn,
            scaleColumn,
            loop('k', 'block', applySaved),
            loop('j', `min(${lanes}u, ${n - 1}u - block)`, eliminate),
            'storageBarrier();',
          ],
          { step: lanes },
        ),
        loop(
          'block',
          n,
          [
            'let c = block + lane;',
            unroll(n, (r) => `a_${r} = select(0.0, 1.0, c == ${r}u);`),
            block(`for (var left = min(block + ${lanes}u, ${n - 1}u); left > 0u; left--)`, [
              'let k = left - 1u;',
              scope(applySaved),
            ]),
            when(`c < ${n}u`, storeColumn),
          ],
          { step: lanes },
        ),
      ];
    },
  });
  return { scratch: [B * size], stages: [[factor]] };
}

/** a <- a - v (v^T a) * inverse, for columns `a_0`.. in registers. */
const reflectRegisters = (n: number): Code => [
  'var s = 0.0;',
  unroll(n, (r) => `s = fma(v${r}, a_${r}, s);`),
  's *= inverse;',
  unroll(n, (r) => `a_${r} = fma(-s, v${r}, a_${r});`),
];

/** The component of v from `from` to `to` that belongs to this lane. */
const laneOf = (from: number, to: number): string =>
  range(to - from).reduceRight(
    (rest, l) => (from + l === to - 1 ? `v${from + l}` : `select(${rest}, v${from + l}, lane == ${l}u)`),
    '0.0',
  );
