import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  add,
  compile,
  concat,
  type Device,
  grad,
  input,
  matmul,
  mean,
  mul,
  neg,
  newTape,
  openDevice,
  Program,
  reshape,
  type Source,
  sizeOf,
  slice,
  square,
  sub,
  sum,
  tanh,
  transpose,
} from '../../engine/index.ts';
import { library } from '../../kernels/index.ts';
import { type Architecture, jetsUpTo, network, parameterCount } from '../../systems/index.ts';
import { bitsOf, deviations, outputsOf } from '../support/gpu.ts';
import { generator, uniform } from '../support/tensors.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device?.close());

const random = generator(5);
const draw = (size: number) => Float32Array.from(uniform([size], random).data);

/** A program of this test, destroyed after `use`. */
async function withProgram<T>(source: Source, use: (program: Program) => Promise<T>): Promise<T> {
  const program = await Program.create(device, compile(source, { library: [], device: device.capabilities }));
  try {
    return await use(program);
  } finally {
    program.destroy();
  }
}

describe('a network with jets and its gradient', () => {
  /** Two fields of one coordinate at N points, a residual in first and second derivatives, its gradient. */
  function loss(N: number, width: number): Source {
    const architecture: Architecture = { inputs: 1, outputs: 1, hidden: 2, width };
    const tape = newTape();
    const theta = input(tape, 'theta', [2, parameterCount(architecture)]);
    const X = input(tape, 'X', [2, 1, N]);
    const Z = network(theta, X, architecture, jetsUpTo(2, 1));
    const channel = (field: number, c: number) => slice(slice(Z, 0, field, field + 1), 1, c, c + 1);
    const residual = sub(add(channel(0, 2), mul(channel(1, 1), channel(0, 0))), mul(2, channel(1, 2)));
    const total = mean(square(residual), undefined, false);
    const [gradient] = grad(total, [theta]);
    return { inputs: { theta, X }, outputs: { total, gradient: gradient!, jets: Z } };
  }
  const source = loss(37, 11);
  const values = (source: Source) =>
    Object.fromEntries(Object.entries(source.inputs).map(([name, v]) => [name, draw(sizeOf(v.shape))]));

  it.each(['with', 'without'])('gives the numbers of its tape %s kernels', async (kind) => {
    const given = values(source);
    const got = await outputsOf(device, source, kind === 'with' ? library : [], given);
    expect(deviations(source, given, got)).toEqual([]);
  });

  it('is found wrong where one weight is', async () => {
    const given = values(source);
    const got = await outputsOf(device, source, library, given);
    const theta = Float32Array.from(given['theta']!, (x, k) => (k === 30 ? x * 1.01 : x));
    expect(deviations(source, { ...given, theta }, got)).not.toEqual([]);
  });
});

describe('an output that is a window', () => {
  it('can be used further on: what reads it waits for what it shows', async () => {
    const tape = newTape();
    const [a, b] = [input(tape, 'a', [4, 3]), input(tape, 'b', [3, 4])];
    const flat = reshape(matmul(tanh(a), b), [16]);
    const part = slice(transpose(matmul(tanh(b), a), [1, 0]), 0, 1, 3);
    const source = {
      inputs: { a, b },
      outputs: { flat, part, loss: sum(square(flat)), further: neg(part), gradient: grad(sum(square(flat)), [a])[0]! },
    };
    const given = { a: draw(12), b: draw(12) };
    for (const kernels of [library, []])
      expect(deviations(source, given, await outputsOf(device, source, kernels, given))).toEqual([]);
  });
});

