/** WebGPU in a browser: a window's or a worker's own. */
import type { Host } from './host.ts';

export const host: Host = {
  async openGpu() {
    const { navigator } = globalThis as { navigator?: Partial<NavigatorGPU> };
    if (!navigator?.gpu) throw new Error('this browser offers no WebGPU on this page');
    return navigator.gpu;
  },

  noAdapter: 'the browser accepts none of this machine',
  remedy: 'use Chrome or Edge 113, Safari 26, Firefox 141 or later, on a page served by https or from localhost',
};
