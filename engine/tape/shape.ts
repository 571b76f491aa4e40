import { UserError } from './error.ts';

/** A tensor's extent along each axis; `[]` is a scalar. All tensors are row-major. */
export type Shape = readonly number[];

/** Shapes that cannot go together, an axis that does not exist, an extent that is no positive integer. */
export class ShapeError extends UserError {
  override readonly name = 'ShapeError';
}

export function sizeOf(shape: Shape): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((extent, axis) => extent === b[axis]);
}

/** Row-major strides in elements: `[2,3,4]` -> `[12,4,1]`. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * shape[axis + 1]!;
  return strides;
}

export function show(shape: Shape): string {
  return `[${shape.join(',')}]`;
}

/** NumPy's rule: align at the last axis, an extent of 1 stretches. Throws {@link ShapeError} where neither is 1. */
export function broadcastShapes(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const x = a[axis - rank + a.length] ?? 1;
    const y = b[axis - rank + b.length] ?? 1;
    if (x !== y && x !== 1 && y !== 1)
      throw new ShapeError(`cannot broadcast ${show(a)} with ${show(b)}: axis ${axis} is ${x} against ${y}`);
    return x === 1 ? y : x;
  });
}

/** There is no empty tensor: a GPU binds no empty buffer, and the largest of no elements is no number. */
export function checkShape(shape: Shape): void {
  if (!shape.every((extent) => Number.isInteger(extent) && extent > 0))
    throw new ShapeError(`${show(shape)} is not a shape: every extent is a positive integer`);
}

export function checkAxis(shape: Shape, axis: number): void {
  if (!Number.isInteger(axis) || axis < 0 || axis >= shape.length)
    throw new ShapeError(`axis ${axis} does not exist in ${show(shape)}`);
}

/**
 * Splits two shapes of equal size into the shortest runs of axes with equal products, so that a reshape is understood
 * run by run: `[2,3,4] -> [6,4]` is `[[2,3],[6]], [[4],[4]]`.
 */
export function matchRuns(from: Shape, to: Shape): { from: number[]; to: number[] }[] {
  const runs: { from: number[]; to: number[] }[] = [];
  let i = 0;
  let j = 0;
  while (i < from.length || j < to.length) {
    const run = { from: from.slice(i, ++i), to: to.slice(j, ++j) };
    while (sizeOf(run.from) !== sizeOf(run.to)) {
      if (j >= to.length || (i < from.length && sizeOf(run.from) < sizeOf(run.to))) run.from.push(from[i++]!);
      else run.to.push(to[j++]!);
    }
    runs.push(run);
  }
  return runs;
}
