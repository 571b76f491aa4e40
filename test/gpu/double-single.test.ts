/**
 * Double-single arithmetic on the adapter: spellings are proved, every row of the vocabulary keeps some 44 bits against
 * the float64 meaning of the same tape, and what has lost its error terms is refused. Needs an adapter.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Arithmetic,
  ArithmeticError,
  compile,
  type Device,
  doubleSingleOn,
  evaluate,
  firstExact,
  grad,
  graphOf,
  input,
  isExact,
  joinPairs,
  type Library,
  less,
  matmul,
  max,
  mul,
  newTape,
  type OpName,
  openDevice,
  ops,
  Program,
  splitPairs,
  sum,
  tanh,
  type Var,
} from '../../engine/index.ts';

import { casesOf, check } from '../../experiments/verify/kernels.ts';
import { doubleSingleLibrary } from '../../kernels/index.ts';

let device: Device;
let arithmetic: Arithmetic;
beforeAll(async () => {
  device = await openDevice();
  arithmetic = (await doubleSingleOn(device)).arithmetic;
});
afterAll(() => device?.close());

const wave = (count: number, step: number, scale = 1) =>
  Float64Array.from({ length: count }, (_, k) => scale * Math.sin(step * (k + 1)) + 1e-9 * Math.cos(k));

/** Largest |got - exact| over the largest |exact|, for each output. */
async function errors(
  inputs: Record<string, Var>,
  outputs: Record<string, Var>,
  values: Record<string, Float64Array>,
  { library = [], singles = [] }: { library?: Library; singles?: string[] } = {},
): Promise<Record<string, number>> {
  const plan = compile({ inputs, outputs }, { library, device: device.capabilities, arithmetic, singles });
  const program = await Program.create(device, plan);
  try {
    for (const name of Object.keys(outputs))
      program.write(name, new Array(outputs[name]!.shape.reduce((a, b) => a * b, 1)).fill(Number.NaN));
    for (const [name, data] of Object.entries(values)) program.write(name, data);
    await program.run();
    const given = Object.keys(inputs).map((name) =>
      singles.includes(name) ? Float32Array.from(values[name]!) : joinPairs(splitPairs(values[name]!)),
    );
    const exact = evaluate(graphOf(Object.values(inputs), Object.values(outputs)), given);
    const entries = await Promise.all(
      Object.keys(outputs).map(async (name, k) => {
        const got = await program.readDouble(name);
        const largest = exact[k]!.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
        const worst = exact[k]!.reduce(
          (a, b, i) => Math.max(a, Number.isNaN(got[i]!) ? Infinity : Math.abs(got[i]! - b)),
          0,
        );
        return [name, worst / largest] as const;
      }),
    );
    return Object.fromEntries(entries);
  } finally {
    program.destroy();
  }
}

describe('the proof', () => {
  it('finds a spelling whose sums and products of float32 keep their rounding errors', async () => {
    expect(await isExact(device, arithmetic)).toBe(true);
  });

  it.each([
    ['the error of a sum', 'return vec2f(s, (a - (s - t)) + (b - t));', 'return vec2f(s, 0.0);'],
    [
      'the error of a product',
      'let p = ds_hide(a * b);',
      'let p = ds_hide(a * b); if (p == p) { return vec2f(p, 0.0); }',
    ],
  ])('refuses arithmetic that has lost %s', async (_, from, to) => {
    const broken = { ...arithmetic, prelude: arithmetic.prelude!.replace(from, to) };
    expect(broken.prelude).not.toBe(arithmetic.prelude);
    expect(await isExact(device, broken)).toBe(false);
  });

  it('says what to do where no spelling survives', async () => {
    await expect(firstExact(device, [])).rejects.toThrow(ArithmeticError);
    await expect(firstExact(device, [])).rejects.toMatchObject({ remedy: expect.stringContaining('adam') });
  });

  it('writes numbers as pairs that add up to them', () => {
    const values = Float64Array.of(Math.PI, -1e-7 / 3, 0, 12345.678901234);
    const back = joinPairs(splitPairs(values));
    back.forEach((x, k) => {
      expect(Math.abs(x - values[k]!)).toBeLessThanOrEqual(2 ** -48 * Math.abs(values[k]!));
    });
  });
});

