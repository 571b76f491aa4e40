/**
 * The orthogonal factor of a QR decomposition by Householder reflections (Golub and Van Loan, 5.2.1), batched. Columns
 * are brought to the same size first: R takes up any positive column scaling, Q stays, and float32 neither over- nor
 * underflows.
 */
import {
  abs,
  add,
  type Build,
  broadcast,
  type Call,
  composite,
  concat,
  div,
  element,
  full,
  type Kernel,
  less,
  max,
  mul,
  simdLanes,
  slice,
  sqrt,
  square,
  sub,
  sum,
  type Var,
  where,
  zeros,
} from '../engine/index.ts';
import { eachRow, range } from './jet-parts.ts';

/** Q of A = QR for A [B,n,n]; columns whose remainder vanishes get an arbitrary direction orthogonal to the others. */
export function qr(A: Var): Var {
  return composite('qr', {}, [A], ([A]) => [householder(A!)])[0]!;
}

/** A reflection I - v (v^T / half) on the trailing block; `inverse` is 1 / half, or 0 for none. */
interface Reflection {
  readonly v: Var;
  readonly inverse: Var;
}

function householder(A: Var): Var {
  const [, n] = A.shape as [number, number, number];
  const largest = max(abs(A), [1]);
  let rest = div(A, where(less(0, largest), largest, 1));
  const reflections: Reflection[] = [];
  for (let r = n; r > 1; r--) {
    const reflection = reflectionOf(slice(rest, 2, 0, 1));
    reflections.push(reflection);
    rest = slice(slice(apply(reflection, rest), 1, 1, r), 2, 1, r);
  }
  let Q = full(rest, 1);
  for (const reflection of reflections.reverse()) Q = apply(reflection, bordered(Q));
  return Q;
}

/** Turns x [B,r,1] onto the first axis, away from where it points: v = x + sign(x_1) ||x|| e_1, half = v^T v / 2. */
function reflectionOf(x: Var): Reflection {
  const r = x.shape[1]!;
  const head = slice(x, 1, 0, 1);
  const squares = sum(square(x), [1]);
  const norm = sqrt(squares);
  const half = add(squares, mul(abs(head), norm));
  const v = concat([add(head, where(less(head, 0), mul(-1, norm), norm)), slice(x, 1, 1, r)], 1);
  return { v, inverse: where(less(0, half), div(1, where(less(0, half), half, 1)), 0) };
}

function apply({ v, inverse }: Reflection, A: Var): Var {
  return sub(A, mul(v, mul(inverse, sum(mul(v, A), [1]))));
}

/** [[1, 0], [0, Q]]. */
function bordered(Q: Var): Var {
  const [B, r] = Q.shape as [number, number, number];
  const { tape } = Q;
  const top = concat([broadcast(full(slice(slice(Q, 1, 0, 1), 2, 0, 1), 1), [B, 1, 1]), zeros(tape, [B, 1, r])], 2);
  return concat([top, concat([zeros(tape, [B, r, 1]), Q], 2)], 1);
}

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

/** Right-looking: each reflection is applied to all that is left, then in turn to the identity. */
function rightLooking(call: Call): Build {
  const [input, output] = [call.inputs[0]!, call.outputs[0]!];
  const [B, n] = input.shape as [number, number, number];
  const threads = Math.min(64, Math.ceil(n / 8) * 8);
  const a = (i: string, j: string) => `work[matrix + ${i}*${n}u + ${j}]`;
  const q = (i: string, j: string) => element('Q', output, ['batch', i, j]);
  const sweep = (at: (i: string, j: string) => string, from: string) => `
    for (var c = ${from} + thread; c < ${n}u; c += ${threads}u) {
      var s = 0.0;
      for (var i = k; i < ${n}u; i++) { s = fma(reflection[i], ${at('i', 'c')}, s); }
      s *= inverse;
      for (var i = k; i < ${n}u; i++) { ${at('i', 'c')} = fma(-s, reflection[i], ${at('i', 'c')}); }
    }`;
  const code = `
  let batch = group.x;
  let matrix = batch * ${2 * n * n}u;
  let saved = matrix + ${n * n}u;
  for (var j = thread; j < ${n}u; j += ${threads}u) {
    var largest = 0.0;
    for (var i = 0u; i < ${n}u; i++) { largest = max(largest, abs(${element('A', input, ['batch', 'i', 'j'])})); }
    for (var i = 0u; i < ${n}u; i++) {
      ${a('i', 'j')} = ${element('A', input, ['batch', 'i', 'j'])} / select(1.0, largest, largest > 0.0);
      ${q('i', 'j')} = select(0.0, 1.0, i == j);
    }
  }
  for (var k = 0u; k + 1u < ${n}u; k++) {
    storageBarrier();
    workgroupBarrier();
    for (var i = thread; i < ${n}u; i += ${threads}u) { reflection[i] = ${a('i', 'k')}; }
    workgroupBarrier();
    var squares = 0.0;
    for (var i = k; i < ${n}u; i++) { squares = fma(reflection[i], reflection[i], squares); }
    let head = reflection[k];
    ${HOUSEHOLDER}
    workgroupBarrier();
    if (thread == 0u) {
      reflection[k] = head + shift;
      inverses[k] = inverse;
    }
    workgroupBarrier();
    for (var i = thread; i < ${n}u; i += ${threads}u) { work[saved + k*${n}u + i] = reflection[i]; }
    ${sweep(a, 'k + 1u')}
  }
  for (var step = 1u; step < ${n}u; step++) {
    let k = ${n - 1}u - step;
    storageBarrier();
    workgroupBarrier();
    for (var i = thread; i < ${n}u; i += ${threads}u) { reflection[i] = work[saved + k*${n}u + i]; }
    let inverse = inverses[k];
    workgroupBarrier();
    ${sweep(q, 'k')}
  }`;
  const column = { of: 'f32', length: n } as const;
  const shared = { reflection: column, inverses: column };
  return { scratch: [B * 2 * n * n], stages: [[{ ...operands(), code, threads, groups: [B, 1, 1], shared }]] };
}

