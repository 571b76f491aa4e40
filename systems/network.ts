/** Stacks of networks on a tape: parameters as rows of theta, jets up to second order through the layers. */
import {
  broadcast,
  concat,
  full,
  mul,
  range,
  reshape,
  type Shape,
  slice,
  stack,
  sub,
  type Var,
  zeros,
} from '../engine/index.ts';
import { denseJet, type JetSlot, secondOf } from '../kernels/index.ts';
import { type Architecture, layersOf } from './architecture.ts';

/** What jets carry besides the value. */
export interface Jets {
  /** The coordinates, rising, whose first derivatives they carry. */
  readonly first: readonly number[];
  /** Second-order slots; coordinates are counted among those of `first`. */
  readonly second: readonly JetSlot[];
}

/** Jets in D coordinates of order 0 (the value), 1 (first derivatives too), 2 (the Laplacian too). */
export function jetsUpTo(order: 0 | 1 | 2, D: number): Jets {
  const first = order >= 1 ? range(D) : [];
  return { first, second: order === 2 ? [first.map((d) => ({ a: d, b: d, weight: 1 }))] : [] };
}

/** Weights W [B,out,in] and biases b [B,out] of each layer, as windows of theta [B,P]. */
export function unpack(theta: Var, architecture: Architecture): { W: Var; b: Var }[] {
  const B = theta.shape[0]!;
  let at = 0;
  const take = (shape: Shape) => {
    const size = shape.reduce((a, b) => a * b, 1);
    at += size;
    return reshape(slice(theta, 1, at - size, at), [B, ...shape]);
  };
  return layersOf(architecture).map(([out, inn]) => ({ W: take([out, inn]), b: take([out]) }));
}

/**
 * Jet of the coordinates mapped to [-1,1], 2x-1 where they begin at 0 and end at 1, for points X [B,D,N]: channels
 * [B,C,D,N]. The derivative of the map enters here, so the derivatives that come out are with respect to x.
 */
export function inputJet(X: Var, { first, second }: Jets, extents?: Architecture['extents']): Var {
  const [B, D, N] = X.shape as [number, number, number];
  const { tape } = X;
  const scale = (d: number) => {
    const [low, high] = extents?.[d] ?? [0, 1];
    return 2 / (high - low);
  };
  const middle = (d: number) => {
    const [low, high] = extents?.[d] ?? [0, 1];
    return (low + high) / (high - low);
  };
  const unit = (d: number) =>
    concat(
      Array.from({ length: D }, (_, k) =>
        k === d ? broadcast(full(slice(X, 1, 0, 1), scale(d)), [B, 1, N]) : zeros(tape, [B, 1, N]),
      ),
      1,
    );
  const mapped = extents
    ? concat(
        Array.from({ length: D }, (_, d) => sub(mul(scale(d), slice(X, 1, d, d + 1)), middle(d))),
        1,
      )
    : sub(mul(2, X), 1);
  return stack([mapped, ...first.map(unit), ...second.map(() => zeros(tape, X.shape))], 1);
}

/** Jets of the outputs, [B,C,outputs,N], of B networks with parameters theta [B,P] at points X [B,D,N]. */
export function network(theta: Var, X: Var, architecture: Architecture, jets: Jets): Var {
  const { tape } = theta;
  const layers = unpack(theta, architecture);
  const D = jets.first.length;
  const second = secondOf(D, jets.second);
  const { activation = 'tanh' } = architecture;
  let signal = tape.scope('points', () => inputJet(X, jets, architecture.extents));
  layers.forEach(({ W, b }, k) => {
    const params = {
      D,
      second,
      from: k === 0 ? 'linear' : activation,
      to: k === layers.length - 1 ? 'linear' : activation,
    } as const;
    signal = tape.scope(`layer ${k + 1}`, () => denseJet(signal, W, b, params));
  });
  return signal;
}
