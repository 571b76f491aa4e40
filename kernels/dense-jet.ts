/**
 * One layer of a tanh network carrying second-order jets: the definition that the kernels of `jet.ts` implement.
 *
 * A jet has C = 1 + D + (second ? 1 : 0) channels: value, D first derivatives, Laplacian. Between layers it travels in
 * saved form (t, z_1..z_D, z_L) with t = tanh(z_0): what the backward pass needs, and what the next layer turns into
 * the jet of the activation as it loads it.
 */
import {
  add,
  broadcast,
  composite,
  concat,
  matmul,
  mul,
  type Params,
  reshape,
  slice,
  square,
  sub,
  tanh,
  type Var,
} from '../engine/index.ts';

export interface DenseJetParams extends Params {
  /** First derivatives carried. */
  readonly D: number;
  /** Whether the Laplacian is carried. */
  readonly second: boolean;
  /** `tanh`: S is in saved form and is activated first; `linear`: S is a jet as it stands. */
  readonly from: 'linear' | 'tanh';
  /** `tanh`: the result is put in saved form; `linear`: it is the jet of the affine map. */
  readonly to: 'linear' | 'tanh';
}

/** Of its adjoint `vjp(dense_jet)`. */
export interface JetAdjointParams extends DenseJetParams {
  /** Which of S (0), W (1), b (2) to give cotangents of, in this order. */
  readonly wrt: readonly number[];
}

/** S [B,C,K,N], W [B,O,K], b [B,O] -> [B,C,O,N]. */
export function denseJet(S: Var, W: Var, b: Var, params: DenseJetParams): Var {
  return composite('dense_jet', params, [S, W, b], ([S, W, b]) => [layer(S!, W!, b!, params)])[0]!;
}

function layer(S: Var, W: Var, b: Var, { D, second, from, to }: DenseJetParams): Var {
  const [B, C, K] = S.shape as [number, number, number];
  const O = W.shape[1]!;
  const y = from === 'tanh' ? activate(S, D, second) : S;
  const z = matmul(broadcast(reshape(W, [B, 1, O, K]), [B, C, O, K]), y);
  const value = add(slice(z, 1, 0, 1), reshape(b, [B, 1, O, 1]));
  const derivatives = C > 1 ? [slice(z, 1, 1, C)] : [];
  return concat([to === 'tanh' ? tanh(value) : value, ...derivatives], 1);
}

/** The jet of tanh from the saved form: y = t, y_i = (1-t^2) z_i, y_L = (1-t^2)(z_L - 2 t sum z_i^2). */
export function activate(S: Var, D: number, second: boolean): Var {
  const channel = (c: number) => slice(S, 1, c, c + 1);
  const t = channel(0);
  const slope = sub(1, square(t));
  const first = Array.from({ length: D }, (_, d) => channel(1 + d));
  const channels = [t, ...first.map((z) => mul(slope, z))];
  if (second) {
    const squares = first.map(square).reduce(add);
    channels.push(mul(slope, sub(channel(1 + D), mul(2, mul(t, squares)))));
  }
  return concat(channels, 1);
}
