/**
 * Every kernel of the library against its meaning, and the check against kernels with mistakes. `tapir check` runs all
 * cases; here are a few of each. Needs an adapter; without one everything here fails.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bytesOfShared } from '../../engine/gpu/grids.ts';
import {
  type Build,
  buildFor,
  type Call,
  type Capabilities,
  calledBy,
  type Device,
  gridCode,
  input,
  type Kernel,
  layoutOf,
  newTape,
  openDevice,
  type Version,
  wgsl,
} from '../../engine/index.ts';
import { stridesOf } from '../../engine/tape/shape.ts';
import { check } from '../../experiments/verify/kernels.ts';
import { type JetAdjointParams, library } from '../../kernels/index.ts';
import { leastAdapter, llvmpipe } from '../support/gpu.ts';
import { mistaken } from '../support/mistake.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device?.close());

/** The call of a case: operands one after the other, as they come from the tape. */
function callOf(kernel: Kernel, { params, shapes }: Kernel['cases'][0]): Call {
  const tape = newTape();
  const inputs = shapes.map((shape, k) => input(tape, `in${k}`, shape));
  const outputs = kernel.means(inputs, params);
  const layout = (shape: readonly number[]) => ({ shape, strides: stridesOf(shape) });
  const call = tape.nodes.findLast(({ op }) => op === 'composite' || op === 'matmul')!;
  return {
    params: calledBy(call).params,
    inputs: call.inputs.map((id) => layout(tape.nodes[id]!.shape)),
    outputs: outputs.map(({ shape }) => layout(shape)),
  };
}

/** Every grid of a build, with its code as text. */
const gridsOf = ({ stages, scratch }: Build, call: Call) =>
  stages.flat().map((grid) => {
    const labels = [...Object.keys({ ...grid.reads, ...grid.writes }), ...Object.keys(grid.shared ?? {})];
    const names = Object.fromEntries(labels.map((label) => [label, label]));
    return { grid, text: wgsl(gridCode(grid, names, (operand) => layoutOf(operand, call, scratch))) };
  });

