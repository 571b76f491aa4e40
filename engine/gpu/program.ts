/** A plan on a device: upload, run many steps per submit, read back rarely, time by dispatch. */
import { UserError } from '../tape/error.ts';
import { sizeOf } from '../tape/shape.ts';
import type { Device } from './device.ts';
import { GpuError } from './errors.ts';
import type { Plan, PlannedDispatch, PlannedValue } from './plan.ts';

/** A value that needs a larger buffer than the adapter offers. */
export class BufferSizeError extends UserError {
  override readonly name = 'BufferSizeError';
  constructor(value: string, bytes: number, limit: number) {
    super(`${value} needs ${bytes} bytes; this adapter's buffers end at ${limit}: use fewer points, networks or runs`);
  }
}

/** A name that the program does not have, or data of another size than the value. */
export class UnknownValueError extends Error {
  override readonly name = 'UnknownValueError';
}

/** Steps encoded into one submission: bounds the command buffer and how long an interrupt waits. */
const STEPS_PER_SUBMIT = 100;
const OFFSET_ALIGNMENT = 256;

export interface Timing {
  readonly scope: string;
  readonly kernel: string;
  /** Nanoseconds of one execution, median over the profiled steps. */
  readonly ns: number;
  readonly flops: number;
  readonly bytes: number;
}

/** Programs that belong to a step of another. */
export interface Around {
  readonly before?: readonly Program[];
  readonly after?: readonly Program[];
}

interface Ready {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
}

const pipelines = new WeakMap<GPUDevice, Map<string, Promise<GPUComputePipeline>>>();

export class Program {
  readonly plan: Plan;
  readonly #device: Device;
  readonly #slots: readonly GPUBuffer[];
  readonly #owned: readonly GPUBuffer[];
  readonly #ready: readonly Ready[];

  private constructor(
    device: Device,
    plan: Plan,
    slots: readonly GPUBuffer[],
    owned: readonly GPUBuffer[],
    ready: readonly Ready[],
  ) {
    this.#device = device;
    this.plan = plan;
    this.#slots = slots;
    this.#owned = owned;
    this.#ready = ready;
  }

  /**
   * Creates buffers (zeroed) and pipelines. `share`: values of other programs to use as inputs of the same name and
   * size, so that several programs work on one set of parameters. Throws {@link BufferSizeError}, GpuError.
   */
  static async create(
    device: Device,
    plan: Plan,
    share: Readonly<Record<string, { program: Program; name: string }>> = {},
  ): Promise<Program> {
    const { gpu } = device;
    const limit = Math.min(gpu.limits.maxStorageBufferBindingSize, gpu.limits.maxBufferSize);
    for (const { elements, names } of plan.slots)
      if (4 * elements > limit) throw new BufferSizeError(names[0] ?? 'a temporary', 4 * elements, limit);
    const owned: GPUBuffer[] = [];
    const own = (descriptor: GPUBufferDescriptor): GPUBuffer => {
      const buffer = gpu.createBuffer(descriptor);
      owned.push(buffer);
      return buffer;
    };
    const withOffsets = plan.dispatches.filter(({ offsets }) => offsets.length > 0);
    const stride = Math.max(
      OFFSET_ALIGNMENT,
      ...withOffsets.map(({ offsets }) => Math.ceil((4 * offsets.length) / OFFSET_ALIGNMENT) * OFFSET_ALIGNMENT),
    );
    try {
      return await device.scoped('create program', async () => {
        const slots = plan.slots.map(({ elements, names }) => {
          const from = names.map((name) => share[name]).find((shared) => shared);
          if (from) return from.program.#bufferOf(from.name);
          return own({
            label: names.join(',') || 'temporary',
            size: Math.max(4 * elements, 4),
            usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
          });
        });
        const offsets = own({
          label: 'operand offsets',
          size: Math.max(stride * withOffsets.length, stride),
          usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
        });
        withOffsets.forEach((dispatch, k) => {
          gpu.queue.writeBuffer(offsets, k * stride, new Uint32Array(dispatch.offsets));
        });
        const ready = await Promise.all(
          plan.dispatches.map(async (dispatch): Promise<Ready> => {
            const pipeline = await pipelineOf(gpu, dispatch);
            const entries: GPUBindGroupEntry[] = dispatch.bindings.map(({ slot }, k) => ({
              binding: k + (dispatch.offsets.length > 0 ? 1 : 0),
              resource: { buffer: slots[slot]! },
            }));
            if (dispatch.offsets.length > 0) {
              const place = { buffer: offsets, offset: withOffsets.indexOf(dispatch) * stride, size: stride };
              entries.unshift({ binding: 0, resource: place });
            }
            const group = gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
            return { pipeline, group, workgroups: dispatch.workgroups };
          }),
        );
        return new Program(device, plan, slots, owned, ready);
      });
    } catch (error) {
      for (const buffer of owned) buffer.destroy();
      throw error;
    }
  }