/** From `squares` = ||x||^2 and `head` = x_1: `shift` makes v = x + shift e_1, `inverse` = 2 / v^T v, or 0 for x = 0. */
const HOUSEHOLDER = `let norm = sqrt(squares);
    let half = fma(abs(head), norm, squares);
    let inverse = select(0.0, 1.0 / half, half > 0.0);
    let shift = select(norm, -norm, head < 0.0);`;

function operands() {
  return { reads: { A: { input: 0 } }, writes: { work: { scratch: 0 }, Q: { output: 0 } } } as const;
}

/** Left-looking: `lanes` columns at a time take all earlier reflections without leaving their registers. */
function leftLooking(call: Call, lanes: number): Build {
  const [input, output] = [call.inputs[0]!, call.outputs[0]!];
  const [B, n] = input.shape as [number, number, number];
  const rows = range(n);
  const vectors = range(Math.ceil(n / lanes));
  const padded = vectors.length * lanes;
  const size = (padded + 1) * n;
  const saved = (p: number) => `work[matrix + k*${padded}u + ${p * lanes}u + lane]`;
  const inverseOf = `work[matrix + ${n * padded}u + k]`;
  const applySaved = `{
        let inverse = ${inverseOf};
        ${vectors.map((p) => `let w${p} = ${saved(p)};`).join(' ')}
        ${rows.map((r) => `let v${r} = subgroupBroadcast(w${Math.floor(r / lanes)}, ${r % lanes}u);`).join(' ')}
        ${APPLY(rows)}
      }`;
  const code = `
  let batch = group.x;
  let matrix = batch * ${size}u;
  ${rows.map((r) => `var a_${r} = 0.0;`).join(' ')}
  for (var block = 0u; block < ${n}u; block += ${lanes}u) {
    let c = min(block + lane, ${n - 1}u);
    for (var r = 0u; r < ${n}u; r++) {
      let next = ${element('A', input, ['batch', 'r', 'c'])};
      ${rows
        .slice(1)
        .map((r) => `a_${r - 1} = a_${r};`)
        .join(' ')}
      a_${n - 1} = next;
    }
    var largest = 0.0;
    ${rows.map((r) => `largest = max(largest, abs(a_${r}));`).join(' ')}
    let scale = select(1.0, 1.0 / largest, largest > 0.0);
    ${rows.map((r) => `a_${r} *= scale;`).join(' ')}
    for (var k = 0u; k < block; k++) ${applySaved}
    for (var j = 0u; j < min(${lanes}u, ${n - 1}u - block); j++) {
      let k = block + j;
      ${rows.map((r) => `let x${r} = select(0.0, subgroupShuffle(a_${r}, j), ${r}u >= k);`).join(' ')}
      var squares = 0.0;
      ${rows.map((r) => `squares = fma(x${r}, x${r}, squares);`).join(' ')}
      var head = 0.0;
      ${rows.map((r) => `head = select(head, x${r}, ${r}u == k);`).join(' ')}
      ${HOUSEHOLDER}
      ${rows.map((r) => `let v${r} = select(x${r}, x${r} + shift, ${r}u == k);`).join(' ')}
      ${APPLY(rows)}
      ${vectors.map((p) => `${saved(p)} = ${laneOf(rows.slice(p * lanes, (p + 1) * lanes))};`).join(' ')}
      if (lane == 0u) { ${inverseOf} = inverse; }
    }
    storageBarrier();
  }
  for (var block = 0u; block < ${n}u; block += ${lanes}u) {
    let c = block + lane;
    ${rows.map((r) => `a_${r} = select(0.0, 1.0, c == ${r}u);`).join(' ')}
    for (var left = min(block + ${lanes}u, ${n - 1}u); left > 0u; left--) {
      let k = left - 1u;
      ${applySaved}
    }
    if (c < ${n}u) {
      ${eachRow(n, `${n}u`, ['a'], (r) => `${element('Q', output, ['batch', r, 'c'])} = a_0;`)}
    }
  }`;
  const groups = [B, 1, 1] as const;
  const grid = { ...operands(), code, threads: lanes, groups, subgroups: true, uniforms: { rows: n } };
  return { scratch: [B * size], stages: [[grid]] };
}

/** a <- a - v (v^T a) * inverse, unrolled. */
const APPLY = (rows: readonly number[]) => `var s = 0.0;
        ${rows.map((r) => `s = fma(v${r}, a_${r}, s);`).join(' ')}
        s *= inverse;
        ${rows.map((r) => `a_${r} = fma(-s, v${r}, a_${r});`).join(' ')}`;

/** The value of v that belongs to this lane. */
const laneOf = (rows: readonly number[]) =>
  rows.reduceRight((rest, r, l) => (l === rows.length - 1 ? `v${r}` : `select(${rest}, v${r}, lane == ${l}u)`), '0.0');
