/**
 * Adam (Kingma and Ba 2015), as tape operations. Bias corrections are carried as moving averages of one: c = 1 - beta^t
 * obeys the recurrence of the moment it corrects, which keeps its relative accuracy in float32 from the first step on.
 */
import { add, div, index, input, mul, slice, sqrt, square, sub, type Var } from '../engine/index.ts';

export interface AdamSettings {
  readonly betas: readonly [number, number];
  readonly epsilon: number;
}

export const ADAM: AdamSettings = { betas: [0.9, 0.999], epsilon: 1e-8 };

/** What an optimizer adds to a tape: inputs, among them what it carries from step to step, and the values after a step. */
export interface Update {
  readonly inputs: Readonly<Record<string, Var>>;
  readonly outputs: Readonly<Record<string, Var>>;
  /** Input name -> name of the output that replaces it. */
  readonly state: Readonly<Record<string, string>>;
}

/** beta * average + (1 - beta) * x. */
export const movingAverage = (beta: Var, average: Var, x: Var | number): Var =>
  add(mul(beta, average), mul(sub(1, beta), x));

/**
 * One step for parameters theta [B,P] with gradient g [B,P]: theta <- theta - lr/c1 * m / (sqrt(v/c2) + epsilon), as
 * PyTorch does. `lr` broadcasts to [B,P]; `settings` [3] holds beta1, beta2, epsilon. State, zero at first:
 * m, v [B,P] and c [2], named after `name`.
 */
export function adam(name: string, theta: Var, g: Var, lr: Var, settings: Var): Update {
  const { tape, shape } = theta;
  return tape.scope('adam', () => {
    const [m, v, c] = [
      input(tape, `${name}.m`, shape),
      input(tape, `${name}.v`, shape),
      input(tape, `${name}.c`, [2]),
    ] as const;
    const [beta1, beta2, epsilon] = [0, 1, 2].map((k) => index(settings, 0, k)) as [Var, Var, Var];
    const next = {
      m: movingAverage(beta1, m, g),
      v: movingAverage(beta2, v, square(g)),
      c: movingAverage(slice(settings, 0, 0, 2), c, 1),
    };
    const [c1, c2] = [index(next.c, 0, 0), index(next.c, 0, 1)];
    const moved = sub(theta, mul(div(lr, c1), div(next.m, add(div(sqrt(next.v), sqrt(c2)), epsilon))));
    return {
      inputs: { [`${name}.m`]: m, [`${name}.v`]: v, [`${name}.c`]: c },
      outputs: { [`${name}'`]: moved, [`${name}.m'`]: next.m, [`${name}.v'`]: next.v, [`${name}.c'`]: next.c },
      state: {
        [name]: `${name}'`,
        ...Object.fromEntries(['m', 'v', 'c'].map((s) => [`${name}.${s}`, `${name}.${s}'`])),
      },
    };
  });
}
