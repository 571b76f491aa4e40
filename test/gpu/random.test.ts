/** Random tapes on the GPU against their meaning in float64. Needs an adapter; without one this fails. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  add,
  broadcast,
  concat,
  cos,
  type Device,
  div,
  exp,
  input,
  less,
  log,
  matmul,
  max,
  mul,
  neg,
  newTape,
  openDevice,
  reshape,
  sin,
  sizeOf,
  slice,
  sqrt,
  square,
  sub,
  sum,
  type Tape,
  tanh,
  transpose,
  type Var,
  where,
} from '../../engine/index.ts';
import { deviations, outputsOf } from '../support/gpu.ts';
import { generator, uniform } from '../support/tensors.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device?.close());

const random = generator(5);
const draw = (size: number) => Float32Array.from(uniform([size], random).data);

/** A value of two inputs from a list of numbers: each number chooses an operation and its operands. */
function grow(tape: Tape, choices: readonly number[], x: Var, y: Var): Var {
  const [N] = x.shape as [number];
  const values: Var[] = [x, y, sub(x, y)];
  for (const choice of choices) {
    let rest = choice;
    const take = (n: number) => {
      const taken = rest % n;
      rest = Math.floor(rest / n);
      return taken;
    };
    const kind = take(14);
    const [a, b] = [values[take(values.length)]!, values[take(values.length)]!];
    values.push(apply(kind, a, b, take));
  }
  return tape.scope('random', () => concat([values.at(-1)!, values.at(-2)!], 0));

  /** Bounded, and smooth where rounding could choose a side: only inputs are compared. */
  function apply(kind: number, a: Var, b: Var, take: (n: number) => number): Var {
    const square2 = [N, 1];
    switch (kind) {
      case 0:
        return add(a, tanh(b));
      case 1:
        return sub(tanh(a), b);
      case 2:
        return tanh(mul(a, b));
      case 3:
        return div(a, add(2, square(b)));
      case 4:
        return where(less(x, y), a, neg(b));
      case 5:
        return take(2) ? sin(tanh(a)) : cos(tanh(a));
      case 6:
        return exp(neg(square(a)));
      case 7:
        return log(add(1.5, square(tanh(b))));
      case 8:
        return sqrt(add(0.5, square(a)));
      case 9: {
        const at = take(N);
        return at === 0 ? neg(a) : concat([slice(a, 0, at, N), slice(b, 0, 0, at)], 0);
      }
      case 10:
        return broadcast(take(2) ? tanh(sum(a)) : max(a), [N]);
      case 11:
        return tanh(
          reshape(matmul(matmul(reshape(a, square2), reshape(b, square2), { tb: true }), reshape(b, square2)), [N]),
        );
      case 12:
        return tanh(reshape(sum(transpose(broadcast(reshape(a, square2), [N, 3]), [1, 0]), [0]), [N]));
      default:
        return mul(0.5, add(a, b));
    }
  }
}

it('computes random tapes of every size, over whatever the buffers held', async () => {
  // Many tapes to a program: a shader costs more than a tape.
  const sizes = [1, 7, 64, 131];
  const tapes = fc.array(fc.array(fc.nat({ max: 2 ** 31 - 1 }), { minLength: 1, maxLength: 9 }), {
    minLength: 8,
    maxLength: 8,
  });
  await fc.assert(
    fc.asyncProperty(tapes, async (all) => {
      const tape = newTape();
      const inputs: Record<string, Var> = {};
      for (const N of sizes) for (const name of ['x', 'y']) inputs[`${name}${N}`] = input(tape, `${name}${N}`, [N]);
      const outputs = Object.fromEntries(
        all.map((choices, k) => {
          const N = sizes[k % sizes.length]!;
          return [`out${k}`, grow(tape, choices, inputs[`x${N}`]!, inputs[`y${N}`]!)];
        }),
      );
      const source = { inputs, outputs };
      const given = Object.fromEntries(Object.entries(inputs).map(([name, v]) => [name, draw(sizeOf(v.shape))]));
      expect(deviations(source, given, await outputsOf(device, source, [], given))).toEqual([]);
    }),
    { numRuns: 5, seed: 11 },
  );
});
