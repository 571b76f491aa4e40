/** Adam on a tape against ten lines of arithmetic, and the weighting rules against their formulas (PAPER section 3). */
import { describe, expect, it } from 'vitest';
import { evaluate, graphOf, input, mul, newTape, type Source, sin, sum } from '../../engine/index.ts';
import { ADAM, adam, gradientNorms, MEMORY, reweighted, UPDATE_EVERY } from '../../optim/index.ts';

interface Settings {
  readonly lr: number;
  readonly betas: readonly [number, number];
  readonly epsilon: number;
}

/** Kingma and Ba's algorithm 1 for one number; `gradients` in order. Returns the parameter after each step. */
function reference(theta: number, gradients: readonly number[], { lr, betas: [b1, b2], epsilon }: Settings): number[] {
  let [m, v] = [0, 0];
  return gradients.map((g, k) => {
    const t = k + 1;
    m = b1 * m + (1 - b1) * g;
    v = b2 * v + (1 - b2) * g * g;
    theta -= (lr * (m / (1 - b1 ** t))) / (Math.sqrt(v / (1 - b2 ** t)) + epsilon);
    return theta;
  });
}

/** The update for [B,P] parameters as a source with gradient and learning rates among its inputs. */
function source(B: number, P: number): Source {
  const tape = newTape();
  const [theta, g] = [input(tape, 'theta', [B, P]), input(tape, 'g', [B, P])];
  const [lr, settings] = [input(tape, 'lr', [B, 1]), input(tape, 'settings', [3])];
  const update = adam('theta', theta, g, lr, settings);
  return { ...update, inputs: { theta, g, lr, settings, ...update.inputs } };
}

type State = Record<string, ArrayLike<number>>;

/** The state after one step of a source; what is no state stays. */
function stepped({ inputs, outputs, state }: Source, values: State): State {
  const names = Object.keys(outputs);
  const results = evaluate(
    graphOf(Object.values(inputs), Object.values(outputs)),
    Object.keys(inputs).map((name) => values[name]!),
  );
  const after = Object.entries(state!).map(([name, output]) => [name, results[names.indexOf(output)]!] as const);
  return { ...values, ...Object.fromEntries(after) };
}

const zero = (theta: readonly number[]): State => ({
  theta,
  'theta.m': theta.map(() => 0),
  'theta.v': theta.map(() => 0),
  'theta.c': [0, 0],
});

describe('adam', () => {
  const gradient = (step: number, k: number) => Math.sin(1.3 * step + k) * 10 ** (k - 2) + 0.3 * k;

  it.each([
    [1e-3, ADAM.betas, ADAM.epsilon],
    [3e-4, [0.95, 0.95], 1e-8],
    [0.1, [0, 0.5], 1e-3],
    [0.02, [0.99, 0.9999], 1e-15],
  ] as const)('with lr %f, betas %s and epsilon %f follows its definition for 50 steps', (lr, betas, epsilon) => {
    const start = [0.5, -1.5, 0, 2, 1e-3, -7];
    const step = source(2, 3);
    // Each row has its own rate, as stacked runs do.
    let now: State = { ...zero(start), lr: [lr, 2 * lr], settings: [...betas, epsilon] };
    const steps = Array.from({ length: 50 }, (_, s) => s);
    const expected = start.map((theta, k) =>
      reference(
        theta,
        steps.map((s) => gradient(s, k)),
        { lr: k < 3 ? lr : 2 * lr, betas, epsilon },
      ),
    );
    for (const s of steps) {
      now = stepped(step, { ...now, g: start.map((_, k) => gradient(s, k)) });
      start.forEach((_, k) => {
        expect(now['theta']![k]).toBeCloseTo(expected[k]![s]!, 11);
      });
    }
    const [b1, b2] = betas;
    expect(now['theta.c']![0]).toBeCloseTo(1 - b1 ** 50, 13);
    expect(now['theta.c']![1]).toBeCloseTo(1 - b2 ** 50, 13);
  });

  it('moves by the learning rate in the first step, against the sign of the gradient, whatever its size', () => {
    const start = [0, 0, 0, 0];
    const given = { ...zero(start), g: [1e-4, -1e4, 3, 0], lr: [0.01], settings: [0.9, 0.999, 1e-12] };
    const { theta } = stepped(source(1, 4), given);
    [-0.01, 0.01, -0.01, 0].forEach((expected, k) => {
      expect(theta![k]).toBeCloseTo(expected, 8);
    });
  });

  it('would be found wrong with the betas in the other order', () => {
    const given = { ...zero([1]), lr: [0.01], settings: [0.999, 0.9, 1e-8] };
    let now: State = given;
    const gradients = [1, -2, 3];
    for (const g of gradients) now = stepped(source(1, 1), { ...now, g: [g] });
    const expected = reference(1, gradients, { lr: 0.01, betas: [0.9, 0.999], epsilon: 1e-8 });
    expect(Math.abs(now['theta']![0]! - expected[2]!)).toBeGreaterThan(1e-4);
  });
});

