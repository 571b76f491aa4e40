/**
 * The product inside both directions of a layer with jets, out[c,row,n] = sum over d of weight(row,d) * v[c,d,n], in
 * three ways. Forward, rows are outputs and d runs over inputs; for the cotangent of S it is the other way round.
 */
import {
  type Capabilities,
  type Code,
  type Grid,
  grid,
  type Index,
  loop,
  range,
  type Tensor,
  unroll,
  when,
} from '../engine/index.ts';
import { eachRow } from './jet-parts.ts';

export interface JetProduct {
  /** Networks, channels, points. */
  readonly B: number;
  readonly C: number;
  readonly N: number;
  /** Extents of `row` and of `d`. */
  readonly rows: number;
  readonly depth: number;
  /** Whether weights of consecutive d lie closer than those of consecutive rows. */
  readonly depthFirst: boolean;
  readonly operands: Pick<Grid, 'label' | 'reads' | 'writes' | 'helpers'>;
  parts(operands: Readonly<Record<string, Tensor>>): JetParts;
}

/** What the two directions differ in; `batch` is in scope everywhere. */
export interface JetParts {
  weight(row: Index, d: Index): string;
  /** Puts the channels `v0..` of index `d` at point `n` in scope. */
  readonly load: Code;
  /** Finishes and stores a row at point `n` from its channels. */
  store(row: Index, channels: readonly string[]): Code;
}

export type Way = (product: JetProduct, device: Capabilities) => Grid;

/** Accumulators of one invocation of {@link staged}. */
const ACCUMULATORS = 48;
/** Of {@link acrossLanes}: more than a CPU has registers. One kept in its first cache costs less than further loads of operands. */
const LANE_ACCUMULATORS = 96;
/** Elements of staged weights: 16 KiB, what every WebGPU adapter has. */
const STAGED = 4096;
const MOST_POINTS = 128;

/** Whether `depth` weights of four rows can be staged. */
export const canStage = (depth: number): boolean => 4 * depth <= STAGED;

/** The definition: an invocation for each row and point. */
export const perElement: Way = ({ B, C, N, rows, depth, operands, parts }) =>
  grid({
    ...operands,
    threads: 64,
    groups: [Math.ceil(N / 64), rows, B],
    code: (tensors) => {
      const { weight, load, store } = parts(tensors);
      return [
        'let n = group.x * 64u + thread;',
        'let row = group.y;',
        'let batch = group.z;',
        when(`n >= ${N}u`, 'return;'),
        unroll(C, (c) => `var a${c} = 0.0;`),
        loop('d', depth, [load, `let w = ${weight('row', 'd')};`, unroll(C, (c) => `a${c} += w * v${c};`)]),
        store(
          'row',
          range(C).map((c) => `a${c}`),
        ),
      ];
    },
  });

/** A block of rows at one point stays in registers; its weights lie in workgroup memory. */
export const staged: Way = (product, { subgroupMaxSize }) => {
  const { B, C, N, rows, depth, operands, parts } = product;
  const most = Math.max(4, Math.min(Math.floor(ACCUMULATORS / C), Math.floor(STAGED / depth)) & ~3);
  const block = Math.ceil(rows / Math.ceil(rows / most) / 4) * 4;
  const lanes = evenly(N, MOST_POINTS, Math.max(subgroupMaxSize, 8));
  const quads = block / 4;
  return grid({
    ...operands,
    threads: lanes,
    groups: [Math.ceil(N / lanes), Math.ceil(rows / block), B],
    shared: { tile: { of: 'vec4f', length: depth * quads } },
    barriers: true,
    code: (tensors) => {
      const tile = tensors['tile']!;
      const { weight, load, store } = parts(tensors);
      const storeRow = (j: number) => {
        const channels = range(C).map((c) => `a${j >> 2}_${c}[${j & 3}]`);
        return when(rows % block === 0 || `first + ${j}u < ${rows}u`, store(`(first + ${j}u)`, channels));
      };
      return [
        `let n = group.x * ${lanes}u + thread;`,
        `let first = group.y * ${block}u;`,
        'let batch = group.z;',
        stage(product, block, lanes, weight, tile),
        'workgroupBarrier();',
        when(`n >= ${N}u`, 'return;'),
        unroll(quads, (q) => unroll(C, (c) => `var a${q}_${c} = vec4f();`)),
        loop('d', depth, [
          load,
          unroll(quads, (q) => [
            `let w${q} = ${tile(`d * ${quads}u + ${q}u`)};`,
            unroll(C, (c) => `a${q}_${c} = fma(w${q}, vec4f(v${c}), a${q}_${c});`),
          ]),
        ]),
        unroll(block, storeRow),
      ];
    },
  });
};