describe('state', () => {
  /** a' = -b, b' = -a, and a counter beside them. */
  function swap(): Source {
    const tape = newTape();
    const [a, b, n] = [input(tape, 'a', [67]), input(tape, 'b', [67]), input(tape, 'n', [])];
    return {
      inputs: { a, b, n },
      outputs: { "a'": neg(b), "b'": neg(a), "n'": add(n, 1) },
      state: { a: "a'", b: "b'", n: "n'" },
    };
  }

  it('can change places', async () => {
    await withProgram(swap(), async (program) => {
      const [a, b] = [draw(67), draw(67)];
      program.write('a', a);
      program.write('b', b);
      program.write('n', [0]);
      const now = async () => [bitsOf(await program.read('a')), bitsOf(await program.read('b'))];
      const minus = (x: Float32Array) => bitsOf(x.map((value) => -value));
      await program.run(1);
      expect(await now()).toEqual([minus(b), minus(a)]);
      await program.run(4);
      expect(await now()).toEqual([minus(b), minus(a)]);
      await program.run(1);
      expect(await now()).toEqual([bitsOf(a), bitsOf(b)]);
      expect([...(await program.read('n'))]).toEqual([6]);
    });
  });

  it('can change places unchanged', async () => {
    const tape = newTape();
    const [u, v] = [input(tape, 'u', [9]), input(tape, 'v', [9])];
    const source = { inputs: { u, v }, outputs: { "u'": v, "v'": u }, state: { u: "u'", v: "v'" } };
    await withProgram(source, async (program) => {
      const [a, b] = [draw(9), draw(9)];
      program.write('u', a);
      program.write('v', b);
      await program.run(3);
      expect(bitsOf(await program.read('u'))).toEqual(bitsOf(b));
      expect(bitsOf(await program.read('v'))).toEqual(bitsOf(a));
    });
  });

  it('can be put out as it was before the step, whole and in part', async () => {
    const tape = newTape();
    const q = input(tape, 'q', [4]);
    const source = {
      inputs: { q },
      outputs: { "q'": add(q, 1), old: q, head: slice(q, 0, 0, 2) },
      state: { q: "q'" },
    };
    await withProgram(source, async (program) => {
      program.write('q', [1, 2, 3, 4]);
      const { old, head } = await program.run(1, ['old', 'head']);
      expect([...old!]).toEqual([1, 2, 3, 4]);
      expect([...head!]).toEqual([1, 2]);
      expect([...(await program.read('q'))]).toEqual([2, 3, 4, 5]);
    });
  });

  it('is updated from what all of it was before the step', async () => {
    // p and q move around a circle: each needs the other's old value. The product reads elements of other indices.
    const tape = newTape();
    const [p, q, M] = [input(tape, 'p', [70]), input(tape, 'q', [70]), input(tape, 'M', [5, 5])];
    const source: Source = {
      inputs: { p, q, M },
      outputs: {
        "p'": sub(p, mul(0.1, q)),
        "q'": add(q, mul(0.1, p)),
        "M'": tanh(matmul(M, transpose(M, [1, 0]))),
        turned: transpose(M, [1, 0]),
      },
      state: { p: "p'", q: "q'", M: "M'" },
    };
    const given: Record<string, Float32Array> = { p: draw(70), q: draw(70), M: draw(25) };
    await withProgram(source, async (program) => {
      for (const [name, data] of Object.entries(given)) program.write(name, data);
      const got = await program.run(1, Object.keys(source.outputs));
      expect(deviations(source, given, got)).toEqual([]);
      const stepped = Object.fromEntries(Object.keys(given).map((name) => [name, got[`${name}'`]!]));
      expect(deviations(source, stepped, await program.run(1, Object.keys(source.outputs)))).toEqual([]);
    });
  });
});

/** Two states that lie side by side in the output `packed`, and are updated by different code. */
function descent(): Source {
  const tape = newTape();
  const [w, v, rate, x] = [
    input(tape, 'w', [3, 5]),
    input(tape, 'v', [3, 5]),
    input(tape, 'rate', []),
    input(tape, 'x', [7, 3]),
  ];
  const loss = mean(square(sub(tanh(matmul(x, w)), 0.3)), undefined, false);
  const [g] = grad(loss, [w]);
  const speed = add(mul(0.9, v), g!);
  return {
    inputs: { w, v, rate, x },
    outputs: { loss, "w'": sub(w, mul(rate, speed)), "v'": speed, packed: concat([w, v], 0) },
    state: { w: "w'", v: "v'" },
  };
}

