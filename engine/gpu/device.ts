/** A GPU: asked for what its adapter can give, errors with the name of what was being done. */
import { host } from '#host';
import { UserError } from '../tape/error.ts';
import { DeviceLostError, GpuError, NoAdapterError, StalledError } from './errors.ts';
import type { Capabilities } from './kernel.ts';
import { isSoftware, strategyFor } from './software.ts';
import { patienceFrom, Watchdog } from './watchdog.ts';

/** Used where the adapter has them; programs ask {@link Capabilities} or the device before relying on one. */
const WANTED_FEATURES = ['timestamp-query', 'subgroups', 'shader-f16'] as const satisfies readonly GPUFeatureName[];

/** How long after the first failure that comes of it the loss of a device may be told, milliseconds. */
const LOSS_TOLD_MS = 100;

const WANTED_LIMITS = [
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupsPerDimension',
] as const satisfies readonly (keyof GPUSupportedLimits)[];

export interface AdapterInfo {
  /** What the driver calls the adapter, for instance `llvmpipe (LLVM 19.1.7, 256 bits)`. */
  readonly name: string;
  readonly vendor: string;
  readonly architecture: string;
  /** A CPU that plays a GPU. */
  readonly software: boolean;
  readonly features: readonly string[];
  readonly limits: Readonly<Record<(typeof WANTED_LIMITS)[number], number>>;
  readonly subgroupMinSize: number;
  readonly subgroupMaxSize: number;
  /** Bytes that go with the commands of a dispatch. */
  readonly immediates: number;
  /** Whether shaders check that they stay within their buffers. */
  readonly boundsChecks: boolean;
}

export class Device {
  /** @internal Left out of the package's types, which need none of WebGPU's. */
  readonly gpu: GPUDevice;
  readonly info: AdapterInfo;
  readonly capabilities: Capabilities;
  /** Whether every dispatch is handed over by itself. */
  readonly singly: boolean;
  #lost: DeviceLostError | undefined;
  /** Of all who wait: what tells them that the device is lost. */
  readonly #losers = new Set<(lost: DeviceLostError) => void>();
  readonly #watchdog: Watchdog;
  #closed = false;
  /** Waits under way. */
  #waiting = 0;
  #napping = false;