describe('every pointwise operation', () => {
  const names = (Object.keys(ops) as OpName[]).filter((name) => ops[name].kind === 'pointwise');
  /** Arguments that the operation is defined for, both sides of what it distinguishes. */
  const operands: Record<string, (n: number) => Float64Array> = {
    log: (n) => wave(n, 0.7, 4).map((x) => Math.exp(3 * x)),
    sqrt: (n) => wave(n, 0.7, 30).map((x) => x * x),
    tanh: (n) => wave(n, 0.7, 1).map((x, k) => (k % 2 ? 1e-3 : 12) * x),
    exp: (n) => wave(n, 0.7, 10),
  };

  it.each(names)('%s keeps 44 bits', async (name) => {
    const n = 300;
    const tape = newTape();
    const arity = { less: 2, where: 3, add: 2, sub: 2, mul: 2, div: 2 }[name as string] ?? 1;
    const inputs = Object.fromEntries(Array.from({ length: arity }, (_, k) => [`x${k}`, input(tape, `x${k}`, [n])]));
    const values = Object.fromEntries(
      Object.keys(inputs).map((key, k) => [key, k === 0 && operands[name] ? operands[name](n) : wave(n, 1.1 + k, 3)]),
    );
    const { y } = await errors(inputs, { y: tape.append(name, Object.values(inputs), {}) }, values);
    expect(y).toBeLessThan(2 ** -44);
  });

  it('less and where see the low part', async () => {
    const tape = newTape();
    const inputs = { a: input(tape, 'a', [2]), b: input(tape, 'b', [2]) };
    const values = { a: Float64Array.of(1, 1 + 1e-10), b: Float64Array.of(1 + 1e-10, 1) };
    const y = less(inputs.a, inputs.b);
    expect(await errors(inputs, { y }, values)).toEqual({ y: 0 });
  });
});

describe('whole tapes', () => {
  it('sums, largest elements and matrix products, of float32 inputs too', async () => {
    const tape = newTape();
    const inputs = { a: input(tape, 'a', [2, 7, 65]), b: input(tape, 'b', [2, 65, 9]), c: input(tape, 'c', [3000]) };
    const outputs = {
      product: matmul(inputs.a, inputs.b),
      gram: matmul(inputs.a, inputs.a, { tb: true }),
      rows: sum(inputs.a, [2]),
      total: sum(inputs.c),
      largest: max(inputs.c),
    };
    const values = { a: wave(910, 0.31), b: wave(1170, 0.17, 5), c: wave(3000, 0.013, 2) };
    for (const singles of [[], ['a'], ['a', 'b', 'c']])
      for (const [name, error] of Object.entries(await errors(inputs, outputs, values, { singles })))
        expect(error, `${name} with float32 ${singles}`).toBeLessThan(2 ** -42);
  });

  it('derivatives, which need no rule of their own', async () => {
    const tape = newTape();
    const inputs = { W: input(tape, 'W', [8, 5]), x: input(tape, 'x', [5, 40]) };
    const y = sum(mul(tanh(matmul(inputs.W, inputs.x)), matmul(inputs.W, inputs.x)), undefined, false);
    const [dW, dx] = grad(y, [inputs.W, inputs.x]);
    const found = await errors(inputs, { y, dW: dW!, dx: dx! }, { W: wave(40, 0.9), x: wave(200, 0.4) });
    for (const [name, error] of Object.entries(found)) expect(error, name).toBeLessThan(2 ** -42);
  });
});

describe.each(doubleSingleLibrary.map((kernel) => [kernel.name, kernel] as const))('the kernel %s', (_, kernel) => {
  it('keeps 40 bits of its meaning in every case', async () => {
    for (const { version, which } of casesOf([kernel])) {
      const result = await check(device, kernel, version, which, arithmetic);
      expect(result, result.case).toMatchObject({ ok: true });
      expect(result.skipped, result.case).toBeUndefined();
    }
  });
});
