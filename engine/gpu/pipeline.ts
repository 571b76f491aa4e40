/** Compute pipelines of dispatches, one for equal code on a device, as long as it is among those used last. */
import { GpuError } from './errors.ts';
import type { Binding, PlannedDispatch } from './plan.ts';

/** What a pipeline is made from. */
interface Shader extends Pick<PlannedDispatch, 'scope' | 'kernel' | 'code' | 'offsets' | 'immediate'> {
  readonly bindings: readonly Pick<Binding, 'access'>[];
}

/** Pipelines that a device keeps, whether programs have them or not. */
const KEPT = 256;

/** Of each device, by code, the one used last at the end. */
const pipelines = new WeakMap<GPUDevice, Map<string, Promise<GPUComputePipeline>>>();

/** Throws {@link GpuError} with the place of a mistake in the code. */
export function pipelineOf(gpu: GPUDevice, dispatch: Shader): Promise<GPUComputePipeline> {
  const known = pipelines.get(gpu) ?? new Map<string, Promise<GPUComputePipeline>>();
  pipelines.set(gpu, known);
  const pipeline = known.get(dispatch.code) ?? createPipeline(gpu, dispatch);
  known.delete(dispatch.code);
  known.set(dispatch.code, pipeline);
  const [oldest] = known.keys();
  if (known.size > KEPT && oldest !== undefined) known.delete(oldest);
  return pipeline;
}

async function createPipeline(gpu: GPUDevice, dispatch: Shader): Promise<GPUComputePipeline> {
  const label = `${dispatch.kernel} ${dispatch.scope}`.trim();
  const { offsets, immediate } = dispatch;
  const uniform = offsets.length > 0 && !immediate ? 1 : 0;
  const buffers = dispatch.bindings.map(
    ({ access }, k): GPUBindGroupLayoutEntry => ({
      binding: k + uniform,
      visibility: GPUShaderStage.COMPUTE,
      buffer: { type: access === 'read' ? 'read-only-storage' : 'storage' },
    }),
  );
  const entries: GPUBindGroupLayoutEntry[] = [
    ...(uniform ? [{ binding: 0, visibility: GPUShaderStage.COMPUTE, buffer: { type: 'uniform' as const } }] : []),
    ...buffers,
  ];
  const layout = gpu.createPipelineLayout({
    bindGroupLayouts: [gpu.createBindGroupLayout({ entries })],
    ...(immediate ? { immediateSize: 4 * offsets.length } : {}),
  });
  const module = gpu.createShaderModule({ label, code: dispatch.code });
  try {
    return await gpu.createComputePipelineAsync({ label, layout, compute: { module, entryPoint: 'main' } });
  } catch (error) {
    const { messages } = await module.getCompilationInfo();
    const wrong = messages.find(({ type }) => type === 'error');
    const detail = wrong ? `line ${wrong.lineNum}: ${wrong.message}` : (error as Error).message;
    throw new GpuError(label, 'shader', detail.trim().split('\n')[0]!);
  }
}
