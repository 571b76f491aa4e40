/** Cotangents of many slices of one value: those that do not overlap are parts of one concat. */
import { add, concat, zeros } from './build.ts';
import type { Shape } from './shape.ts';
import type { ParamsOf, Tape, Var } from './tape.ts';

/** The cotangent of a slice, with the scope it belongs to. */
export interface SliceBar extends Readonly<ParamsOf['slice']> {
  readonly bar: Var;
  readonly scope: string;
}

/**
 * What slices hand to the value of that shape which they are slices of, to be summed up. Written one by one they would
 * be as many concats of zeros, and their sum as many additions of the full shape.
 */
export function gather(tape: Tape, shape: Shape, slices: readonly SliceBar[]): Var[] {
  const once = new Map<string, SliceBar>();
  for (const slice of slices) {
    const key = `${slice.axis} ${slice.start} ${slice.stop}`;
    const before = once.get(key);
    const bar = before ? tape.provenance(slice.scope, () => add(before.bar, slice.bar)) : slice.bar;
    once.set(key, { ...slice, bar });
  }
  const layers: SliceBar[][] = [];
  for (const slice of [...once.values()].sort((a, b) => a.axis - b.axis || a.start - b.start)) {
    const layer = layers.find((other) => other[0]!.axis === slice.axis && other.at(-1)!.stop <= slice.start);
    if (layer) layer.push(slice);
    else layers.push([slice]);
  }
  return layers.map((layer) => tape.provenance(layer[0]!.scope, () => filled(tape, shape, layer)));
}

/** Parts along one axis, in order, with zeros between them. */
function filled(tape: Tape, shape: Shape, layer: readonly SliceBar[]): Var {
  const { axis } = layer[0]!;
  const parts: Var[] = [];
  let at = 0;
  const fill = (to: number) => {
    if (to > at)
      parts.push(
        zeros(
          tape,
          shape.map((extent, a) => (a === axis ? to - at : extent)),
        ),
      );
  };
  for (const { start, stop, bar } of layer) {
    fill(start);
    parts.push(bar);
    at = stop;
  }
  fill(shape[axis]!);
  return concat(parts, axis);
}
