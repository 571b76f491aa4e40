/** A plan on a device: upload, run many steps per submit, read back rarely, time by dispatch. */
import { sizeOf } from '../tape/shape.ts';
import { joinPairs, splitPairs } from './arithmetic.ts';
import { Commands } from './commands.ts';
import type { Device } from './device.ts';
import { BufferSizeError, StepCountError, UnknownValueError } from './errors.ts';
import { pipelineOf } from './pipeline.ts';
import type { Plan, PlannedValue, Slot } from './plan.ts';
import { readBuffer } from './read-back.ts';

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

/** @internal A value in device memory. */
export interface Place {
  readonly buffer: GPUBuffer;
  readonly at: number;
  readonly bytes: number;
  readonly words: number;
}

interface Ready {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
  /** What `at` holds where it goes with the commands. */
  readonly immediates: Uint32Array<ArrayBuffer> | undefined;
}

export class Program {
  readonly plan: Plan;
  /** What it is called where it makes no progress. */
  readonly label: string;
  /** @internal Whether it was never run. */
  isNew = true;
  readonly #device: Device;
  readonly #slots: readonly GPUBuffer[];
  readonly #owned: readonly GPUBuffer[];
  readonly #ready: readonly Ready[];

  private constructor(
    device: Device,
    plan: Plan,
    label: string,
    slots: readonly GPUBuffer[],
    owned: readonly GPUBuffer[],
    ready: readonly Ready[],
  ) {
    this.#device = device;
    this.plan = plan;
    this.label = label;
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
    label = 'a program',
  ): Promise<Program> {
    const { gpu } = device;
    const limit = Math.min(gpu.limits.maxStorageBufferBindingSize, gpu.limits.maxBufferSize);
    for (const slot of plan.slots)
      if (bytesOf(slot) > limit) throw new BufferSizeError(slot.names[0] ?? 'a temporary', bytesOf(slot), limit);
    const owned: GPUBuffer[] = [];
    const own = (descriptor: GPUBufferDescriptor): GPUBuffer => {
      const buffer = gpu.createBuffer(descriptor);
      owned.push(buffer);
      return buffer;
    };
    const withOffsets = plan.dispatches.filter(({ offsets, immediate }) => offsets.length > 0 && !immediate);
    const numbers = new Map(withOffsets.map((dispatch, k) => [dispatch, k]));
    const most = withOffsets.reduce((length, { offsets }) => Math.max(length, offsets.length), 1);
    const stride = Math.ceil((4 * most) / OFFSET_ALIGNMENT) * OFFSET_ALIGNMENT;
    try {
      return await device.scoped('create program', async () => {
        const slots = plan.slots.map((slot) => {
          const { names } = slot;
          const from = names.map((name) => share[name]).find((shared) => shared);
          if (from) return from.program.#bufferOf(from.name);
          return own({
            label: names.join(',') || 'temporary',
            size: Math.max(bytesOf(slot), 4),
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
            const number = numbers.get(dispatch);
            const entries: GPUBindGroupEntry[] = dispatch.bindings.map(({ slot }, k) => ({
              binding: k + (number === undefined ? 0 : 1),
              resource: { buffer: slots[slot]! },
            }));
            if (number !== undefined) {
              const place = { buffer: offsets, offset: number * stride, size: stride };
              entries.unshift({ binding: 0, resource: place });
            }
            const group = gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
            const immediates = dispatch.immediate ? Uint32Array.from(dispatch.offsets) : undefined;
            return { pipeline, group, workgroups: dispatch.workgroups, immediates };
          }),
        );
        return new Program(device, plan, label, slots, owned, ready);
      });
    } catch (error) {
      for (const buffer of owned) buffer.destroy();
      throw error;
    }
  }

  /** Uploads an input, row-major; in double-single to twice the digits of float32. */
  write(name: string, values: ArrayLike<number>): void {
    const value = this.#valueOf(name);
    const size = sizeOf(value.shape);
    if (values.length !== size) throw new UnknownValueError(`${name} takes ${size} numbers, not ${values.length}`);
    const words = this.#wordsOf(value);
    const data = words === 2 ? splitPairs(values) : Float32Array.from(values);
    this.#device.gpu.queue.writeBuffer(this.#slots[value.slot]!, 4 * words * value.at, data);
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
    if (!Number.isInteger(steps) || steps < 0)
      throw new StepCountError(`${steps} steps cannot be run: give a whole number, 0 or more`);
    const { gpu } = this.#device;
    const values = record.map((name) => this.#valueOf(name));
    const bytes = values.map((value) => this.#bytesOf(value));
    const commands = new Commands(this.#device, 'run program');
    const histories = bytes.map((size) =>
      gpu.createBuffer({
        label: 'history',
        size: Math.max(size * steps, 4),
        usage: GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
      }),
    );
    try {
      for (let done = 0; done < steps; done += STEPS_PER_SUBMIT) {
        for (let step = done; step < Math.min(done + STEPS_PER_SUBMIT, steps); step++) {
          const { before = [], after = [] } = around(step);
          for (const program of [...before, this, ...after]) {
            const handed = commands.run(program);
            if (handed) await handed;
          }
          values.forEach((value, k) => {
            const from = 4 * this.#wordsOf(value) * value.at;
            const into = [histories[k]!, step * bytes[k]!, bytes[k]!] as const;
            commands.encoder().copyBufferToBuffer(this.#slots[value.slot]!, from, ...into);
          });
        }
        await commands.submit();
      }
      const results = await Promise.all(
        histories.map((buffer, k) => readBuffer(this.#device, buffer, 0, bytes[k]! * steps)),
      );
      if (record.length === 0) await this.#device.scoped('run program', () => gpu.queue.onSubmittedWorkDone());
      const rounded = results.map((data, k) => (this.#wordsOf(values[k]!) === 2 ? highs(data) : data));
      return Object.fromEntries(record.map((name, k) => [name, rounded[k]!]));
    } finally {
      for (const buffer of histories) buffer.destroy();
    }
  }

  /** An input or output as it is now, row-major; of double-single what float32 holds. */
  async read(name: string): Promise<Float32Array> {
    const value = this.#valueOf(name);
    const words = this.#wordsOf(value);
    const data = await readBuffer(this.#device, this.#slots[value.slot]!, 4 * words * value.at, this.#bytesOf(value));
    return words === 2 ? highs(data) : data;
  }

  /** An input or output in double-single as it is now, row-major. */
  async readDouble(name: string): Promise<Float64Array> {
    const value = this.#valueOf(name);
    const words = this.#wordsOf(value);
    const data = await readBuffer(this.#device, this.#slots[value.slot]!, 4 * words * value.at, this.#bytesOf(value));
    return words === 2 ? joinPairs(data) : Float64Array.from(data);
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
      this.#ready.forEach((ready, k) => {
        const pass = encoder.beginComputePass({
          timestampWrites: { querySet: queries, beginningOfPassWriteIndex: 2 * k, endOfPassWriteIndex: 2 * k + 1 },
        });
        dispatch(pass, ready);
        pass.end();
      });
      encoder.resolveQuerySet(queries, 0, 2 * count, buffer, 0);
      this.#device.submit(encoder.finish(), `${this.label}, timed`);
      const stamps = new BigUint64Array((await readBuffer(this.#device, buffer, 0, 16 * count)).buffer);
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

  /** @internal Puts its dispatches into a pass, or one of them. */
  encode(pass: GPUComputePassEncoder, one?: number): void {
    for (const ready of one === undefined ? this.#ready : [this.#ready[one]!]) dispatch(pass, ready);
  }

  /** @internal Where a value lies, in bytes, and how many float32 make up an element. */
  placeOf(name: string): Place {
    const value = this.#valueOf(name);
    const words = this.#wordsOf(value);
    return { buffer: this.#bufferOf(name), at: 4 * words * value.at, bytes: this.#bytesOf(value), words };
  }

  #valueOf(name: string): PlannedValue {
    const value = this.plan.outputs[name] ?? this.plan.inputs[name];
    if (!value) {
      const known = [...Object.keys(this.plan.inputs), ...Object.keys(this.plan.outputs)];
      throw new UnknownValueError(`the program has no value ${name}; it has ${known.join(', ')}`);
    }
    return value;
  }

  #wordsOf({ slot }: PlannedValue): number {
    return this.plan.slots[slot]!.words ?? 1;
  }

  #bytesOf(value: PlannedValue): number {
    return 4 * this.#wordsOf(value) * sizeOf(value.shape);
  }

  #bufferOf(name: string): GPUBuffer {
    return this.#slots[this.#valueOf(name).slot]!;
  }
}

function dispatch(pass: GPUComputePassEncoder, { pipeline, group, workgroups, immediates }: Ready): void {
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  if (immediates) pass.setImmediates(0, immediates);
  pass.dispatchWorkgroups(...workgroups);
}

/** What float32 holds of pairs. */
export const highs = (pairs: Float32Array): Float32Array => pairs.filter((_, k) => k % 2 === 0);

const bytesOf = ({ elements, words = 1 }: Slot): number => 4 * words * elements;

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}