describe('many steps', () => {
  const given = { w: draw(15), v: draw(15), rate: [0.05], x: draw(21) };
  const start = (program: Program) => {
    for (const [name, data] of Object.entries(given)) program.write(name, data);
  };

  it('in one call are the steps one by one, bit for bit, and all of them are recorded', async () => {
    await withProgram(descent(), async (program) => {
      start(program);
      // More than one submission, the last one not full.
      const steps = 130;
      const together = await program.run(steps, ['loss', "w'", 'packed']);
      start(program);
      const single: Record<string, number[]> = { loss: [], "w'": [], packed: [] };
      for (let k = 0; k < steps; k++) {
        const step = await program.run(1, Object.keys(single));
        for (const [name, list] of Object.entries(single)) list.push(...bitsOf(step[name]!));
      }
      for (const [name, list] of Object.entries(together)) expect(bitsOf(list), name).toEqual(single[name]);
      expect(together.loss).toHaveLength(steps);
      expect(together.loss.at(-1)).toBeLessThan(together.loss[0]! / 2);

      start(program);
      await program.run(steps);
      expect(bitsOf(await program.read("w'"))).toEqual(bitsOf(together["w'"]!.slice(-15)));
      expect(bitsOf(await program.read('w'))).toEqual(bitsOf(await program.read("w'")));
    });
  });

  it('are the steps of the tape', async () => {
    const source = descent();
    await withProgram(source, async (program) => {
      start(program);
      const before = await program.run(3, ["w'", "v'"]);
      const last = { w: before["w'"]!.slice(15, 30), v: before["v'"]!.slice(15, 30), rate: [0.05], x: given.x };
      const got = { "w'": before["w'"]!.slice(30), "v'": before["v'"]!.slice(30) };
      const partial = { ...source, outputs: { "w'": source.outputs["w'"]!, "v'": source.outputs["v'"]! } };
      expect(deviations(partial, last, got)).toEqual([]);
    });
  });

  it('none at all leaves everything as it is', async () => {
    await withProgram(descent(), async (program) => {
      start(program);
      await program.run(0);
      expect(bitsOf(await program.read('w'))).toEqual(bitsOf(given.w));
    });
  });
});

it('writes its own part of a buffer and nothing beside it', async () => {
  // The parts of a concat are written in place by different dispatches; sizes that are no multiples of a workgroup.
  const tape = newTape();
  const [a, b, s] = [input(tape, 'a', [5, 13]), input(tape, 'b', [13, 13]), input(tape, 's', [4, 13])];
  const canary = input(tape, 'canary', [3, 13]);
  const packed = concat([canary, matmul(a, b), canary, tanh(s), sum(square(a), [0]), canary], 0);
  const source = { inputs: { a, b, s, canary }, outputs: { packed, twice: mul(2, matmul(packed, b)) } };
  const words = Float32Array.from({ length: 39 }, (_, k) => 1e6 + k);
  const given = { a: draw(65), b: draw(169), s: draw(52), canary: words };
  const got = await outputsOf(device, source, [], given);
  for (const row of [0, 8, 16]) {
    expect(bitsOf(got['packed']!.slice(row * 13, row * 13 + 39)), `row ${row}`).toEqual(bitsOf(words));
  }
  const rest = { ...source, outputs: { packed } };
  expect(
    deviations(
      rest,
      { ...given, canary: new Float32Array(39) },
      { packed: got['packed']!.map((x) => (x >= 1e6 ? 0 : x)) },
    ),
  ).toEqual([]);
});

it('shares buffers between programs', async () => {
  const source = descent();
  const tape = newTape();
  const w = input(tape, 'w', [3, 5]);
  await withProgram(source, async (program) => {
    const plan = compile(
      { inputs: { w }, outputs: { size: sum(square(w)) } },
      { library: [], device: device.capabilities },
    );
    const looker = await Program.create(device, plan, { w: { program, name: 'w' } });
    const values = Float32Array.from({ length: 15 }, (_, k) => k);
    program.write('w', values);
    expect([...(await looker.run(1, ['size']))['size']!]).toEqual([1015]);
    looker.write('w', new Float32Array(15).fill(1));
    expect([...(await program.read('w'))]).toEqual(new Array(15).fill(1));

    // Run before every step, it sees the parameters of that step.
    program.write('v', new Float32Array(15));
    program.write('rate', [0.5]);
    program.write('x', draw(21));
    await program.run(3, [], () => ({ before: [looker] }));
    const after = await looker.read('size');
    const moved = await program.read('w');
    expect(after[0]).toBeLessThan(15);
    expect(moved.reduce((total, x) => total + x * x, 0)).toBeLessThan(after[0]!);

    looker.destroy();
    expect(await program.read('w')).toHaveLength(15);
  });
});

it('times every dispatch where the adapter has a clock', async () => {
  await withProgram(descent(), async (program) => {
    const timings = await program.profile(3);
    if (!device.gpu.features.has('timestamp-query')) return void expect(timings).toEqual([]);
    expect(timings.map(({ kernel }) => kernel)).toEqual(program.plan.dispatches.map(({ kernel }) => kernel));
    for (const { ns } of timings) expect(ns).toBeGreaterThan(0);
    for (const { ns } of timings) expect(ns).toBeLessThan(1e9);
  });
});
