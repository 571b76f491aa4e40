/** WebGPU in Node: Dawn, from the package `webgpu`. */
import { tmpdir } from 'node:os';
import type { Host } from './host.ts';

/** Full clock resolution: nothing but our own shaders runs here. */
const DAWN_FLAGS = ['disable-dawn-features=timestamp_quantization'];

/** How long the event loop sleeps at a time while a software adapter works, milliseconds. */
const NAP_MS = 0.2;
const PILLOW = new Int32Array(new SharedArrayBuffer(4));

let dawn: Promise<GPU> | undefined;

export const host: Host = {
  openGpu() {
    process.env['XDG_RUNTIME_DIR'] ??= tmpdir();
    dawn ??= import('webgpu').then(
      ({ create, globals }) => {
        Object.assign(globalThis, globals);
        return create(DAWN_FLAGS);
      },
      (error: Error) => {
        const [line] = error.message.trim().split('\n');
        throw new Error(`Dawn does not load (${line})`, { cause: error });
      },
    );
    return dawn;
  },

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
