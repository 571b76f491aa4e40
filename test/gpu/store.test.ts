/** What the compiler stores and what it computes again: no cliff in time, in code, in buffers or in work. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  add,
  compile,
  concat,
  type Device,
  div,
  exp,
  grad,
  input,
  mul,
  newTape,
  openDevice,
  type Plan,
  reshape,
  type Source,
  sin,
  sizeOf,
  slice,
  sub,
  sum,
  tanh,
  type Var,
} from '../../engine/index.ts';
import { deviations, leastAdapter, llvmpipe, outputsOf } from '../support/gpu.ts';
import { generator, uniform } from '../support/tensors.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device?.close());

const random = generator(29);

async function check(source: Source): Promise<void> {
  const given = Object.fromEntries(
    Object.entries(source.inputs).map(([name, { shape }]) => [name, uniform([sizeOf(shape)], random).data]),
  );
  expect(deviations(source, given, await outputsOf(device, source, [], given))).toEqual([]);
}

/** A value made from `x` [size] by `steps` repetitions of `next`. */
function repeated(size: number, steps: number, next: (y: Var) => Var): { x: Var; y: Var } {
  const tape = newTape();
  const x = input(tape, 'x', [size]);
  let y: Var = x;
  for (let k = 0; k < steps; k++) y = next(y);
  return { x, y };
}

const plan = (source: Source, capabilities = llvmpipe): Plan => compile(source, { library: [], device: capabilities });
const codeOf = ({ dispatches }: Plan) => dispatches.map(({ code }) => code).join('');

describe('a value that is used twice', () => {
  it('is written once, however often that repeats', async () => {
    const { x, y } = repeated(5, 22, (v) => mul(v, v));
    const source = { inputs: { x }, outputs: { y } };
    expect(codeOf(plan(source)).match(/ \* /g)!.length).toBeLessThan(30);
    await check(source);
  });

  it('is written once in the gradient of Newton steps too', () => {
    const { x, y } = repeated(5, 6, (v) => sub(v, div(sub(mul(mul(v, v), v), exp(v)), sub(mul(3, mul(v, v)), exp(v)))));
    const [g] = grad(sum(y, undefined, false), [x]);
    const source = { inputs: { x }, outputs: { y, g: g! } };
    expect(codeOf(plan(source)).length).toBeLessThan(20_000);
  });

  it('is stored where it is dear and used at other indices', () => {
    const tape = newTape();
    const [x, y] = [input(tape, 'x', [3000]), input(tape, 'y', [3000])];
    let f: Var = x;
    for (let k = 0; k < 40; k++) f = sin(f);
    const source = { inputs: { x, y }, outputs: { z: add(reshape(f, [3000, 1]), y) } };
    const { dispatches } = plan(source);
    const sines = dispatches.map(({ code }) => code.match(/= tapir_sin\(/g)?.length ?? 0);
    expect(sines).toEqual([40, 0]);
    expect(dispatches[0]!.workgroups).toEqual([Math.ceil(3000 / 64), 1, 1]);
  });
});

describe('neighbours of neighbours', () => {
  /** Second differences with zeros at the ends. */
  const laplacian = (u: Var): Var => {
    const [n] = u.shape as [number];
    const inner = add(slice(u, 0, 0, n - 2), sub(slice(u, 0, 2, n), mul(2, slice(u, 0, 1, n - 1))));
    const edge = mul(0, slice(u, 0, 0, 1));
    return concat([edge, mul(0.25, inner), edge], 0);
  };

  it('take code in proportion', async () => {
    const { x, y } = repeated(80, 12, (u) => add(u, laplacian(tanh(u))));
    const source = { inputs: { x }, outputs: { y } };
    expect(codeOf(plan(source)).length).toBeLessThan(40_000);
    await check(source);
  });
});

describe('many buffers', () => {
  it.each([
    ['16 buffers', llvmpipe],
    ['8 buffers', leastAdapter],
  ])('are read a few at a time: %s', async (_, capabilities) => {
    const { x, y } = repeated(7, 40, (v) => sub(v, sum(sin(v))));
    const source = { inputs: { x }, outputs: { y } };
    for (const { bindings } of plan(source, capabilities).dispatches)
      expect(bindings.length).toBeLessThanOrEqual(capabilities.maxStorageBuffers);
  });

  it('make one value from any number of inputs', async () => {
    const tape = newTape();
    const names = Array.from({ length: 50 }, (_, k) => `x${k}`);
    const inputs = Object.fromEntries(names.map((name) => [name, input(tape, name, [6])] as const));
    const all = Object.values(inputs);
    const outputs = { total: all.map(sin).reduce(add), together: concat(all.map(tanh), 0) };
    const source = { inputs, outputs };
    for (const { bindings } of plan(source, leastAdapter).dispatches) expect(bindings.length).toBeLessThanOrEqual(8);
    await check(source);
  });
});

describe('a long chain', () => {
  it('and its gradient are as many dispatches as a shader has room for', () => {
    const { x, y } = repeated(3, 3000, (v) => sin(mul(1.01, v)));
    const [g] = grad(sum(y, undefined, false), [x]);
    const { dispatches } = plan({ inputs: { x }, outputs: { y, g: g! } });
    expect(dispatches.length).toBeGreaterThan(5);
    expect(dispatches.length).toBeLessThan(150);
    for (const { code } of dispatches) expect(code.length).toBeLessThan(200_000);
  });

  it('computes what it means', async () => {
    const { x, y } = repeated(3, 40, (v) => sin(mul(1.01, v)));
    const [g] = grad(sum(y, undefined, false), [x]);
    await check({ inputs: { x }, outputs: { y, g: g! } });
  });
});
