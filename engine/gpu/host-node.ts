/** WebGPU in Node: Dawn, from the package `webgpu`. */
import { tmpdir } from 'node:os';
import { NoAdapterError } from './errors.ts';
import type { Host } from './host.ts';

/** Full clock resolution: nothing but our own shaders runs here. */
const DAWN_FLAGS = ['disable-dawn-features=timestamp_quantization'];

/** A part of the name of the adapter to use, in place of the preferred one. */
const ADAPTER = 'TAPIR_ADAPTER';
/** `off`: shaders do not check that they stay within their buffers. */
const ROBUSTNESS = 'TAPIR_ROBUSTNESS';
/** In no adapter's name. */
const NO_NAME = '\u0001';

/** How long the event loop sleeps at a time while a software adapter works, milliseconds. */
const NAP_MS = 0.2;
const PILLOW = new Int32Array(new SharedArrayBuffer(4));

/** Dawn with the adapter of a name, by that name; the preferred one's is empty. */
const opened = new Map<string, Promise<GPU>>();

async function load() {
  const { create, globals } = await import('webgpu').catch((error: Error) => {
    const [line] = error.message.trim().split('\n');
    throw new Error(`Dawn does not load (${line})`, { cause: error });
  });
  Object.assign(globalThis, globals);
  return create;
}

const unchecked = (): boolean => process.env[ROBUSTNESS] === 'off';

async function open(adapter: string): Promise<GPU> {
  const create = await load();
  const flags = [
    ...DAWN_FLAGS,
    ...(adapter ? [`adapter=${adapter}`] : []),
    ...(unchecked() ? ['enable-dawn-features=disable_robustness'] : []),
  ];
  const gpu = create(flags);
  if (!adapter) return gpu;
  try {
    await gpu.requestAdapter();
    return gpu;
  } catch (error) {
    const names = namesIn((error as Error).message).join(', ') || 'none';
    throw new NoAdapterError(`no adapter has ${adapter} in its name; there are: ${names}`, { cause: error });
  }
}

/** Dawn says which adapters there are where it finds none of the name that it is asked for. */
const namesIn = (message: string): string[] => [...message.matchAll(/name: '(.*)'/g)].map(([, name]) => name!);

export const host: Host = {
  openGpu(adapter = process.env[ADAPTER] ?? '') {
    process.env['XDG_RUNTIME_DIR'] ??= tmpdir();
    const gpu = opened.get(adapter) ?? open(adapter);
    opened.set(adapter, gpu);
    return gpu;
  },

  async adapterNames() {
    process.env['XDG_RUNTIME_DIR'] ??= tmpdir();
    const create = await load();
    return create([`adapter=${NO_NAME}`])
      .requestAdapter()
      .then(
        () => [],
        (error: Error) => namesIn(error.message),
      );
  },

  abandon: () => opened.clear(),

  unchecked,

  setting: (name) => process.env[name],

  noAdapter: 'there is no Vulkan driver that Dawn accepts',
  remedy: 'run: npm run setup',

  /**
   * Dawn looks for results in every turn of the event loop, without a pause, which takes a core of its own: on an adapter
   * that computes on these cores, the loop sleeps between its turns.
   */
  nap(waiting) {
    const turn = (): void => {
      if (!waiting()) return;
      Atomics.wait(PILLOW, 0, 0, NAP_MS);
      setImmediate(turn);
    };
    setImmediate(turn);
  },
};
