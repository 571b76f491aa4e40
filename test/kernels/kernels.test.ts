/**
 * Every kernel of the library against its meaning, and the check against kernels with mistakes. `tapir check` runs all
 * cases; here are a few of each. Needs an adapter; without one everything here fails.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Call,
  calledBy,
  type Device,
  type Grid,
  input,
  type Kernel,
  newTape,
  openDevice,
  type Version,
} from '../../engine/index.ts';
import { stridesOf } from '../../engine/tape/shape.ts';
import { check } from '../../experiments/verify/kernels.ts';
import { library } from '../../kernels/index.ts';
import { leastAdapter, llvmpipe } from '../support/gpu.ts';

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

describe.each(library.map((kernel) => ({ name: kernel.name, kernel })))('$name', ({ kernel }) => {
  it('has versions, each with a reason of its own, of which the first can do everything', () => {
    expect(kernel.versions.length).toBeGreaterThanOrEqual(2);
    expect(new Set(kernel.versions.map(({ name }) => name)).size).toBe(kernel.versions.length);
    expect(new Set(kernel.versions.map(({ why }) => why)).size).toBe(kernel.versions.length);
    for (const { why } of kernel.versions) expect(why.length).toBeGreaterThan(20);
    const [first] = kernel.versions;
    for (const which of kernel.cases)
      for (const adapter of [llvmpipe, leastAdapter])
        expect(first!.supports(callOf(kernel, which), adapter), JSON.stringify(which)).toBe(true);
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

/** A kernel with a mistake in the shaders of one version. Throws where there is nothing to replace. */
function mistaken(name: string, version: string, wrong: (grid: Grid) => string): { kernel: Kernel; version: Version } {
  const right = library.find((kernel) => kernel.name === name)!;
  const versions = right.versions.map((each): Version => {
    if (each.name !== version) return each;
    const build: Version['build'] = (call, capabilities) => {
      const made = each.build(call, capabilities);
      const stages = made.stages.map((grids) => grids.map((grid) => ({ ...grid, code: wrong(grid) })));
      const codes = (all: readonly (readonly Grid[])[]) => all.flat().map(({ code }) => code);
      if (String(codes(stages)) === String(codes(made.stages))) throw new Error('nothing was replaced');
      return { ...made, stages };
    };
    return { ...each, build };
  });
  const kernel = { ...right, versions };
  return { kernel, version: versions.find((each) => each.name === version)! };
}

const replace = (from: string | RegExp, to: string) => (grid: Grid) => grid.code.replace(from, to);

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
    const { kernel, version } = mistaken(name, which, wrong);
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
