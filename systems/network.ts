/** Stacks of tanh networks on a tape: parameters as rows of theta, second-order jets through the layers. */
import {
  broadcast,
  concat,
  full,
  mul,
  reshape,
  type Shape,
  slice,
  stack,
  sub,
  type Var,
  zeros,
} from '../engine/index.ts';
import { denseJet } from '../kernels/index.ts';
import { type Architecture, layersOf } from './architecture.ts';

/** How far jets reach: 0 the value, 1 first derivatives too, 2 second derivatives summed (the Laplacian) too. */
export type Order = 0 | 1 | 2;

/** Channels C of a jet in D coordinates: value, first derivatives, Laplacian. */
export function channelCount(D: number, order: Order): number {
  return 1 + (order >= 1 ? D : 0) + (order === 2 ? 1 : 0);
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
export function inputJet(X: Var, order: Order, extents?: Architecture['extents']): Var {
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
  const first = order >= 1 ? Array.from({ length: D }, (_, d) => unit(d)) : [];
  const second = order === 2 ? [zeros(tape, X.shape)] : [];
  return stack([mapped, ...first, ...second], 1);
}

/** Jets of the outputs, [B,C,outputs,N], of B networks with parameters theta [B,P] at points X [B,D,N]. */
export function network(theta: Var, X: Var, architecture: Architecture, order: Order): Var {
  const { tape } = theta;
  const layers = unpack(theta, architecture);
  const D = order >= 1 ? architecture.inputs : 0;
  let signal = tape.scope('points', () => inputJet(X, order, architecture.extents));
  layers.forEach(({ W, b }, k) => {
    const params = {
      D,
      second: order === 2,
      from: k === 0 ? 'linear' : 'tanh',
      to: k === layers.length - 1 ? 'linear' : 'tanh',
    } as const;
    signal = tape.scope(`layer ${k + 1}`, () => denseJet(signal, W, b, params));
  });
  return signal;
}
