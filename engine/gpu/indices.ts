/** Indices and addresses of generated code, with what is known of them folded in. */
import { matchRuns, type Shape, stridesOf } from '../tape/shape.ts';
import { isContiguous, type Place } from './layout.ts';

/** The value of variable `name` plus a constant; without a name the constant alone. Never negative where it is used. */
export interface Index {
  readonly name: string | null;
  readonly plus: number;
}

export const index = (name: string): Index => ({ name, plus: 0 });
export const known = (plus: number): Index => ({ name: null, plus });
export const moved = ({ name, plus }: Index, by: number): Index => ({ name, plus: plus + by });

/** Where an element is: by its row-major index within the node's shape, or by coordinates. */
export type Position = { readonly flat: Index } | { readonly at: readonly Index[] };

/** An unsigned sum: variables times factors, plus a constant. */
interface Sum {
  readonly terms: readonly { readonly name: string; readonly factor: number }[];
  readonly plus: number;
}

/** A sum of indices times factors. */
function sumOf(parts: readonly { readonly index: Index; readonly factor: number }[], start = 0): Sum {
  const factors = new Map<string, number>();
  let plus = start;
  for (const { index, factor } of parts) {
    plus += index.plus * factor;
    if (index.name !== null && factor !== 0) factors.set(index.name, (factors.get(index.name) ?? 0) + factor);
  }
  return { terms: [...factors].map(([name, factor]) => ({ name, factor })), plus };
}

export function textOf({ terms, plus }: Sum): string {
  const products = terms.map(({ name, factor }) => (factor === 1 ? name : `${name} * ${factor}u`));
  if (products.length === 0) return `${plus}u`;
  const constant = plus === 0 ? '' : plus > 0 ? ` + ${plus}u` : ` - ${-plus}u`;
  return products.join(' + ') + constant;
}

export const indexText = (at: Index): string => textOf(sumOf([{ index: at, factor: 1 }]));

/** Names for expressions; equal expressions get one name. */
export type Naming = (prefix: string, expression: string) => string;

/** A sum as an index: named unless it is a variable plus a constant already. */
function asIndex(sum: Sum, name: Naming): Index {
  const [first, ...others] = sum.terms;
  if (!first) return known(sum.plus);
  if (others.length === 0 && first.factor === 1) return { name: first.name, plus: sum.plus };
  return index(name('c', textOf(sum)));
}

/** The coordinates in `shape` of the element with row-major index `flat`. */
export function unflatten(flat: Index, shape: Shape, name: Naming): Index[] {
  const strides = stridesOf(shape);
  const first = shape.findIndex((extent) => extent > 1);
  return shape.map((extent, axis) => {
    const stride = strides[axis]!;
    if (extent === 1) return known(0);
    if (flat.name === null) return known(Math.floor(flat.plus / stride) % extent);
    if (axis === first && stride === 1) return flat;
    const text = flat.plus === 0 ? flat.name : `(${indexText(flat)})`;
    const quotient = stride === 1 ? text : `${text} / ${stride}u`;
    if (axis === first) return index(name('c', quotient));
    return index(name('c', stride === 1 ? `${text} % ${extent}u` : `(${quotient}) % ${extent}u`));
  });
}

export function coordinates(position: Position, shape: Shape, name: Naming): readonly Index[] {
  return 'at' in position ? position.at : unflatten(position.flat, shape, name);
}

/** The coordinates in `to` of the element at coordinates `at` of `from`. */
export function reshaped(at: readonly Index[], from: Shape, to: Shape, name: Naming): Index[] {
  let axis = 0;
  return matchRuns(from, to).flatMap((run) => {
    const strides = stridesOf(run.from);
    const parts = run.from.flatMap((extent, k) =>
      extent === 1 ? [] : [{ index: at[axis + k]!, factor: strides[k]! }],
    );
    axis += run.from.length;
    return unflatten(asIndex(sumOf(parts), name), run.to, name);
  });
}

/** The element of a buffer that a position of a place is. */
export function addressOf(place: Place, position: Position, name: Naming): Sum {
  if ('flat' in position && isContiguous(place)) return sumOf([{ index: position.flat, factor: 1 }], place.at);
  const parts = coordinates(position, place.shape, name).flatMap((at, axis) =>
    place.shape[axis] === 1 ? [] : [{ index: at, factor: place.strides[axis]! }],
  );
  return sumOf(parts, place.at);
}

/** Equal for equal positions. */
export function keyOf(position: Position): string {
  return 'flat' in position ? indexText(position.flat) : `[${position.at.map(indexText).join()}]`;
}
