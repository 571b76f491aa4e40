/** Where values lie: strided windows into buffers, and what slices, transposes, broadcasts and reshapes make of them. */
import { type AxisMap, axesOf } from '../tape/ops.ts';
import { matchRuns, type Shape, stridesOf } from '../tape/shape.ts';
import type { Node, View } from '../tape/tape.ts';
import type { Layout } from './kernel.ts';

/** A window into the buffer of a root value: element (i,j,..) at `at + i*strides[0] + j*strides[1] + ..`. */
export interface Place extends Layout {
  /** The node whose value owns the buffer. */
  readonly root: number;
  readonly at: number;
}

export function contiguous(root: number, shape: Shape): Place {
  return { root, at: 0, shape, strides: stridesOf(shape) };
}

/** True where the window is one gapless row-major run (it may start anywhere). */
export function isContiguous({ shape, strides }: Layout): boolean {
  const dense = stridesOf(shape);
  return shape.every((extent, axis) => extent === 1 || strides[axis] === dense[axis]);
}

/** The window that a view node shows of its input's window. */
export function viewOf(node: Node<View>, from: Place): Place {
  return applyAxes(axesOf(node, from.shape), from, node.shape);
}

function applyAxes(axes: AxisMap, from: Place, shape: Shape): Place {
  const strides = shape.map(() => 0);
  let at = from.at;
  axes.forEach((map, a) => {
    at += map.start * from.strides[a]!;
    if (map.axis !== null) strides[map.axis] = strides[map.axis]! + from.strides[a]!;
  });
  return { root: from.root, at, shape, strides };
}

/** The same elements under another shape, or null where strides cannot say so. */
export function reshapeOf(from: Place, shape: Shape): Place | null {
  const strides: number[] = [];
  let axis = 0;
  for (const run of matchRuns(from.shape, shape)) {
    const outer = run.from
      .map((extent, k) => ({ extent, stride: from.strides[axis + k]! }))
      .filter(({ extent }) => extent > 1);
    axis += run.from.length;
    for (let k = 0; k + 1 < outer.length; k++)
      if (outer[k]!.stride !== outer[k + 1]!.stride * outer[k + 1]!.extent) return null;
    const unit = outer.at(-1)?.stride ?? 1;
    strides.push(...stridesOf(run.to).map((stride) => stride * unit));
  }
  return { root: from.root, at: from.at, shape, strides };
}

/** The window of part of a concat: `extent` elements of `axis` from `start`. */
export function partOf(from: Place, axis: number, start: number, extent: number): Place {
  const shape = from.shape.map((e, a) => (a === axis ? extent : e));
  return { root: from.root, at: from.at + start * from.strides[axis]!, shape, strides: from.strides };
}
