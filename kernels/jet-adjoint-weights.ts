/** Cotangents of W and b in the adjoint of a layer with jets: one version each for every version of the kernel. */
import {
  type Call,
  type Capabilities,
  type Code,
  type Grid,
  grid,
  type Index,
  loop,
  range,
  scope,
  type Tensor,
  unroll,
  when,
} from '../engine/index.ts';
import type { JetAdjointParams } from './dense-jet.ts';
import { activate, affineBar, eachRow, loadChannels, sizesOf } from './jet-parts.ts';

type AdjointCall = Call<JetAdjointParams>;

const asksForWeights = ({ params: { wrt } }: AdjointCall): boolean => wrt.includes(1) || wrt.includes(2);

function operandsOf(call: AdjointCall) {
  const { wrt, to } = call.params;
  const target = (k: number) => (wrt.includes(k) ? { output: wrt.indexOf(k) } : undefined);
  return {
    label: 'weights',
    reads: { S: { input: 0 }, result: to === 'linear' ? undefined : { input: 3 }, bar: { input: 4 } },
    writes: { Wbar: target(1), bbar: target(2) },
  };
}

/** Stores what the call asks for. */
function storesOf({ params: { wrt } }: AdjointCall, { Wbar, bbar }: Record<'Wbar' | 'bbar', Tensor>) {
  return {
    weight: (o: Index, k: Index, value: string): Code => (wrt.includes(1) ? `${Wbar('batch', o, k)} = ${value};` : []),
    bias: (o: Index, value: string): Code => (wrt.includes(2) ? `${bbar('batch', o)} = ${value};` : []),
  };
}

/** The definition: an invocation for each weight. */
export function weightsPerElement(call: AdjointCall): Grid | null {
  if (!asksForWeights(call)) return null;
  const sizes = sizesOf(call);
  const { B, C, loaded, K, O, N } = sizes;
  return grid({
    ...operandsOf(call),
    threads: 64,
    groups: [Math.ceil((O * K) / 64), 1, B],
    code: ({ S, result, bar, ...targets }) => {
      const store = storesOf(call, targets);
      const products = range(C).map((c) => `z${c} * y${c}`);
      return [
        'let element = group.x * 64u + thread;',
        `let o = element / ${K}u;`,
        `let k = element % ${K}u;`,
        'let batch = group.z;',
        when(`o >= ${O}u`, 'return;'),
        'var a = 0.0;',
        'var b = 0.0;',
        loop('n', N, [
          loadChannels('s', loaded, S, 'k', 'n'),
          activate('y', 's', sizes),
          unroll(C, (c) => `let z${c} = ${affineBar(c, bar, result, sizes, 'o', 'n')};`),
          `a += ${products.join(' + ')};`,
          'b += z0;',
        ]),
        store.weight('o', 'k', 'a'),
        when('k == 0u', store.bias('o', 'b')),
      ];
    },
  });
}

/** Points staged at a time, where workgroup memory holds as many. */
const CHUNK = 16;
/** Rows of W in one invocation's registers. */
const ROWS = 16;

/** One column of W per invocation and a block of rows in registers; activations and cotangents pass through workgroup memory. */
export function weightsStaged(call: AdjointCall, { subgroupMaxSize, workgroupMemory }: Capabilities): Grid | null {
  if (!asksForWeights(call)) return null;
  const sizes = sizesOf(call);
  const { B, C, loaded, K, O, N } = sizes;
  const rows = Math.min(ROWS, Math.ceil(O / 4) * 4);
  const lanes = Math.max(subgroupMaxSize, 8);
  const columns = Math.min(64, Math.ceil(K / lanes) * lanes);
  const quads = rows / 4;
  const held = Math.floor(workgroupMemory / (4 * C * (columns + rows)));
  const chunk = 2 ** Math.floor(Math.log2(Math.max(1, Math.min(CHUNK, held))));
  const place = (c: number, p: string) => `(${c}u * ${chunk}u + ${p})`;
  return grid({
    ...operandsOf(call),
    threads: columns,
    groups: [Math.ceil(K / columns), Math.ceil(O / rows), B],
    shared: {
      y: { of: 'f32', length: C * chunk * columns },
      z: { of: 'vec4f', length: C * chunk * quads },
    },
    barriers: true,
    code: ({ S, result, bar, y, z, ...targets }) => {
      const store = storesOf(call, targets);
      const stageActivations = [
        `let p = i % ${chunk}u;`,
        `let n = min(start + p, ${N - 1}u);`,
        `let k = min(column + i / ${chunk}u, ${K - 1}u);`,
        loadChannels('s', loaded, S, 'k', 'n'),
        activate('v', 's', sizes),
        unroll(C, (c) => `${y(`${place(c, 'p')} * ${columns}u + i / ${chunk}u`)} = v${c};`),
      ];
      const cotangent = (c: number) => affineBar(c, bar, result, sizes, 'o', 'n');
      const stageCotangents = [
        `let p = i % ${chunk}u;`,
        `let j = i / ${chunk}u;`,
        `let n = min(start + p, ${N - 1}u);`,
        `let o = min(row + j, ${O - 1}u);`,
        `let inside = select(0.0, 1.0, start + p < ${N}u);`,
        unroll(C, (c) => `${z(`${place(c, 'p')} * ${quads}u + j / 4u`)}[j % 4u] = inside * ${cotangent(c)};`),
      ];
      const multiply = [
        unroll(C, (c) => `let y${c} = ${y(`${place(c, 'p')} * ${columns}u + thread`)};`),
        unroll(quads, (q) => [
          `let z${q} = ${z(`p * ${quads}u + ${q}u`)};`,
          `a${q} = fma(z${q}, vec4f(y0), a${q});`,
          `b${q} += z${q};`,
        ]),
        unroll(C - 1, (c) =>
          unroll(
            quads,
            (q) => `a${q} = fma(${z(`${place(c + 1, 'p')} * ${quads}u + ${q}u`)}, vec4f(y${c + 1}), a${q});`,
          ),
        ),
      ];
      const storeRow = (j: number) => {
        const o = `(row + ${j}u)`;
        const component = `${j >> 2}[${j & 3}]`;
        return when(O % rows === 0 || `row + ${j}u < ${O}u`, [
          store.weight(o, 'k', `a${component}`),
          when('k == 0u', store.bias(o, `b${component}`)),
        ]);
      };
      return [
        `let column = group.x * ${columns}u;`,
        `let row = group.y * ${rows}u;`,
        'let batch = group.z;',
        unroll(quads, (q) => [`var a${q} = vec4f();`, `var b${q} = vec4f();`]),
        loop(
          'start',
          N,
          [
            loop('i', chunk * columns, stageActivations, { from: 'thread', step: columns }),
            loop('i', chunk * rows, stageCotangents, { from: 'thread', step: columns }),
            'workgroupBarrier();',
            loop('p', chunk, multiply),
            'workgroupBarrier();',
          ],
          { step: chunk },
        ),
        'let k = column + thread;',
        when(`k >= ${K}u`, 'return;'),
        unroll(rows, storeRow),
      ];
    },
  });
}

