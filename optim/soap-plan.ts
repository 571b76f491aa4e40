/** How SOAP's matrices lie in theta, and which of them are treated together. */
import { concat, reshape, slice, type Var } from '../engine/index.ts';

/** A weight matrix within a row of theta: row-major from element `at`. */
export interface MatrixBlock {
  readonly at: number;
  readonly rows: number;
  readonly columns: number;
}

/** All matrices of one shape, of every row of theta: G = B * blocks.length of them, block by block within a row. */
export interface Group {
  readonly rows: number;
  readonly columns: number;
  readonly blocks: readonly MatrixBlock[];
}

/** Which matrices of a stack of factors are the left or right factors of a group. */
interface Side {
  readonly group: number;
  readonly side: 'left' | 'right';
  readonly from: number;
  readonly count: number;
}

/** Factors of one size, stacked: `name.L.SIZE` [count,size,size] with bases `name.Q.SIZE`. */
export interface FactorStack {
  readonly size: number;
  readonly count: number;
  readonly sides: readonly Side[];
}

export interface SoapPlan {
  readonly groups: readonly Group[];
  readonly factors: readonly FactorStack[];
}

/** Longest side that has a factor, unless stated. */
export const MAX_PRECOND_DIM = 10_000;

/** Groups the matrices of theta [B,P] by shape and their factors by size; sides longer than `longest` have none. */
export function planSoap(B: number, blocks: readonly MatrixBlock[], longest = MAX_PRECOND_DIM): SoapPlan {
  const shapes = [...new Set(blocks.map(({ rows, columns }) => `${rows} ${columns}`))];
  const groups = shapes.map((shape): Group => {
    const own = blocks.filter(({ rows, columns }) => `${rows} ${columns}` === shape);
    return { rows: own[0]!.rows, columns: own[0]!.columns, blocks: own };
  });
  const sizes = [...new Set(groups.flatMap(({ rows, columns }) => [rows, columns]))].filter(
    (size) => size > 1 && size <= longest,
  );
  const factors = sizes.map((size): FactorStack => {
    const sides: Side[] = [];
    let from = 0;
    groups.forEach(({ rows, columns, blocks: own }, group) => {
      for (const side of ['left', 'right'] as const) {
        if ((side === 'left' ? rows : columns) !== size) continue;
        sides.push({ group, side, from, count: B * own.length });
        from += B * own.length;
      }
    });
    return { size, count: from, sides };
  });
  return { groups, factors };
}

/** Distance of a group's matrices in a row of theta, or null where they do not lie at equal distances within P elements. */
function distanceOf({ blocks, rows, columns }: Group, P: number): number | null {
  const first = blocks[0]!.at;
  const distance = blocks.length > 1 ? blocks[1]!.at - first : rows * columns;
  const regular = blocks.every(({ at }, k) => at === first + k * distance) && first + blocks.length * distance <= P;
  return regular ? distance : null;
}

/** Matrices of a group out of rows x [B,P], [B,blocks,rows,columns]: a window of x where they lie at equal distances. */
export function gather(x: Var, group: Group): Var {
  const { blocks, rows, columns } = group;
  const [B, P] = x.shape as [number, number];
  const [count, size, first] = [blocks.length, rows * columns, blocks[0]!.at];
  const distance = distanceOf(group, P);
  if (distance === null)
    return concat(
      blocks.map(({ at }) => reshape(slice(x, 1, at, at + size), [B, 1, rows, columns])),
      1,
    );
  const spaced = reshape(slice(x, 1, first, first + count * distance), [B, count, distance]);
  return reshape(slice(spaced, 2, 0, size), [B, count, rows, columns]);
}

/** A run of elements of every row, from `at`. */
interface Run {
  readonly at: number;
  readonly size: number;
  readonly value: Var;
}

/**
 * The inverse of {@link gather} for all groups; what lies between the matrices comes from `rest` [B,P]. Matrices at equal
 * distances with nothing but rest in between stay one value, so that a kernel can write them where they belong.
 */
export function scatter(matrices: readonly Var[], groups: readonly Group[], rest: Var): Var {
  const [B, P] = rest.shape as [number, number];
  const others = (group: Group) => groups.filter((other) => other !== group).flatMap(({ blocks }) => blocks);
  const runs = groups.flatMap((group, g): Run[] => {
    const { blocks, rows, columns } = group;
    const [count, size, first] = [blocks.length, rows * columns, blocks[0]!.at];
    const distance = distanceOf(group, P);
    const end = first + count * (distance ?? 0);
    if (distance !== null && others(group).every(({ at }) => at < first || at >= end)) {
      const own = reshape(matrices[g]!, [B, count, size]);
      const between = () => slice(reshape(slice(rest, 1, first, end), [B, count, distance]), 2, size, distance);
      const value = distance > size ? concat([own, between()], 2) : own;
      return [{ at: first, size: end - first, value: reshape(value, [B, end - first]) }];
    }
    return blocks.map(({ at }, k) => ({
      at,
      size,
      value: reshape(slice(matrices[g]!, 1, k, k + 1), [B, size]),
    }));
  });
  const parts: Var[] = [];
  let done = 0;
  for (const { at, size, value } of runs.sort((p, q) => p.at - q.at)) {
    if (at > done) parts.push(slice(rest, 1, done, at));
    parts.push(value);
    done = at + size;
  }
  if (done < P) parts.push(slice(rest, 1, done, P));
  return concat(parts, 1);
}
