/**
 * Gram matrix of per-sample weight gradients of a layer with jets, without the gradients themselves. Row m of the
 * Jacobian with respect to (W, b) is (sum_c delta_c(m) a_c(m)^T, delta_0(m)), so products of rows are
 *
 *     G[m,n] = sum_{c,d} (delta_c(m) . delta_d(n)) (a_c(m) . a_d(n)) + delta_0(m) . delta_0(n)
 *
 * Versions:
 * - simple: an invocation for each element, two loads for each multiplication.
 * - pairs: the products of all pairs of channels of a few rows and a column in registers; the lower half is the mirrored
 *   upper one.
 *
 * Flops: 2 B C^2 (O + K + 1) M^2. Bytes: both operands and the result once.
 */
import {
  add,
  type Build,
  broadcast,
  type Call,
  type Code,
  composite,
  grid,
  type Index,
  index,
  type Kernel,
  loop,
  matmul,
  mul,
  operandBytes,
  range,
  reshape,
  scope,
  sum,
  type Tensor,
  unroll,
  type Var,
  when,
} from '../engine/index.ts';

/** Cotangents of the affine maps' jets [B,C,O,M], jets that went into them [B,C,K,M] -> [B,M,M]. */
export function jetGram(deltas: Var, activations: Var): Var {
  return composite('jet_gram', {}, [deltas, activations], ([delta, a]) => [rowProducts(delta!, a!)])[0]!;
}

function rowProducts(deltas: Var, activations: Var): Var {
  const C = deltas.shape[1]!;
  /** Products of rows for every pair of channels, [B,C,C,M,M]. */
  const products = (x: Var): Var => {
    const [B, , K, M] = x.shape as [number, number, number, number];
    const pairs = [B, C, C, K, M];
    const left = broadcast(reshape(x, [B, C, 1, K, M]), pairs);
    return matmul(left, broadcast(reshape(x, [B, 1, C, K, M]), pairs), { ta: true });
  };
  const weights = sum(mul(products(deltas), products(activations)), [1, 2], false);
  const bias = index(deltas, 1, 0);
  return add(weights, matmul(bias, bias, { ta: true }));
}

export const gram: Kernel = {
  name: 'jet_gram',
  means: ([deltas, activations]) => [jetGram(deltas!, activations!)],
  flops: (call) => {
    const { B, C, O, K, M } = sizesOf(call);
    return 2 * B * C * C * (O + K + 1) * M * M;
  },
  bytes: operandBytes,
  cases: [
    gramCase(2, 3, 11, 5, 13),
    gramCase(1, 1, 1, 1, 1),
    gramCase(3, 4, 3, 2, 67),
    gramCase(1, 2, 64, 1, 65),
    gramCase(2, 3, 1, 64, 130),
  ],
  versions: [
    {
      name: 'simple',
      why: 'the definition: one invocation for each element, for any layout',
      supports: () => true,
      build: perElement,
    },
    {
      name: 'pairs',
      why: 'products of all pairs of channels of a few rows and one column in registers, rows at one address for all lanes; the upper half only, mirrored',
      supports: () => true,
      build: upperHalf,
    },
  ],
};

function gramCase(B: number, C: number, O: number, K: number, M: number): Kernel['cases'][0] {
  const shapes = [
    [B, C, O, M],
    [B, C, K, M],
  ];
  return { params: {}, shapes };
}

function sizesOf({ inputs }: Call) {
  const [B, C, O, M] = inputs[0]!.shape as [number, number, number, number];
  return { B, C, O, K: inputs[1]!.shape[2]!, M };
}

const OPERANDS = {
  reads: { delta: { input: 0 }, a: { input: 1 } },
  writes: { y: { output: 0 } },
} as const;

function perElement(call: Call): Build {
  const { B, C, O, K, M } = sizesOf(call);
  const multiplyDot = (x: Tensor, extent: number, c: Index, d: Index) =>
    scope([
      'var sum = 0.0;',
      loop('k', extent, `sum += ${x('batch', c, 'k', 'i')} * ${x('batch', d, 'k', 'j')};`),
      'product *= sum;',
    ]);
  const elements = grid({
    ...OPERANDS,
    threads: 64,
    groups: [Math.ceil(M / 64), M, B],
    code: ({ delta, a, y }) => {
      const product = (c: Index, d: Index) => [
        'var product = 1.0;',
        multiplyDot(delta, O, c, d),
        multiplyDot(a, K, c, d),
      ];
      return [
        'let j = group.x * 64u + thread;',
        'let i = group.y;',
        'let batch = group.z;',
        when(`j >= ${M}u`, 'return;'),
        'var total = 0.0;',
        loop('c', C, loop('d', C, [product('c', 'd'), 'total += product;'])),
        'var product = 1.0;',
        multiplyDot(delta, O, 0, 0),
        `${y('batch', 'i', 'j')} = total + product;`,
      ];
    },
  });
  return { stages: [[elements]] };
}

/** Products of channel pairs that one invocation holds. */
const ACCUMULATORS = 36;
const LANES = 64;

function upperHalf(call: Call): Build {
  const { B, C, O, K, M } = sizesOf(call);
  const rows = Math.max(1, Math.min(8, Math.floor(ACCUMULATORS / (C * C))));
  const pairs = (code: (c: number, d: number) => Code) => unroll(C, (c) => unroll(C, (d) => code(c, d)));
  /** The products of a row i and the column over `k`, for every pair of channels: `sumR_C_D`. */
  const products = (sum: string, x: Tensor, extent: number) => [
    unroll(rows, (r) => pairs((c, d) => `var ${sum}${r}_${c}_${d} = 0.0;`)),
    loop('k', extent, [
      unroll(C, (d) => `let v${d} = ${x('batch', d, 'k', 'column')};`),
      unroll(rows, (r) =>
        scope([
          unroll(C, (c) => `let u${c} = ${x('batch', c, 'k', `i${r}`)};`),
          pairs((c, d) => `${sum}${r}_${c}_${d} += u${c} * v${d};`),
        ]),
      ),
    ]),
  ];
  const elementOf = (r: number): string => {
    const terms = range(C * C).map((pair) => `${r}_${Math.floor(pair / C)}_${pair % C}`);
    return [`p${r}_0_0`, ...terms.map((of) => `p${of} * q${of}`)].join(' + ');
  };
  const half = grid({
    ...OPERANDS,
    threads: LANES,
    groups: [Math.ceil(M / LANES), Math.ceil(M / rows), B],
    code: ({ delta, a, y }) => [
      'let batch = group.z;',
      `let first = group.y * ${rows}u;`,
      when(`group.x * ${LANES}u + ${LANES - 1}u < first`, 'return;'),
      `let j = group.x * ${LANES}u + thread;`,
      `let column = min(j, ${M - 1}u);`,
      unroll(rows, (r) => `let i${r} = min(first + ${r}u, ${M - 1}u);`),
      products('p', delta, O),
      products('q', a, K),
      unroll(rows, (r) =>
        when(`j < ${M}u && j >= first + ${r}u`, [
          `let value = ${elementOf(r)};`,
          `${y('batch', `i${r}`, 'j')} = value;`,
          `${y('batch', 'j', `i${r}`)} = value;`,
        ]),
      ),
    ],
  });
  return { stages: [[half]] };
}