/** Vectors of rows and of columns that one subgroup accumulates: a row that is handed round serves every column. */
const ROW_VECTORS = 2;
const COLUMN_VECTORS = 4;

/** One column of W per lane and vector, rows broadcast: the outer products of all points, summed in registers. */
export function weightsAcrossLanes(call: AdjointCall, L: number): Grid | null {
  if (!asksForWeights(call)) return null;
  const sizes = sizesOf(call);
  const { B, C, loaded, K, O, N } = sizes;
  const rowVectors = Math.min(ROW_VECTORS, Math.ceil(O / L));
  const columnVectors = Math.min(COLUMN_VECTORS, Math.ceil(K / L));
  const [rows, columns] = [rowVectors * L, columnVectors * L];
  const accumulators = range(columnVectors).map((v) => `a${v}`);
  return grid({
    ...operandsOf(call),
    threads: L,
    groups: [Math.ceil(K / columns), Math.ceil(O / rows), B],
    subgroups: true,
    uniforms: { rows },
    code: ({ S, result, bar, ...targets }, uniforms) => {
      const store = storesOf(call, targets);
      const multiply = (i: number, c: number) =>
        scope([
          `let u = subgroupBroadcast(z${Math.floor(i / L)}_${c}, ${i % L}u);`,
          unroll(columnVectors, (v) => `a${v}_${i} = fma(u, y${v}_${c}, a${v}_${i});`),
        ]);
      const storeRow = (j: string) =>
        unroll(columnVectors, (v) =>
          when(K % columns === 0 || `q${v} < ${K}u`, store.weight(`(first + ${j})`, `q${v}`, `a${v}_0`)),
        );
      return [
        'let batch = group.z;',
        unroll(rowVectors, (v) => [
          `let r${v} = group.y * ${rows}u + ${v * L}u + lane;`,
          `let o${v} = min(r${v}, ${O - 1}u);`,
          `var b${v} = 0.0;`,
        ]),
        unroll(columnVectors, (v) => [
          `let q${v} = group.x * ${columns}u + ${v * L}u + lane;`,
          `let k${v} = min(q${v}, ${K - 1}u);`,
        ]),
        unroll(rows, (i) => unroll(columnVectors, (v) => `var a${v}_${i} = 0.0;`)),
        loop('n', N, [
          unroll(columnVectors, (v) => [
            loadChannels(`s${v}_`, loaded, S, `k${v}`, 'n'),
            activate(`y${v}_`, `s${v}_`, sizes),
          ]),
          unroll(rowVectors, (v) => [
            unroll(C, (c) => `let z${v}_${c} = ${affineBar(c, bar, result, sizes, `o${v}`, 'n')};`),
            `b${v} += z${v}_0;`,
          ]),
          unroll(rows, (i) => unroll(C, (c) => multiply(i, c))),
        ]),
        `let first = group.y * ${rows}u;`,
        eachRow(rows, uniforms.rows, `${O}u - first`, accumulators, storeRow),
        when(
          'group.x == 0u',
          unroll(rowVectors, (v) => when(`r${v} < ${O}u`, store.bias(`r${v}`, `b${v}`))),
        ),
      ];
    },
  });
}
