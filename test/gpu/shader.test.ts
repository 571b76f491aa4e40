/** Pieces of work that share a dispatch: what shares one, and that each still computes what it did alone. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pack } from '../../engine/gpu/pack.ts';
import type { Names, Piece } from '../../engine/gpu/shader.ts';
import {
  add,
  type Capabilities,
  compile,
  concat,
  type Device,
  evaluate,
  graphOf,
  input,
  matmul,
  max,
  mul,
  newTape,
  openDevice,
  type Plan,
  Program,
  sin,
  sizeOf,
  slice,
  sqrt,
  square,
  sum,
  type Var,
} from '../../engine/index.ts';
import { hyperparametersFor } from '../../experiments/training/hyperparameters.ts';
import { stepSource } from '../../experiments/training/tapes.ts';
import { library } from '../../kernels/index.ts';
import { resolveParameters, seeded, thermoelasticity } from '../../systems/index.ts';
import { leastAdapter, llvmpipe, poison } from '../support/gpu.ts';
import { generator, relative, uniform } from '../support/tensors.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device?.close());

/** This adapter as if it were a GPU: nothing stands apart for the sake of a slow shader compiler. */
const asGpu = (): Capabilities => ({ ...device.capabilities, software: false });

const random = generator(17);

type Values = Record<string, ArrayLike<number>>;
const valuesFor = (inputs: Readonly<Record<string, Var>>): Values =>
  Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, uniform([sizeOf(shape)], random).data]));

async function outputsOf(plan: Plan, values: Values): Promise<Record<string, Float32Array>> {
  const program = await Program.create(device, plan);
  try {
    poison(program);
    for (const [name, data] of Object.entries(values)) program.write(name, data);
    return await program.run(1, Object.keys(plan.outputs));
  } finally {
    program.destroy();
  }
}

const pick = (values: Values, of: object): Values =>
  Object.fromEntries(Object.entries(values).filter(([name]) => name in of));

/** Runs a plan for outputs and holds them against the tape. */
async function check(plan: Plan, inputs: Readonly<Record<string, Var>>, outputs: Readonly<Record<string, Var>>) {
  const values = valuesFor(inputs);
  const exact = evaluate(graphOf(Object.values(inputs), Object.values(outputs)), Object.values(values));
  const got = await outputsOf(plan, values);
  Object.keys(outputs).forEach((name, k) => {
    expect(relative([...got[name]!], [...exact[k]!]), name).toBeLessThan(1e-5);
  });
}

describe('what does not depend on each other', () => {
  it('shares a dispatch: products of several versions and shapes, a map, a reduction', async () => {
    const tape = newTape();
    const [a, b, c] = [
      [33, 40],
      [40, 21],
      [3, 5, 6],
    ].map((shape, k) => input(tape, 'abc'[k]!, shape)) as [Var, Var, Var];
    const inputs = { a, b, c };
    const outputs = {
      tiled: matmul(a, b),
      simple: matmul(c, c, { tb: true }),
      map: add(sin(a), 1),
      reduced: sum(mul(c, c), [2]),
    };
    const plan = compile({ inputs, outputs }, { library, device: asGpu() });
    expect(plan.dispatches).toHaveLength(1);
    expect(plan.dispatches[0]!.kernel).toBe('matmul.tile + matmul.simple + generated');
    await check(plan, inputs, outputs);
  });

  it('is written once where it differs in the starts of its operands only', async () => {
    const tape = newTape();
    const x = input(tape, 'x', [3, 2, 7, 9]);
    const y = input(tape, 'y', [3, 2, 9, 11]);
    const part = (v: Var, k: number) => tape.append('slice', [v], { axis: 0, start: k, stop: k + 1 });
    const product = tape.append(
      'concat',
      [0, 1, 2].map((k) => matmul(part(x, k), part(y, 2 - k))),
      { axis: 0 },
    );
    const plan = compile({ inputs: { x, y }, outputs: { product } }, { library, device: asGpu() });
    expect(plan.dispatches).toHaveLength(1);
    expect(plan.dispatches[0]!.code.match(/fn piece/g)).toHaveLength(1);
    await check(plan, { x, y }, { product });
  });

  it('shares it up to a number of pieces: code can choose between so many', async () => {
    const tape = newTape();
    const [x, w] = [input(tape, 'x', [300, 4]), input(tape, 'w', [4, 4])];
    const products = Array.from({ length: 150 }, (_, k) => matmul(slice(x, 0, 2 * k, 2 * k + 2), w));
    const [inputs, outputs] = [{ x, w }, { y: concat(products, 0) }];
    const plan = compile({ inputs, outputs }, { library: [], device: asGpu() });
    expect(plan.dispatches).toHaveLength(3);
    await check(plan, inputs, outputs);
  });

  it('is split where an adapter has too few buffers for it', async () => {
    const tape = newTape();
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const inputs = Object.fromEntries(names.map((name) => [name, input(tape, name, [20, 20])]));
    const all = Object.values(inputs);
    const outputs = Object.fromEntries([0, 2, 4].map((k) => [`y${k}`, matmul(all[k]!, all[k + 1]!)]));
    const within = (maxStorageBuffers: number) =>
      compile({ inputs, outputs }, { library, device: { ...asGpu(), maxStorageBuffers } });
    expect(within(9).dispatches).toHaveLength(1);
    expect(within(8).dispatches).toHaveLength(2);
    expect(within(5).dispatches).toHaveLength(3);
    await check(within(8), inputs, outputs);
  });
});

