/** How the versions of the jet kernels cut their work into blocks, and how they stage weights. */
import { type Call, type Capabilities, element, type Layout } from '../engine/index.ts';
import { sizesOf } from './jet-parts.ts';

/** Accumulators of one invocation. */
const ACCUMULATORS = 48;
/** Elements of staged weights: 16 KiB, what every WebGPU adapter has. */
const STAGED = 4096;

/** A multiple of four outputs that fits registers and, with `depth` weights each, workgroup memory. */
export function outputBlock(call: Call, count: number, depth: number): number {
  const { C } = sizesOf(call);
  const most = Math.max(4, Math.min(Math.floor(ACCUMULATORS / C), Math.floor(STAGED / depth)) & ~3);
  const blocks = Math.ceil(count / most);
  return Math.ceil(count / blocks / 4) * 4;
}

/** Whether `depth` weights of four outputs can be staged. */
export const canStage = (depth: number): boolean => 4 * depth <= STAGED;

/** Points of a workgroup: full subgroups, evenly shared among as few groups as `MOST_POINTS` allows. */
export function pointsPerGroup(N: number, { subgroupMaxSize }: Capabilities): number {
  const lanes = Math.max(subgroupMaxSize, 8);
  const most = Math.max(MOST_POINTS, lanes);
  return Math.ceil(N / Math.ceil(N / most) / lanes) * lanes;
}
const MOST_POINTS = 128;

/**
 * WGSL that copies `depth` x `block` weights from `first` on into workgroup memory as `tile[4-vector of outputs + depth
 * index * block/4]`; rows past `extent` repeat the last.
 */
export function stageWeights(
  W: Layout,
  depth: number,
  block: number,
  extent: number,
  lanes: number,
  outputsAre: 'rows' | 'columns',
): { declare: string; copy: string } {
  const clamped = extent % block === 0 ? 'first + j' : `min(first + j, ${extent - 1}u)`;
  const load =
    outputsAre === 'rows' ? element('W', W, ['batch', clamped, 'd']) : element('W', W, ['batch', 'd', clamped]);
  return {
    declare: `var<workgroup> tile: array<vec4f, ${(depth * block) / 4}>;`,
    copy: `for (var i = lane; i < ${depth * block}u; i += ${lanes}u) {
    let d = i ${outputsAre === 'rows' ? '%' : '/'} ${outputsAre === 'rows' ? depth : block}u;
    let j = i ${outputsAre === 'rows' ? '/' : '%'} ${outputsAre === 'rows' ? depth : block}u;
    tile[d * ${block / 4}u + j / 4u][j % 4u] = ${load};
  }
  workgroupBarrier();`,
  };
}

/** Whether lanes are SIMD lanes in subgroups of one known size. */
export function broadcasts({ software, subgroups, subgroupMinSize, subgroupMaxSize }: Capabilities): boolean {
  return software && subgroups && subgroupMinSize === subgroupMaxSize && subgroupMaxSize >= 4;
}

/** Outputs that one invocation accumulates: whole vectors of `lanes` weights. */
export function broadcastBlock(call: Call, count: number, lanes: number): number {
  const most = Math.max(lanes, Math.floor(ACCUMULATORS / sizesOf(call).C / lanes) * lanes);
  return Math.min(most, Math.ceil(count / lanes) * lanes);
}