describe('weighting', () => {
  /** Weights after an update from norms, for one run each row. */
  function update(weights: readonly number[][], norms: readonly number[][], memory?: number): number[] {
    const [R, K] = [weights.length, weights[0]!.length];
    const tape = newTape();
    const [w, g] = [input(tape, 'w', [R, K]), input(tape, 'g', [R, K])];
    return [...evaluate(graphOf([w, g], [reweighted(w, g, memory)]), [weights.flat(), norms.flat()])[0]!];
  }
  const close = (got: readonly number[], expected: readonly number[]) => {
    expect(got).toHaveLength(expected.length);
    got.forEach((value, k) => {
      expect(value).toBeCloseTo(expected[k]!, 13);
    });
  };

  it('turns norms into targets mean(g) / g_i, and takes a tenth of them', () => {
    // mean = 4: targets 4, 1, 4/7.
    close(update([[1, 1, 1]], [[1, 4, 7]]), [0.9 + 0.4, 0.9 + 0.1, 0.9 + 0.1 * (4 / 7)]);
    close(update([[2, 0.5, 1]], [[1, 4, 7]], 0.5), [1 + 2, 0.25 + 0.5, 0.5 + 2 / 7]);
    expect(MEMORY).toBe(0.9);
  });

  it('gives a term whose gradient has vanished the target 1, and counts it in the mean', () => {
    // mean = 3 over all three.
    close(update([[5, 1, 1]], [[0, 3, 6]]), [4.5 + 0.1, 0.9 + 0.1, 0.9 + 0.1 * 0.5]);
    close(update([[1, 1]], [[1e-31, 2]]), [1, 0.9 + 0.05]);
    close(update([[1, 7]], [[0, 0]]), [1, 6.4]);
    expect(update([[1, 1]], [[1e-29, 2]])[0]).toBeGreaterThan(9e27);
  });

  it('looks at each run by itself', () => {
    const rows = [
      [1, 2, 3],
      [30, 20, 1],
    ];
    const ones = rows.map((row) => row.map(() => 1));
    close(update(ones, rows), [...update([[1, 1, 1]], [rows[0]!]), ...update([[1, 1, 1]], [rows[1]!])]);
  });

  it('is due every 1000 steps by L2 norms, every step by the largest magnitude', () => {
    expect(UPDATE_EVERY).toEqual({ none: 0, 'grad-norm': 1000, lra: 1 });
  });

  it('takes the norms over all parameters of a run, of every stack', () => {
    // Two runs; a stack of two networks with three parameters and a stack of one with two. Losses are sums of c * theta,
    // so their gradients are the coefficients.
    const tape = newTape();
    const [a, b] = [input(tape, 'a', [4, 3]), input(tape, 'b', [2, 2])];
    const [ca, cb] = [input(tape, 'ca', [4, 3]), input(tape, 'cb', [2, 2])];
    const rows = (of: typeof a, networks: number, extent: number) =>
      sum(tape.append('reshape', [of], { shape: [2, networks * extent] }), [1]);
    const linear = tape.append('add', [rows(mul(ca, a), 2, 3), rows(mul(cb, b), 1, 2)], {});
    const other = rows(sin(b), 1, 2);
    const losses = tape.append('concat', [linear, other], { axis: 1 });
    const { l2, max, gradients } = gradientNorms(losses, [a, b]);
    const values = [
      [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
      [0, 1, 2, 3],
      [1, -2, 3, 4, 5, 6, 0, 0, 1, 0, -2, 0],
      [-9, 7, 0.5, 2],
    ];
    const [norms, largest, first] = evaluate(graphOf([a, b, ca, cb], [l2, max, gradients[0]![0]!]), values);
    const length = (...x: number[]) => Math.hypot(...x);
    const slopes = [1, Math.cos(1), Math.cos(2), Math.cos(3)] as const;
    close(
      [...norms!],
      [
        length(1, 2, 3, 4, 5, 6, 9, 7),
        length(slopes[0], slopes[1]),
        length(1, 2, 0.5, 2),
        length(slopes[2], slopes[3]),
      ],
    );
    close([...largest!], [9, 1, 2, Math.abs(slopes[3])]);
    expect([...first!]).toEqual(values[2]);
  });
});