describe('pieces', () => {
  const piece = (of: Partial<Piece> & { name: string }): Piece => ({
    code: (names) => `${names[of.name]}[at.${of.name} + thread] = 1.0;`,
    bound: [{ label: of.name, root: of.name.charCodeAt(0), access: 'read_write', at: 0 }],
    threads: 64,
    groups: [1, 1, 1],
    scopes: [],
    kernel: of.name,
    flops: 0,
    bytes: 0,
    ...of,
  });
  const kernels = (...all: Piece[]) =>
    pack(
      all.map((each) => [each]),
      leastAdapter,
      () => false,
    ).map(({ kernel }) => kernel);
  const shared = (length: number) => ({ x: { of: 'vec4f', length } }) as const;

  it('share a dispatch where workgroups are of one size or parts of it', () => {
    expect(kernels(piece({ name: 'a' }), piece({ name: 'b', threads: 8 }))).toEqual(['a + b']);
    expect(kernels(piece({ name: 'a' }), piece({ name: 'b', threads: 48 }))).toEqual(['a', 'b']);
  });

  it('with a barrier are not made parts of a larger workgroup', () => {
    const waiting = {
      name: 'b',
      barriers: true,
      code: (names: Names) => ['workgroupBarrier();', `${names['b']}[at.b + thread] = 1.0;`],
    };
    expect(kernels(piece({ name: 'a' }), piece(waiting))).toHaveLength(1);
    expect(kernels(piece({ name: 'a' }), piece({ ...waiting, threads: 8 }))).toHaveLength(2);
  });

  it('use workgroup memory one after the other, within the limit', () => {
    expect(
      kernels(piece({ name: 'a', shared: shared(1024) }), piece({ name: 'b', shared: shared(1024) })),
    ).toHaveLength(1);
    const other = { y: { of: 'f32', length: 4000 } } as const;
    expect(kernels(piece({ name: 'a', shared: shared(1024) }), piece({ name: 'b', shared: other }))).toHaveLength(2);
  });

  it('of equal kind are one function; workgroups say which', () => {
    const like = (at: number) =>
      piece({ name: 'a', groups: [3, 2, 1], bound: [{ label: 'a', root: 1, access: 'read_write', at }] });
    const [draft, ...rest] = pack([[like(0)], [like(100)]], leastAdapter, () => false);
    expect(rest).toEqual([]);
    expect(draft!.workgroups).toEqual([12, 1, 1]);
    expect(draft!.offsets).toEqual([0, 100]);
    expect(draft!.code.match(/fn piece/g)).toHaveLength(1);
  });

  it('of more workgroups than a dispatch has along x go on in rows', () => {
    const wide = (name: string) => piece({ name, groups: [70000, 1, 1] });
    expect(pack([[wide('a')]], leastAdapter, () => false)[0]!.workgroups).toEqual([65535, 2, 1]);
    expect(pack([[wide('a')], [wide('b')]], leastAdapter, () => false)[0]!.workgroups).toEqual([65535, 3, 1]);
    const deep = piece({ name: 'a', groups: [2, 3, 70000] });
    expect(pack([[deep]], leastAdapter, () => false)[0]!.workgroups).toEqual([65535, 7, 1]);
    expect(pack([[deep]], leastAdapter, () => false)[0]!.code).toContain('if (index >= 420000u) { return; }');
  });
});