  /** @internal {@link openDevice} makes one. */
  constructor(gpu: GPUDevice, info: AdapterInfo, { patience, singly = false }: Care = {}) {
    this.gpu = gpu;
    this.info = info;
    this.singly = singly;
    this.capabilities = {
      subgroups: gpu.features.has('subgroups'),
      subgroupMinSize: info.subgroupMinSize,
      subgroupMaxSize: info.subgroupMaxSize,
      workgroupMemory: gpu.limits.maxComputeWorkgroupStorageSize,
      maxInvocations: gpu.limits.maxComputeInvocationsPerWorkgroup,
      maxStorageBuffers: gpu.limits.maxStorageBuffersPerShaderStage,
      immediates: info.immediates,
      software: info.software,
    };
    this.#watchdog = new Watchdog(patience, (what, seconds) => {
      stalled++;
      host.abandon?.();
      this.#lose(new StalledError(what, seconds));
    });
    gpu.lost.then(({ reason, message }) => {
      const why = firstLine(message) || 'the driver gives no reason';
      this.#lose(new DeviceLostError(`the GPU device was lost (${reason}): ${why}`));
    });
  }

  /** @internal Hands commands over and watches them to their end; `first`: they may have to be compiled. */
  submit(commands: GPUCommandBuffer, what: string, first = false): void {
    this.gpu.queue.submit([commands]);
    this.#watchdog.watch(what, first, this.gpu.queue.onSubmittedWorkDone());
  }

  /**
   * Runs `work`; errors that the GPU reports meanwhile are thrown with the name of the scope. Throws {@link GpuError},
   * {@link DeviceLostError}.
   */
  async scoped<T>(scope: string, work: () => T | Promise<T>): Promise<T> {
    if (this.#lost) throw this.#lost;
    try {
      return await this.#inScope(scope, work);
    } catch (error) {
      if (error instanceof UserError || !(await this.#isGone())) throw error;
      throw this.#lost ?? error;
    }
  }

  /** Whether the device is lost: work under way may fail before its loss is told. */
  async #isGone(): Promise<boolean> {
    const told = new Promise<boolean>((resolve) => setTimeout(resolve, LOSS_TOLD_MS, false));
    return this.#orLost(told).catch(() => true);
  }

  #lose(lost: DeviceLostError): void {
    this.#lost ??= lost;
    this.#watchdog.stop();
    for (const tell of this.#losers) tell(this.#lost);
    this.#losers.clear();
  }

  /** What comes first, the end of `work` or the loss of the device. (A promise of the loss would keep all that ever raced it.) */
  #orLost<T>(work: Promise<T>): Promise<T> {
    if (this.#lost) return Promise.reject(this.#lost);
    return new Promise((resolve, reject) => {
      this.#losers.add(reject);
      work.then(resolve, reject).finally(() => this.#losers.delete(reject));
    });
  }

  async #inScope<T>(scope: string, work: () => T | Promise<T>): Promise<T> {
    const filters = ['validation', 'out-of-memory', 'internal'] as const;
    for (const filter of filters) this.gpu.pushErrorScope(filter);
    const settled = new Promise<T>((resolve) => resolve(work())).then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    const outcome = await this.#wait(this.#orLost(settled));
    const popped = Promise.all(filters.map(() => this.gpu.popErrorScope()));
    const errors = await this.#wait(this.#orLost(popped));
    const at = errors.findIndex((error) => error !== null);
    if ('error' in outcome && outcome.error instanceof GpuError) throw outcome.error;
    if (at >= 0) throw new GpuError(scope, filters.toReversed()[at]!, firstLine(errors[at]!.message));
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  /** Waits for work under way and lets the process end, but for a device that makes no progress: it would wait for ever. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#lost) await this.#wait(this.#orLost(this.gpu.queue.onSubmittedWorkDone())).catch(() => {});
    if (!(this.#lost instanceof StalledError)) this.gpu.destroy();
  }

  /** Waits for `work`, asleep where the adapter wants it and the host polls. */
  async #wait<T>(work: Promise<T>): Promise<T> {
    if (!strategyFor(this.capabilities).naps || !host.nap) return work;
    this.#waiting++;
    if (!this.#napping) {
      this.#napping = true;
      host.nap(() => {
        this.#napping = this.#waiting > 0;
        return this.#napping;
      });
    }
    try {
      return await work;
    } finally {
      this.#waiting--;
    }
  }
}

/** The sentence that matters of Dawn's several lines, with its source position. */
function firstLine(message: string): string {
  return message.split('\n').find((line) => line.trim() !== '') ?? message;
}

/** Names of all adapters; empty where they cannot be told. */
export const adapterNames = async (): Promise<string[]> => (await host.adapterNames?.()) ?? [];

/** The preferred adapter, a GPU where there is one, or the one that has `name` in its name. Throws {@link NoAdapterError}. */
async function findAdapter(name?: string): Promise<{ adapter: GPUAdapter; gpu: GPU }> {
  let gpu: GPU;
  try {
    gpu = await host.openGpu(name);
  } catch (error) {
    if (error instanceof NoAdapterError) throw error;
    throw new NoAdapterError(`${firstLine((error as Error).message)}; ${host.remedy}`, { cause: error });
  }
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' }).catch(() => null);
  if (!adapter) throw new NoAdapterError(`no WebGPU adapter: ${host.noAdapter}; ${host.remedy}`);
  return { adapter, gpu };
}

/** Bytes of immediates that an adapter takes, where its shaders can read them. */
const immediatesOf = (gpu: GPU, { limits }: GPUAdapter): number =>
  gpu.wgslLanguageFeatures?.has('immediate_address_space') ? (limits.maxImmediateSize ?? 0) : 0;

function limitsOf(limits: GPUSupportedLimits): AdapterInfo['limits'] {
  return Object.fromEntries(WANTED_LIMITS.map((name) => [name, limits[name]])) as AdapterInfo['limits'];
}

/** How a device is watched. */
interface Care {
  /** Milliseconds without progress after which the device is given up; by default as measured. */
  readonly patience?: number | undefined;
  readonly singly?: boolean | undefined;
}

/** Devices of this process that were given up. */
let stalled = 0;

/** Whether the process has to be ended: a device that makes no progress keeps it for ever. */
export const hasStalled = (): boolean => stalled > 0;

export interface DeviceOptions {
  /** Asks for no feature and no limit beyond what WebGPU promises of every adapter, as a browser may. */
  readonly least?: boolean;
  /** A part of the adapter's name, in place of the preferred one; in Node. */
  readonly adapter?: string;
  /** Seconds without progress after which a device is given up, 0 for never; by default {@link Watchdog} measures them. */
  readonly patience?: number;
  /** Whether every dispatch is handed over by itself, which is slow: then one that never ends is known by its name. */
  readonly singly?: boolean;
}

/**
 * Opens the preferred adapter, with all it offers of the features and limits above unless `least` is set. Throws
 * {@link NoAdapterError}.
 */
export async function openDevice({ least = false, adapter: named, ...care }: DeviceOptions = {}): Promise<Device> {
  const patience = patienceFrom(care.patience ?? host.setting?.('TAPIR_PATIENCE'));
  const singly = care.singly ?? host.setting?.('TAPIR_SINGLY') === 'on';
  const { adapter, gpu: api } = await findAdapter(named);
  const {
    vendor,
    architecture,
    device,
    description,
    isFallbackAdapter,
    subgroupMinSize = 0,
    subgroupMaxSize = 0,
  } = adapter.info;
  const features = least ? [] : WANTED_FEATURES.filter((feature) => adapter.features.has(feature));
  const immediates = least ? 0 : immediatesOf(api, adapter);
  const wanted = least
    ? {}
    : { ...limitsOf(adapter.limits), ...(immediates > 0 ? { maxImmediateSize: immediates } : {}) };
  const gpu = await adapter.requestDevice({ label: 'tapir', requiredFeatures: features, requiredLimits: wanted });
  const name = description || device || [vendor, architecture].filter(Boolean).join(' ');
  const info = {
    ...{ name, vendor, architecture, features, immediates, subgroupMinSize, subgroupMaxSize },
    software: isFallbackAdapter || isSoftware(name),
    limits: limitsOf(gpu.limits),
    boundsChecks: !host.unchecked?.(),
  };
  return new Device(gpu, info, { patience, singly });
}
