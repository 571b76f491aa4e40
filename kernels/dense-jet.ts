/**
 * One layer of a network carrying jets up to second order: the definition that the kernels of `jet.ts` implement.
 *
 * A jet has C = 1 + D + slots channels: value, D first derivatives, and second-order slots, each a weighted sum of second
 * derivatives, such as the Laplacian. Between layers it travels in saved form, (p, z_1..z_D, z_slots): p is what the
 * activation saves of z_0, the derivatives are those of z. That is what the backward pass needs, and what the next layer
 * turns into the jet of the activation as it loads it.
 */
import {
  add,
  broadcast,
  composite,
  concat,
  matmul,
  mul,
  type Params,
  range,
  reshape,
  slice,
  type Var,
} from '../engine/index.ts';
import { type ActivationName, activations } from './activation.ts';
import { type Carried, channelsOf, type JetSlot, slotsOf } from './slots.ts';

/** What a layer's operand or result is: a jet as it stands, or the saved form of an activation. */
export type Form = 'linear' | ActivationName;

export interface DenseJetParams extends Params, Carried {
  /** Of S, which is activated first where it is in saved form. */
  readonly from: Form;
  /** Of the result. */
  readonly to: Form;
}

/** Of its adjoint `vjp(dense_jet)`. */
export interface JetAdjointParams extends DenseJetParams {
  /** Which of S (0), W (1), b (2) to give cotangents of, in this order. */
  readonly wrt: readonly number[];
}

/** S [B,C + saved - 1,K,N], W [B,O,K], b [B,O] -> [B,C + saved - 1,O,N], `saved` as {@link savedBy} says of each form. */
export function denseJet(S: Var, W: Var, b: Var, params: DenseJetParams): Var {
  return composite('dense_jet', params, [S, W, b], ([S, W, b]) => [layer(S!, W!, b!, params)])[0]!;
}

/** Numbers that a form holds in the place of a value. */
export const savedBy = (form: Form): number => (form === 'linear' ? 1 : activations[form].saved);

function layer(S: Var, W: Var, b: Var, params: DenseJetParams): Var {
  const [B, , K] = S.shape as [number, number, number];
  const O = W.shape[1]!;
  const y = activate(S, params);
  const C = channelsOf(params);
  const z = matmul(broadcast(reshape(W, [B, 1, O, K]), [B, C, O, K]), y);
  const value = add(slice(z, 1, 0, 1), reshape(b, [B, 1, O, 1]));
  const derivatives = C > 1 ? [slice(z, 1, 1, C)] : [];
  const { to } = params;
  return concat([...(to === 'linear' ? [value] : activations[to].onTape.save(value)), ...derivatives], 1);
}

/** The jet of what a layer is given: of the activation, where that is in saved form. */
export function activate(S: Var, { from, ...carried }: Carried & Pick<DenseJetParams, 'from'>): Var {
  if (from === 'linear') return S;
  const E = savedBy(from);
  const channel = (c: number) => slice(S, 1, c, c + 1);
  const first = range(carried.D).map((d) => channel(E + d));
  const product = (slot: JetSlot) =>
    slot
      .map(({ a, b, weight }) => {
        const own = mul(first[a]!, first[b]!);
        return weight === 1 ? own : mul(weight, own);
      })
      .reduce(add);
  const { value, slope, second } = activations[from].onTape.at(range(E).map(channel));
  const slots = slotsOf(carried).map((slot, k) => second(channel(E + carried.D + k), product(slot)));
  return concat([value, ...first.map((z) => mul(slope, z)), ...slots], 1);
}

/** The cotangent of a layer's affine map, [B,C,O,N], from that of its result. */
export function affineBar(bar: Var, result: Var, { to }: Pick<DenseJetParams, 'to'>): Var {
  if (to === 'linear') return bar;
  const E = savedBy(to);
  const saved = (of: Var) => range(E).map((e) => slice(of, 1, e, e + 1));
  const value = activations[to].onTape.saveBar(saved(result), saved(bar));
  const channels = bar.shape[1]!;
  return channels > E ? concat([value, slice(bar, 1, E, channels)], 1) : value;
}
