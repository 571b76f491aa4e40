/** Device memory brought to the host. */
import type { Device } from './device.ts';

/** Bytes of a buffer as they are once the work handed over so far is done. */
export async function readBuffer(device: Device, source: GPUBuffer, at: number, bytes: number): Promise<Float32Array> {
  const { gpu } = device;
  const staging = stagingBuffer(gpu, bytes);
  try {
    const encoder = gpu.createCommandEncoder();
    encoder.copyBufferToBuffer(source, at, staging, 0, bytes);
    device.submit(encoder.finish(), 'copies');
    return await mapped(device, staging, bytes);
  } finally {
    staging.destroy();
  }
}

export const stagingBuffer = (gpu: GPUDevice, bytes: number): GPUBuffer =>
  gpu.createBuffer({
    label: 'read-back',
    size: Math.max(bytes, 4),
    usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
  });

/** What a staging buffer holds once the work handed over before is done. */
export async function mapped(device: Device, staging: GPUBuffer, bytes: number): Promise<Float32Array> {
  await device.scoped('read back', () => staging.mapAsync(GPUMapMode.READ));
  return new Float32Array(staging.getMappedRange().slice(0, bytes));
}
