/**
 * Gram matrix of per-sample weight gradients of a layer with jets, without the gradients themselves. Row m of the
 * Jacobian with respect to (W, b) is (sum_c delta_c(m) a_c(m)^T, delta_0(m)), so products of rows are
 *
 *     G[m,n] = sum_{c,d} (delta_c(m) . delta_d(n)) (a_c(m) . a_d(n)) + delta_0(m) . delta_0(n)
 */
import {
  add,
  type Build,
  broadcast,
  type Call,
  composite,
  element,
  index,
  type Kernel,
  type Layout,
  matmul,
  mul,
  operandBytes,
  reshape,
  sum,
  type Var,
} from '../engine/index.ts';
import { range } from './jet-parts.ts';

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
  const [delta, a] = call.inputs as [Layout, Layout];
  const dot = (name: string, layout: Layout, extent: number, c: string, d: string) => `{
    var sum = 0.0;
    for (var k = 0u; k < ${extent}u; k++) {
      sum += ${element(name, layout, ['batch', c, 'k', 'i'])} * ${element(name, layout, ['batch', d, 'k', 'j'])};
    }
    product *= sum;
  }`;
  const code = `
  let j = group.x * 64u + thread;
  let i = group.y;
  let batch = group.z;
  if (j >= ${M}u) { return; }
  var total = 0.0;
  for (var c = 0u; c < ${C}u; c++) {
    for (var d = 0u; d < ${C}u; d++) {
      var product = 1.0;
      ${dot('delta', delta, O, 'c', 'd')}
      ${dot('a', a, K, 'c', 'd')}
      total += product;
    }
  }
  var product = 1.0;
  ${dot('delta', delta, O, '0u', '0u')}
  ${element('y', call.outputs[0]!, ['batch', 'i', 'j'])} = total + product;`;
  return { stages: [[{ ...OPERANDS, code, threads: 64, groups: [Math.ceil(M / 64), M, B] }]] };
}

/** Products of channel pairs that one invocation holds. */
const ACCUMULATORS = 36;
const LANES = 64;

function upperHalf(call: Call): Build {
  const { B, C, O, K, M } = sizesOf(call);
  const [delta, a] = call.inputs as [Layout, Layout];
  const rows = range(Math.max(1, Math.min(8, Math.floor(ACCUMULATORS / (C * C)))));
  const channels = range(C);
  const all = (text: (r: number, c: number, d: number) => string) =>
    rows.flatMap((r) => channels.flatMap((c) => channels.map((d) => text(r, c, d)))).join(' ');
  const products = (sum: string, name: string, layout: Layout, extent: number) => `
  ${all((r, c, d) => `var ${sum}${r}_${c}_${d} = 0.0;`)}
  for (var k = 0u; k < ${extent}u; k++) {
    ${channels.map((d) => `let v${d} = ${element(name, layout, ['batch', `${d}u`, 'k', 'column'])};`).join(' ')}
    ${rows
      .map((r) => {
        const load = (c: number) => `let u${c} = ${element(name, layout, ['batch', `${c}u`, 'k', `i${r}`])};`;
        const multiply = (c: number, d: number) => `${sum}${r}_${c}_${d} += u${c} * v${d};`;
        return `{ ${channels.map(load).join(' ')} ${channels.flatMap((c) => channels.map((d) => multiply(c, d))).join(' ')} }`;
      })
      .join('\n    ')}
  }`;
  const y = (i: string, j: string) => element('y', call.outputs[0]!, ['batch', i, j]);
  const store = (r: number) => {
    const terms = channels.flatMap((c) => channels.map((d) => `p${r}_${c}_${d} * q${r}_${c}_${d}`));
    return `if (j < ${M}u && j >= first + ${r}u) {
    let value = p${r}_0_0 + ${terms.join(' + ')};
    ${y(`i${r}`, 'j')} = value;
    ${y('j', `i${r}`)} = value;
  }`;
  };
  const code = `
  let batch = group.z;
  let first = group.y * ${rows.length}u;
  if (group.x * ${LANES}u + ${LANES - 1}u < first) { return; }
  let j = group.x * ${LANES}u + thread;
  let column = min(j, ${M - 1}u);
  ${rows.map((r) => `let i${r} = min(first + ${r}u, ${M - 1}u);`).join(' ')}
  ${products('p', 'delta', delta, O)}
  ${products('q', 'a', a, K)}
  ${rows.map(store).join('\n  ')}`;
  const groups = [Math.ceil(M / LANES), Math.ceil(M / rows.length), B] as const;
  return { stages: [[{ ...OPERANDS, code, threads: LANES, groups }]] };
}