describe.each(library.map((kernel) => ({ name: kernel.name, kernel })))('$name', ({ kernel }) => {
  it('has versions, each with a reason of its own, of which the first can do everything', () => {
    expect(kernel.versions.length).toBeGreaterThanOrEqual(2);
    expect(new Set(kernel.versions.map(({ name }) => name)).size).toBe(kernel.versions.length);
    expect(new Set(kernel.versions.map(({ why }) => why)).size).toBe(kernel.versions.length);
    for (const { why } of kernel.versions) expect(why.length).toBeGreaterThan(20);
    const [first] = kernel.versions;
    for (const which of kernel.cases)
      for (const adapter of [llvmpipe, leastAdapter])
        expect(buildFor(first!, callOf(kernel, which), adapter), JSON.stringify(which)).not.toBeNull();
  });

  it('has work and traffic, and cases with sizes of 1, primes and remainders of a tile', () => {
    for (const which of kernel.cases) {
      const call = callOf(kernel, which);
      expect(kernel.flops(call), JSON.stringify(which)).toBeGreaterThanOrEqual(0);
      expect(kernel.bytes(call), JSON.stringify(which)).toBeGreaterThan(0);
    }
    expect(kernel.cases.some((which) => kernel.flops(callOf(kernel, which)) > 0)).toBe(true);
    const extents = kernel.cases.flatMap(({ shapes }) => shapes.flat());
    expect(extents).toContain(1);
    expect(extents.some((n) => [3, 5, 7, 11, 13, 17, 19, 23, 31, 37, 67].includes(n))).toBe(true);
    expect(extents.some((n) => n > 8 && n % 8 !== 0)).toBe(true);
  });

  it('declares its barriers, helper functions, uniforms and subgroups, and no others', () => {
    for (const version of kernel.versions)
      for (const which of kernel.cases)
        for (const adapter of [llvmpipe, leastAdapter]) {
          const call = callOf(kernel, which);
          const build = buildFor(version, call, adapter);
          for (const { grid, text } of build ? gridsOf(build, call) : []) {
            const named = (pattern: RegExp) => [...new Set([...text.matchAll(pattern)].map(([, name]) => name))].sort();
            const {
              barriers = false,
              helpers = [],
              uniforms = {},
              subgroups = false,
              shared = {},
              reads,
              writes,
            } = grid;
            const where = `${version.name} ${grid.label ?? ''} ${JSON.stringify(which)}`;
            expect(/Barrier\(/.test(text), where).toBe(barriers);
            expect(named(/\btapir_(\w+)\(/g), where).toEqual([...helpers].sort());
            expect(/\bsubgroup[A-Z]|\blane\b/.test(text), where).toBe(subgroups);
            const operands = Object.entries({ ...reads, ...writes }).filter(([, operand]) => operand);
            expect(
              named(/(?<![.\w])(\w+)\[/g).filter((name) => !/^[as]\d/.test(name!)),
              where,
            ).toEqual(expect.arrayContaining([...operands.map(([name]) => name), ...Object.keys(shared)]));
            const starts = operands.filter(([, operand]) => !('scratch' in operand!)).map(([name]) => name);
            expect(named(/\bat\.(\w+)/g), where).toEqual(expect.arrayContaining([...starts, ...Object.keys(uniforms)]));
            expect(Math.max(...text.split('\n').map((line) => line.length)), where).toBeLessThanOrEqual(120);
          }
        }
  });

  it('means the tape it says, in every version', async () => {
    const { cases } = kernel;
    const chosen = [...new Set([0, cases.length >> 1, cases.length - 1])].map((k) => cases[k]!);
    const results = [];
    for (const version of kernel.versions)
      for (const which of chosen) results.push(await check(device, kernel, version, which));
    expect(results.filter(({ ok }) => !ok)).toEqual([]);
    expect(results.filter(({ skipped }) => !skipped).length).toBeGreaterThanOrEqual(chosen.length);
    for (const { error, skipped } of results) if (!skipped) expect(error).toBeGreaterThanOrEqual(0);
  });
});

describe('at the least limits of WebGPU', () => {
  let least: Device;
  beforeAll(async () => {
    least = await openDevice({ least: true });
  });
  afterAll(() => least?.close());

  it.each(library.map((kernel) => [kernel.name, kernel] as const))('%s means the tape it says', async (_, kernel) => {
    const { subgroups, workgroupMemory, maxInvocations, maxStorageBuffers } = least.capabilities;
    expect({ subgroups, workgroupMemory, maxInvocations, maxStorageBuffers }).toEqual({
      subgroups: false,
      workgroupMemory: 16384,
      maxInvocations: 256,
      maxStorageBuffers: 8,
    });
    const results = [];
    for (const version of kernel.versions)
      for (const which of [kernel.cases[0]!, kernel.cases.at(-1)!])
        results.push(await check(least, kernel, version, which));
    expect(results.filter(({ ok }) => !ok)).toEqual([]);
    expect(results.filter(({ skipped, version }) => skipped && version === kernel.versions[0]!.name)).toEqual([]);
  });

  it('the staged adjoint at two coordinates and width 64 asks for no more workgroup memory than there is', () => {
    const params: JetAdjointParams = { D: 2, second: true, from: 'tanh', to: 'tanh', wrt: [0, 1, 2] };
    const shapes = [
      [2, 4, 64, 200],
      [2, 64, 64],
      [2, 64],
      [2, 4, 64, 200],
    ];
    const adjoint = library.find(({ name }) => name === 'vjp(dense_jet)')!;
    const call = callOf(adjoint, { params, shapes });
    const memory = (device: Capabilities) => {
      const build = buildFor(adjoint.versions.find(({ name }) => name === 'staged')!, call, device);
      return build?.stages.flat().map(({ shared = {} }) => bytesOfShared(shared));
    };
    expect(memory(leastAdapter)).toEqual([3072, 10240]);
    expect(memory(llvmpipe)).toEqual([3072, 20480]);
    expect(memory({ ...leastAdapter, workgroupMemory: 3071 })).toBeUndefined();
    expect(memory({ ...leastAdapter, maxInvocations: 32 })).toBeUndefined();
    expect(memory({ ...leastAdapter, maxStorageBuffers: 4 })).toBeUndefined();
  });
});

/** A kernel with a mistake in the shaders of one version. */
function kernelWith(
  name: string,
  version: string,
  wrong: (code: string) => string,
): { kernel: Kernel; version: Version } {
  const right = library.find((kernel) => kernel.name === name)!;
  const versions = right.versions.map((each) => (each.name === version ? mistaken(each, wrong) : each));
  return { kernel: { ...right, versions }, version: versions.find((each) => each.name === version)! };
}

const replace = (from: string | RegExp, to: string) => (code: string) => code.replace(from, to);

describe('the check', () => {
  /** The case with one first derivative and the Laplacian between two hidden layers. */
  const inner = ({ cases }: Kernel) =>
    cases.find(
      ({ params, shapes }) =>
        String([params['D'], params['second'], params['from'], params['to']]) === '1,true,tanh,tanh' &&
        String(shapes[0]) === String([3, 3, 9, 13]),
    )!;
  /** The case with nothing but values. */
  const first = ({ cases }: Kernel) => cases[0]!;

  const mistakes = [
    ['a constant that is 1 % off', 'dense_jet', 'simple', inner, replace('2.0*', '2.02*')],
    ['a channel that is never written', 'dense_jet', 'simple', inner, replace(/y\[at\.y[^\]]*\] = a2;/, '')],
    ['a last term of the sum left out', 'dense_jet', 'simple', first, replace('d < 9u', 'd < 8u')],
    ['a point that is never written', 'dense_jet', 'simple', first, replace('n >= 13u', 'n >= 12u')],
    [
      'a row in the place of another',
      'dense_jet',
      'simple',
      first,
      replace('let row = group.y;', 'let row = group.y / 2u * 2u;'),
    ],
    ['weights that are not staged', 'dense_jet', 'staged', first, replace(/(var i = thread; i < \d+u)/, '$1 / 2u')],
    ['a broadcast from the wrong lane', 'dense_jet', 'lanes', first, replace(/(subgroupBroadcast\(w0, )3u/, '$12u')],
    ['a cotangent that is never written', 'vjp(dense_jet)', 'simple', first, replace('k == 0u', 'k == 99u')],
    ['a factor in the adjoint that is 1 % off', 'vjp(dense_jet)', 'simple', inner, replace('4.0*', '4.04*')],
  ] as const;

  it.each(mistakes)('finds %s', async (_, name, which, caseOf, wrong) => {
    const { kernel, version } = kernelWith(name, which, wrong);
    const result = await check(device, kernel, version, caseOf(kernel));
    // Another adapter may not take this version; then there is nothing to find.
    if (result.skipped) return void expect(device.info.software).toBe(false);
    expect(result.ok).toBe(false);
    expect(result.error).toBeGreaterThan(result.tolerance);
  });

  it('says so where nothing is wrong, and where a version is not for an adapter', async () => {
    const kernel = library.find(({ name }) => name === 'dense_jet')!;
    const [simple] = kernel.versions;
    expect(await check(device, kernel, simple!, first(kernel))).toMatchObject({ ok: true, kernel: 'dense_jet' });
    const never = { ...kernel.versions[1]!, supports: () => false };
    const without = { ...kernel, versions: [simple!, never] };
    expect(await check(device, without, never, first(kernel))).toMatchObject({ ok: true, skipped: expect.any(String) });
  });
});
