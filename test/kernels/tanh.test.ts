/**
 * `tapir_tanh`, which programs compute with instead of WGSL's `tanh`: that one may be inaccurate near zero and overflow
 * far from it. Needs an adapter; without one everything here fails.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { helpers } from '../../engine/gpu/helpers.ts';
import { compile, type Device, input, newTape, openDevice, tanh, wgsl } from '../../engine/index.ts';
import { llvmpipe } from '../support/gpu.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device?.close());

/** `tapir_tanh` of float32 numbers. */
async function onDevice(x: Float32Array): Promise<Float32Array> {
  const { gpu } = device;
  const code = `${wgsl(helpers.tanh)}
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&x)) { x[id.x] = tapir_tanh(x[id.x]); }
}`;
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const buffer = gpu.createBuffer({ size: x.byteLength, usage });
  const back = gpu.createBuffer({ size: x.byteLength, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  gpu.queue.writeBuffer(buffer, 0, x);
  await device.scoped('tanh', async () => {
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