  /** Uploads an input, row-major. */
  write(name: string, values: ArrayLike<number>): void {
    const value = this.#valueOf(name);
    const size = sizeOf(value.shape);
    if (values.length !== size) throw new UnknownValueError(`${name} takes ${size} numbers, not ${values.length}`);
    this.#device.gpu.queue.writeBuffer(this.#slots[value.slot]!, 4 * value.at, Float32Array.from(values));
  }

  /**
   * Runs steps; `record` names outputs whose value after every step is returned, [steps, ...shape], row-major. `around`
   * gives programs that run before and after this one in a step, counted from 0, on the buffers they share with it.
   */
  async run<Name extends string = never>(
    steps?: number,
    record?: readonly Name[],
    around?: (step: number) => Around,
  ): Promise<Record<Name, Float32Array>>;
  async run(
    steps = 1,
    record: readonly string[] = [],
    around: (step: number) => Around = () => ({}),
  ): Promise<Record<string, Float32Array>> {
    const { gpu } = this.#device;
    const values = record.map((name) => this.#valueOf(name));
    const bytes = values.map(({ shape }) => 4 * sizeOf(shape));
    const histories = bytes.map((size) =>
      gpu.createBuffer({
        label: 'history',
        size: Math.max(size * steps, 4),
        usage: GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
      }),
    );
    try {
      for (let done = 0; done < steps; done += STEPS_PER_SUBMIT) {
        const encoder = gpu.createCommandEncoder();
        let pass: GPUComputePassEncoder | null = null;
        for (let step = done; step < Math.min(done + STEPS_PER_SUBMIT, steps); step++) {
          const current: GPUComputePassEncoder = pass ?? encoder.beginComputePass();
          pass = current;
          const { before = [], after = [] } = around(step);
          const ready = [...before, this, ...after].flatMap((program) => program.#ready);
          for (const { pipeline, group, workgroups } of ready) {
            pass.setPipeline(pipeline);
            pass.setBindGroup(0, group);
            pass.dispatchWorkgroups(...workgroups);
          }
          if (record.length === 0) continue;
          pass.end();
          pass = null;
          values.forEach(({ slot, at }, k) => {
            encoder.copyBufferToBuffer(this.#slots[slot]!, 4 * at, histories[k]!, step * bytes[k]!, bytes[k]!);
          });
        }
        pass?.end();
        await this.#device.scoped('run program', () => gpu.queue.submit([encoder.finish()]));
      }
      const results = await Promise.all(histories.map((buffer, k) => this.#fetch(buffer, 0, bytes[k]! * steps)));
      if (record.length === 0) await this.#device.scoped('run program', () => gpu.queue.onSubmittedWorkDone());
      return Object.fromEntries(record.map((name, k) => [name, results[k]!]));
    } finally {
      for (const buffer of histories) buffer.destroy();
    }
  }

  /** An input or output as it is now, row-major. */
  async read(name: string): Promise<Float32Array> {
    const { slot, at, shape } = this.#valueOf(name);
    return this.#fetch(this.#slots[slot]!, 4 * at, 4 * sizeOf(shape));
  }

  /** Time of each dispatch over `steps` runs. Needs `timestamp-query`; empty where the adapter lacks it. */
  async profile(steps = 20): Promise<Timing[]> {
    const { gpu } = this.#device;
    if (!gpu.features.has('timestamp-query')) return [];
    const count = this.#ready.length;
    const queries = gpu.createQuerySet({ type: 'timestamp', count: 2 * count });
    const buffer = gpu.createBuffer({
      size: 16 * count,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
    const times: number[][] = this.#ready.map(() => []);
    for (let step = 0; step < steps; step++) {
      const encoder = gpu.createCommandEncoder();
      this.#ready.forEach(({ pipeline, group, workgroups }, k) => {
        const pass = encoder.beginComputePass({
          timestampWrites: { querySet: queries, beginningOfPassWriteIndex: 2 * k, endOfPassWriteIndex: 2 * k + 1 },
        });
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(...workgroups);
        pass.end();
      });
      encoder.resolveQuerySet(queries, 0, 2 * count, buffer, 0);
      gpu.queue.submit([encoder.finish()]);
      const stamps = new BigUint64Array((await this.#fetch(buffer, 0, 16 * count)).buffer);
      times.forEach((list, k) => {
        list.push(Number(stamps[2 * k + 1]! - stamps[2 * k]!));
      });
    }
    queries.destroy();
    buffer.destroy();
    return this.plan.dispatches.map(({ scope, kernel, flops, bytes }, k) => ({
      scope,
      kernel,
      flops,
      bytes,
      ns: median(times[k]!),
    }));
  }

  /** Bytes of device memory this program allocated itself. */
  get bytes(): number {
    return this.#owned.reduce((sum, buffer) => sum + buffer.size, 0);
  }

  destroy(): void {
    for (const buffer of this.#owned) buffer.destroy();
  }

  #valueOf(name: string): PlannedValue {
    const value = this.plan.outputs[name] ?? this.plan.inputs[name];
    if (!value) {
      const known = [...Object.keys(this.plan.inputs), ...Object.keys(this.plan.outputs)];
      throw new UnknownValueError(`the program has no value ${name}; it has ${known.join(', ')}`);
    }
    return value;
  }

  #bufferOf(name: string): GPUBuffer {
    return this.#slots[this.#valueOf(name).slot]!;
  }

  async #fetch(source: GPUBuffer, offset: number, size: number): Promise<Float32Array> {
    const { gpu } = this.#device;
    const staging = gpu.createBuffer({
      label: 'read-back',
      size: Math.max(size, 4),
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    try {
      const encoder = gpu.createCommandEncoder();
      encoder.copyBufferToBuffer(source, offset, staging, 0, size);
      gpu.queue.submit([encoder.finish()]);
      await this.#device.scoped('read back', () => staging.mapAsync(GPUMapMode.READ));
      return new Float32Array(staging.getMappedRange().slice(0, size));
    } finally {
      staging.destroy();
    }
  }
}

function pipelineOf(gpu: GPUDevice, dispatch: PlannedDispatch): Promise<GPUComputePipeline> {
  const known = pipelines.get(gpu) ?? new Map<string, Promise<GPUComputePipeline>>();
  pipelines.set(gpu, known);
  const pipeline = known.get(dispatch.code) ?? createPipeline(gpu, dispatch);
  known.set(dispatch.code, pipeline);
  return pipeline;
}

async function createPipeline(gpu: GPUDevice, dispatch: PlannedDispatch): Promise<GPUComputePipeline> {
  const label = `${dispatch.kernel} ${dispatch.scope}`.trim();
  const uniform = dispatch.offsets.length > 0 ? 1 : 0;
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
  const layout = gpu.createPipelineLayout({ bindGroupLayouts: [gpu.createBindGroupLayout({ entries })] });
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

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}
