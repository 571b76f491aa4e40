/** What can be done with jets [B,C,O,N] on the tape: C channels hold the value, first derivatives and second-order slots. */
import { add, concat, mul, neg, range, slice, sub, type Tape, type Var } from '../engine/index.ts';
import { type ActivationName, activate, activations, denseJet, secondOf } from '../kernels/index.ts';
import type { Jets } from './jets.ts';

interface JetAlgebra {
  affine(of: Var, layer: { readonly W: Var; readonly b: Var }): Var;
  activated(of: Var, by: ActivationName): Var;
  /** Of every element: Leibniz' rule in first derivatives and slots. */
  product(a: Var, b: Var): Var;
  plus(a: Var, b: Var): Var;
  oneMinus(a: Var): Var;
}

export function jetAlgebra(tape: Tape, { first, second }: Jets): JetAlgebra {
  const D = first.length;
  const carried = { D, second: secondOf(D, second) };
  const C = 1 + D + second.length;
  const channel = (of: Var, c: number) => slice(of, 1, c, c + 1);
  const withValue = (value: readonly Var[], of: Var) => concat([...value, ...(C > 1 ? [slice(of, 1, 1, C)] : [])], 1);
  return {
    affine: (of, { W, b }) => denseJet(of, W, b, { ...carried, from: 'linear', to: 'linear' }),
    activated: (of, by) =>
      activate(withValue(activations[by].onTape.save(channel(of, 0)), of), { ...carried, from: by }),
    product(a, b) {
      const [p, q] = [range(C).map((c) => channel(a, c)), range(C).map((c) => channel(b, c))];
      const either = (c: number) => add(mul(p[c]!, q[0]!), mul(p[0]!, q[c]!));
      return concat(
        [
          mul(p[0]!, q[0]!),
          ...range(D).map((d) => either(1 + d)),
          ...second.map((slot, s) =>
            slot
              .map(({ a, b, weight }) => mul(weight, add(mul(p[1 + a]!, q[1 + b]!), mul(p[1 + b]!, q[1 + a]!))))
              .reduce(add, either(1 + D + s)),
          ),
        ],
        1,
      );
    },
    plus: (a, b) => add(a, b),
    oneMinus: (a) =>
      tape.scope('gate', () => concat([sub(1, channel(a, 0)), ...(C > 1 ? [neg(slice(a, 1, 1, C))] : [])], 1)),
  };
}