describe('a long reduction', () => {
  const source = () => {
    const tape = newTape();
    const [x, y] = [input(tape, 'x', [3, 777]), input(tape, 'y', [3, 777])];
    const largest = max(x, [1]);
    return { inputs: { x, y }, outputs: { largest, total: sum(mul(x, y), [1]), after: sqrt(sum(square(y), [1])) } };
  };

  it('crosses the lanes of a software adapter without barriers, and threads of a GPU with them', async () => {
    const { inputs, outputs } = source();
    for (const [capabilities, code] of [
      [device.capabilities, device.capabilities.software ? /subgroupShuffleXor/ : /workgroupBarrier/],
      [asGpu(), /workgroupBarrier/],
    ] as const) {
      const plan = compile({ inputs, outputs }, { library, device: capabilities });
      expect(plan.dispatches).toHaveLength(1);
      expect(plan.dispatches[0]!.code).toMatch(code);
      await check(plan, inputs, outputs);
    }
  });

  it('is the same beside other work, in parts of larger workgroups', async () => {
    const { inputs, outputs } = source();
    const alone = compile({ inputs, outputs }, { library, device: device.capabilities });
    const z = input(inputs.x.tape, 'z', [500]);
    const more = { inputs: { ...inputs, z }, outputs: { ...outputs, w: sin(z) } };
    const shared = compile(more, { library, device: device.capabilities });
    expect(shared.dispatches).toHaveLength(1);
    const values = valuesFor(more.inputs);
    const [one, other] = [await outputsOf(alone, pick(values, inputs)), await outputsOf(shared, values)];
    for (const name of Object.keys(outputs)) expect([...other[name]!], name).toEqual([...one[name]!]);
  });
});

describe('a SOAP step', () => {
  const parameters = resolveParameters(thermoelasticity);
  const hyperparameters = hyperparametersFor(thermoelasticity, { optimizer: 'soap', weighting: 'grad-norm' });
  const options = { ...hyperparameters, problem: seeded(thermoelasticity, parameters, [42]) };

  it('takes at most 24 dispatches', () => {
    const { source } = stepSource(options);
    for (const capabilities of [llvmpipe, asGpu()])
      expect(compile(source, { library, device: capabilities }).dispatches.length).toBeLessThanOrEqual(24);
  });

  it('is the same packed either way, up to the order of sums', async () => {
    const { source } = stepSource({
      ...hyperparameters,
      problem: seeded(thermoelasticity, parameters, [42], { hidden: 2, width: 16 }),
    });
    const values = valuesFor(source.inputs);
    // Averages of squares are not negative, nor are corrections of bias.
    values['theta.v'] = Array.from(values['theta.v']!, Math.abs);
    values['settings'] = [0.9, 0.99, 1e-3];
    values['theta.c'] = [0.5, 0.2];
    const versions = { dense_jet: 'simple', 'vjp(dense_jet)': 'simple', matmul: 'simple' };
    const [software, gpu] = [
      await outputsOf(compile(source, { library, versions, device: device.capabilities }), values),
      await outputsOf(compile(source, { library, versions, device: asGpu() }), values),
    ];
    for (const name of Object.keys(source.outputs))
      expect(relative([...gpu[name]!], [...software[name]!]), name).toBeLessThan(1e-6);
  });
});

describe('starts of operands', () => {
  const source = () => {
    const problem = seeded(thermoelasticity, resolveParameters(thermoelasticity), [1], { hidden: 1, width: 8 });
    return stepSource({ ...hyperparametersFor(thermoelasticity, { optimizer: 'soap', weighting: 'none' }), problem })
      .source;
  };
  const planFor = (immediates: number) =>
    compile(source(), { library, device: { ...device.capabilities, immediates } });

  it('go with the commands where they fit, in a buffer otherwise', () => {
    const withStarts = planFor(64).dispatches.filter(({ offsets }) => offsets.length > 0);
    for (const { offsets, immediate, code } of withStarts) {
      expect(immediate).toBe(offsets.length <= 16);
      expect(code).toContain(immediate ? 'var<immediate> at: At;' : '@binding(0) var<uniform> at: At;');
    }
    expect(withStarts.some(({ immediate }) => immediate)).toBe(true);
    expect(planFor(0).dispatches.some(({ immediate }) => immediate)).toBe(false);
    expect(planFor(4).dispatches.every(({ offsets, immediate }) => !immediate || offsets.length === 1)).toBe(true);
  });

  it('are the same either way', async () => {
    const offered = device.capabilities.immediates ?? 0;
    const [withCommands, inBuffers] = [planFor(offered), planFor(0)];
    const values = valuesFor(source().inputs);
    expect(await outputsOf(withCommands, values)).toEqual(await outputsOf(inBuffers, values));
  });
});
