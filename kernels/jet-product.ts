/**
 * The product inside both directions of a layer with jets, out[c,row,n] = sum over d of weight(row,d) * v[c,d,n], in
 * three ways. Forward, rows are outputs and d runs over inputs; for the cotangent of S it is the other way round.
 */
import type { Capabilities, Grid } from '../engine/index.ts';
import { eachRow, range } from './jet-parts.ts';

export interface JetProduct {
  /** Networks, channels, points. */
  readonly B: number;
  readonly C: number;
  readonly N: number;
  /** Extents of `row` and of `d`. */
  readonly rows: number;
  readonly depth: number;
  /** WGSL of a weight; `batch` is in scope. */
  readonly weight: (row: string, d: string) => string;
  /** Whether weights of consecutive d lie closer than those of consecutive rows. */
  readonly depthFirst: boolean;
  /** WGSL that puts the channels `v0..` of index `d` at point `n` in scope. */
  readonly load: string;
  /** WGSL that finishes and stores a row at point `n` from its channels. */
  readonly store: (row: string, channels: readonly string[]) => string;
}

/** A grid without its operands. */
export type Body = Omit<Grid, 'label' | 'reads' | 'writes'>;

/** Accumulators of one invocation. */
const ACCUMULATORS = 48;
/** Elements of staged weights: 16 KiB, what every WebGPU adapter has. */
const STAGED = 4096;
const MOST_POINTS = 128;

/** Whether `depth` weights of four rows can be staged. */
export const canStage = (depth: number): boolean => 4 * depth <= STAGED;

/** The definition: an invocation for each row and point. */
export function perElement({ B, C, N, rows, depth, weight, load, store }: JetProduct): Body {
  const channels = range(C);
  const code = `
  let n = group.x * 64u + thread;
  let row = group.y;
  let batch = group.z;
  if (n >= ${N}u) { return; }
  ${channels.map((c) => `var a${c} = 0.0;`).join(' ')}
  for (var d = 0u; d < ${depth}u; d++) {
    ${load}
    let w = ${weight('row', 'd')};
    ${channels.map((c) => `a${c} += w * v${c};`).join(' ')}
  }
  ${store(
    'row',
    channels.map((c) => `a${c}`),
  )}`;
  return { code, threads: 64, groups: [Math.ceil(N / 64), rows, B] };
}

/** A block of rows at one point stays in registers; its weights lie in workgroup memory. */
export function staged(product: JetProduct, { subgroupMaxSize }: Capabilities): Body {
  const { B, C, N, rows, depth, load } = product;
  const most = Math.max(4, Math.min(Math.floor(ACCUMULATORS / C), Math.floor(STAGED / depth)) & ~3);
  const block = Math.ceil(rows / Math.ceil(rows / most) / 4) * 4;
  const lanes = evenly(N, MOST_POINTS, Math.max(subgroupMaxSize, 8));
  const [channels, quads] = [range(C), range(block / 4)];
  const code = `
  let n = group.x * ${lanes}u + thread;
  let first = group.y * ${block}u;
  let batch = group.z;
  ${stage(product, block, lanes)}
  if (n >= ${N}u) { return; }
  ${quads.flatMap((q) => channels.map((c) => `var a${q}_${c} = vec4f();`)).join(' ')}
  for (var d = 0u; d < ${depth}u; d++) {
    ${load}
    ${quads.map((q) => `let w${q} = tile[d * ${block / 4}u + ${q}u]; ${channels.map((c) => `a${q}_${c} = fma(w${q}, vec4f(v${c}), a${q}_${c});`).join(' ')}`).join('\n    ')}
  }
  ${storeBlock(product, block, (j, c) => `a${j >> 2}_${c}[${j & 3}]`)}`;
  const groups = [Math.ceil(N / lanes), Math.ceil(rows / block), B] as const;
  return { code, threads: lanes, groups, shared: { tile: { of: 'vec4f', length: (depth * block) / 4 } } };
}

/** Copies the block's weights into `tile`, neighbouring invocations along the closer index; rows past the end repeat the last. */
function stage({ rows, depth, weight, depthFirst }: JetProduct, block: number, lanes: number): string {
  const row = rows % block === 0 ? 'first + j' : `min(first + j, ${rows - 1}u)`;
  const [d, j] = depthFirst ? [`i % ${depth}u`, `i / ${depth}u`] : [`i / ${block}u`, `i % ${block}u`];
  return `for (var i = thread; i < ${depth * block}u; i += ${lanes}u) {
    let d = ${d};
    let j = ${j};
    tile[d * ${block / 4}u + j / 4u][j % 4u] = ${weight(row, 'd')};
  }
  workgroupBarrier();`;
}

/** As {@link staged}, but each of L lanes holds one weight of a vector of rows, broadcast when its turn comes. */
export function acrossLanes(product: JetProduct, L: number): Body {
  const { B, C, N, rows, depth, weight, load, store } = product;
  const most = Math.max(L, Math.floor(ACCUMULATORS / C / L) * L);
  const block = Math.min(most, Math.ceil(rows / L) * L);
  const points = 2 * L;
  const [channels, vectors] = [range(C), range(block / L)];
  const row = (v: number) => `first + ${v * L}u + lane`;
  const code = `
  // Blocks of rows run fastest: the points of a group stay in cache for all of them.
  let point = group.y * ${points}u + thread;
  let n = min(point, ${N - 1}u);
  let first = group.x * ${block}u;
  let batch = group.z;
  ${range(block)
    .flatMap((j) => channels.map((c) => `var a${c}_${j} = 0.0;`))
    .join(' ')}
  ${vectors.map((v) => `let r${v} = ${rows % block === 0 ? row(v) : `min(${row(v)}, ${rows - 1}u)`};`).join(' ')}
  for (var d = 0u; d < ${depth}u; d++) {
    ${load}
    ${vectors.map((v) => `let w${v} = ${weight(`r${v}`, 'd')};`).join(' ')}
    ${range(block)
      .map(
        (j) =>
          `let u${j} = subgroupBroadcast(w${Math.floor(j / L)}, ${j % L}u); ${channels.map((c) => `a${c}_${j} = fma(u${j}, v${c}, a${c}_${j});`).join(' ')}`,
      )
      .join('\n    ')}
  }
  if (point >= ${N}u) { return; }
  ${eachRow(
    block,
    `${rows}u - first`,
    channels.map((c) => `a${c}`),
    (j) =>
      store(
        `(first + ${j})`,
        channels.map((c) => `a${c}_0`),
      ),
  )}`;
  const groups = [Math.ceil(rows / block), Math.ceil(N / points), B] as const;
  return { code, threads: points, groups, subgroups: true, uniforms: { rows: block } };
}

function storeBlock({ C, rows, store }: JetProduct, block: number, value: (j: number, c: number) => string): string {
  return range(block)
    .map((j) => {
      const text = `{ ${store(
        `(first + ${j}u)`,
        range(C).map((c) => value(j, c)),
      )} }`;
      return rows % block === 0 ? text : `if (first + ${j}u < ${rows}u) ${text}`;
    })
    .join('\n  ');
}

/** Points of a workgroup: whole subgroups, the same in every group, at most `most`. */
function evenly(N: number, most: number, lanes: number): number {
  return Math.ceil(N / Math.ceil(N / Math.max(most, lanes)) / lanes) * lanes;
}