/** Copies the block's weights into `tile`, neighbouring invocations along the closer index; rows past the end repeat the last. */
function stage(
  { rows, depth, depthFirst }: JetProduct,
  block: number,
  lanes: number,
  weight: JetParts['weight'],
  tile: Tensor,
): Code {
  const row = rows % block === 0 ? 'first + j' : `min(first + j, ${rows - 1}u)`;
  const [d, j] = depthFirst ? [`i % ${depth}u`, `i / ${depth}u`] : [`i / ${block}u`, `i % ${block}u`];
  const copy = [
    `let d = ${d};`,
    `let j = ${j};`,
    `${tile(`d * ${block / 4}u + j / 4u`)}[j % 4u] = ${weight(row, 'd')};`,
  ];
  return loop('i', depth * block, copy, { from: 'thread', step: lanes });
}

/**
 * As {@link staged}, but each of L lanes holds one weight of a vector of rows, broadcast when its turn comes. Blocks of
 * rows run fastest: the points of a group stay in cache for all of them.
 */
export const acrossLanes: Way = ({ B, C, N, rows, depth, operands, parts }, { subgroupMaxSize: L }) => {
  const most = Math.max(L, Math.floor(LANE_ACCUMULATORS / C / L) * L);
  const block = Math.min(most, Math.ceil(rows / L) * L);
  const points = 2 * L;
  const vectors = block / L;
  const channels = range(C).map((c) => `a${c}`);
  const limited = (row: string) => (rows % block === 0 ? row : `min(${row}, ${rows - 1}u)`);
  return grid({
    ...operands,
    threads: points,
    groups: [Math.ceil(rows / block), Math.ceil(N / points), B],
    subgroups: true,
    uniforms: { rows: block },
    code: (tensors, uniforms) => {
      const { weight, load, store } = parts(tensors);
      const multiply = (j: number) => [
        `let u${j} = subgroupBroadcast(w${Math.floor(j / L)}, ${j % L}u);`,
        unroll(C, (c) => `a${c}_${j} = fma(u${j}, v${c}, a${c}_${j});`),
      ];
      const storeRow = (j: string, register: number) =>
        store(
          `(first + ${j})`,
          channels.map((a) => `${a}_${register}`),
        );
      return [
        `let point = group.y * ${points}u + thread;`,
        `let n = min(point, ${N - 1}u);`,
        `let first = group.x * ${block}u;`,
        'let batch = group.z;',
        unroll(block, (j) => unroll(C, (c) => `var a${c}_${j} = 0.0;`)),
        unroll(vectors, (v) => `let r${v} = ${limited(`first + ${v * L}u + lane`)};`),
        loop('d', depth, [
          load,
          unroll(vectors, (v) => `let w${v} = ${weight(`r${v}`, 'd')};`),
          unroll(block, multiply),
        ]),
        when(`point >= ${N}u`, 'return;'),
        eachRow(block, uniforms.rows, `${rows}u - first`, channels, storeRow, rows % block === 0 ? 4 : 1),
      ];
    },
  });
};

/** Points of a workgroup: whole subgroups, the same in every group, at most `most`. */
function evenly(N: number, most: number, lanes: number): number {
  return Math.ceil(N / Math.ceil(N / Math.max(most, lanes)) / lanes) * lanes;
}
