/**
 * Functions that programs compute with instead of WGSL's own, which may be inaccurate near zero, overflow far from it
 * (tanh), lose all digits next to 1 (log) or outside [-pi, pi] (sin, cos). Needs an adapter; without one everything here
 * fails.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { helpers } from '../../engine/gpu/helpers.ts';
import { add, compile, cos, type Device, input, newTape, openDevice, sin, tanh, wgsl } from '../../engine/index.ts';
import type { Helper } from '../../engine/tape/ops.ts';
import { llvmpipe } from '../support/gpu.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device?.close());

/** A helper function of float32 numbers. */
async function onDevice(x: Float32Array, name: Helper = 'tanh'): Promise<Float32Array> {
  const { gpu } = device;
  const code = `${wgsl(helpers[name])}
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&x)) { x[id.x] = tapir_${name}(x[id.x]); }
}`;
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const buffer = gpu.createBuffer({ size: x.byteLength, usage });
  const back = gpu.createBuffer({ size: x.byteLength, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  gpu.queue.writeBuffer(buffer, 0, x);
  await device.scoped(name, async () => {
    const module = gpu.createShaderModule({ code });
    const pipeline = await gpu.createComputePipelineAsync({ layout: 'auto', compute: { module } });
    const encoder = gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    const entries = [{ binding: 0, resource: { buffer } }];
    pass.setBindGroup(0, gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
    pass.dispatchWorkgroups(Math.ceil(x.length / 64));
    pass.end();
    encoder.copyBufferToBuffer(buffer, 0, back, 0, x.byteLength);
    gpu.queue.submit([encoder.finish()]);
    await back.mapAsync(GPUMapMode.READ);
  });
  const result = new Float32Array(back.getMappedRange().slice(0));
  buffer.destroy();
  back.destroy();
  return result;
}

const grid = Float32Array.from({ length: 200_001 }, (_, k) => (k - 100_000) / 1000);
const powers = Float32Array.from({ length: 2 * 165 * 8 }, (_, k) => {
  const size = 2 ** (-37 + Math.floor(k / 16) * 0.5) * (1 + ((k >> 1) % 8) / 8);
  return k % 2 ? -size : size;
});
const tiny = Float32Array.of(1e-37, 1e-30, 1e-20, 1e-12);
const huge = Float32Array.of(9, 10, 44.5, 88.8, 89, 100, 1e4, 1e10, 3e38, Infinity);
const positive = [...tiny, ...huge];
const x = Float32Array.from([
  ...positive,
  ...positive.map((v) => -v),
  ...powers.filter((v) => Math.abs(v) < 3e38),
  ...grid,
]);

/** The distance between float32 numbers next to `y`. */
const ulp = (y: number) => 2 ** (Math.floor(Math.log2(Math.abs(y))) - 23);
/** What the comment in `helpers.ts` promises. */
const BOUND = 5;

it(`is right to ${BOUND} ulp from the tiniest to the largest number, odd, and within [-1,1]`, async () => {
  const y = await onDevice(x);
  let worst = { ulps: 0, x: 0, y: 0 };
  y.forEach((value, k) => {
    const exact = Math.tanh(x[k]!);
    const ulps = exact === 0 ? Math.abs(value) : Math.abs(value - exact) / ulp(exact);
    // Written so that NaN is the worst.
    if (!(ulps <= worst.ulps)) worst = { ulps, x: x[k]!, y: value };
  });
  expect(worst.ulps, JSON.stringify(worst)).toBeLessThanOrEqual(BOUND);
  expect(y.filter((value) => Math.abs(value) > 1)).toHaveLength(0);
  positive.forEach((v, k) => {
    if (v >= 10) expect([y[k], y[positive.length + k]], String(v)).toEqual([1, -1]);
  });

  const mirrored = await onDevice(x.map((value) => -value));
  expect(mirrored.findIndex((value, k) => value !== -y[k]!)).toBe(-1);
});

it('keeps zero and NaN: a run that diverges is seen to', async () => {
  const y = await onDevice(Float32Array.of(0, -0, Number.NaN));
  expect([...y].map((value) => value + 0)).toEqual([0, 0, Number.NaN]);
});

it('is what programs compute with', () => {
  const tape = newTape();
  const a = input(tape, 'a', [3]);
  const y = tanh(a);
  const plan = compile({ inputs: { a }, outputs: { y } }, { library: [], device: llvmpipe });
  expect(plan.dispatches[0]!.code).toContain(wgsl(helpers.tanh));
});

/** Float32 numbers of every size from 2^from to 2^to, `per` to a power of two. */
const sizes = (from: number, to: number, per: number): number[] =>
  Array.from({ length: (to - from) * per }, (_, k) => {
    const [power, part] = [from + Math.floor(k / per), ((k % per) * 0.6180339887) % 1];
    return Math.fround(2 ** power * (1 + part));
  });
const both = (x: readonly number[]): number[] => [...x, ...x.map((v) => -v)];

/** How far f(x) is from `exact`: the worst in ulp of the exact value, and the worst absolute difference. */
async function deviation(name: Helper, x: readonly number[], exact: (v: number) => number) {
  const points = Float32Array.from(x);
  const y = await onDevice(points, name);
  let worst = { ulps: 0, absolute: 0, at: 0 };
  y.forEach((value, k) => {
    const right = exact(points[k]!);
    const absolute = Math.abs(value - right);
    const ulps = absolute === 0 ? 0 : absolute / ulp(right);
    if (!(ulps <= worst.ulps)) worst = { ...worst, ulps, at: points[k]! };
    if (!(absolute <= worst.absolute)) worst = { ...worst, absolute };
  });
  return worst;
}

it('exp is right to 3 ulp wherever its result is a normal number', async () => {
  const x = both([...sizes(-40, 6, 400), ...Array.from({ length: 20_000 }, (_, k) => (k * 87) / 20_000)]);
  const within = x.filter((v) => v > -87.33 && v < 88.72);
  expect(within.length).toBeGreaterThan(50_000);
  const worst = await deviation('exp', within, Math.exp);
  expect(worst.ulps, JSON.stringify(worst)).toBeLessThanOrEqual(3);
});

it('log is right to 3 ulp from the smallest normal number to the largest, next to 1 as well', async () => {
  const around = both(sizes(-23, -1, 800)).map((d) => Math.fround(1 + d));
  const worst = await deviation('log', [...sizes(-126, 127, 300), ...around], Math.log);
  expect(worst.ulps, JSON.stringify(worst)).toBeLessThanOrEqual(3);
});

// Multiples of pi / 2 rounded to float32, where sin or cos is next to nothing.
const hard = Array.from({ length: 20_000 }, (_, k) => Math.fround(((k + 1) * Math.PI) / 2));
it.each(['sin', 'cos'] as const)('%s is right to 4 ulp for any argument whose value float64 knows', async (name) => {
  const x = both([...sizes(-40, 30, 600), ...hard]);
  const worst = await deviation(name, x, Math[name]);
  expect(worst.ulps, JSON.stringify(worst)).toBeLessThanOrEqual(4);
  expect(worst.absolute, JSON.stringify(worst)).toBeLessThanOrEqual(2 ** -23);
});

it.each(['sin', 'cos'] as const)('%s is right up to the largest number', async (name) => {
  const worst = await deviation(name, both(sizes(30, 127, 400)), Math[name]);
  expect(worst.absolute, JSON.stringify(worst)).toBeLessThanOrEqual(2 ** -23);
});

it('at the ends of float32 and for what is no number, the functions give what they should', async () => {
  const [infinity, largest] = [Number.POSITIVE_INFINITY, 3.4028234e38];
  const of = async (name: Helper, ...x: number[]) => [...(await onDevice(Float32Array.from(x), name))];
  expect(await of('exp', 0, -0, 89, largest, infinity, -200, -largest, -infinity, Number.NaN)).toEqual([
    ...[1, 1, infinity, infinity, infinity, 0, 0, 0, Number.NaN],
  ]);
  expect(await of('log', 1, 0, infinity, -1, Number.NaN)).toEqual([0, -infinity, infinity, Number.NaN, Number.NaN]);
  for (const name of ['sin', 'cos'] as const)
    expect(await of(name, infinity, -infinity, Number.NaN)).toEqual([Number.NaN, Number.NaN, Number.NaN]);
  expect((await of('sin', 0, -0)).map((v) => v + 0)).toEqual([0, 0]);
  expect(await of('cos', 0)).toEqual([1]);
});

it('a shader carries what it calls, once', () => {
  const tape = newTape();
  const a = input(tape, 'a', [3]);
  const plan = compile({ inputs: { a }, outputs: { y: add(sin(a), cos(a)) } }, { library: [], device: llvmpipe });
  const { code } = plan.dispatches[0]!;
  for (const name of ['sin', 'cos', 'quarters', 'wave'])
    expect(code.match(new RegExp(`fn tapir_${name}\\(`, 'g')), name).toHaveLength(1);
  expect(code).not.toContain('tapir_exp');
});
