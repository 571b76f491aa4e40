/**
 * What an adapter wants that is a CPU playing a GPU (llvmpipe, SwiftShader). The compiler and the device ask here, and
 * know nothing else of such adapters.
 */
import type { Capabilities } from './kernel.ts';

/** How code is laid out for an adapter and how its results are waited for. */
export interface Strategy {
  /** Lanes that fold a reduction crosswise in a butterfly; 0: the threads of a workgroup fold it in workgroup memory. */
  readonly lanes: number;
  /** Characters of code that different calls may bring into one dispatch. */
  readonly longest: number;
  /** Characters of code above which what occurs several times has a dispatch of its own, and with it one pipeline. */
  readonly short: number;
  /** Whether to sleep while waiting, since the adapter computes on the cores that run the program. */
  readonly naps: boolean;
}

const HARDWARE: Strategy = {
  lanes: 0,
  longest: Number.POSITIVE_INFINITY,
  short: Number.POSITIVE_INFINITY,
  naps: false,
};

/** llvmpipe's compiler takes long over long code, above all over barriers. */
const SOFTWARE = { longest: 10_000, short: 2000, naps: true };

export function strategyFor(device: Capabilities): Strategy {
  return device.software ? { ...SOFTWARE, lanes: simdLanes(device) } : HARDWARE;
}

/** Lanes of a CPU that plays a GPU with subgroups of one known size: its SIMD lanes. 0 for other adapters. */
export function simdLanes({ software, subgroups, subgroupMinSize, subgroupMaxSize }: Capabilities): number {
  return software && subgroups && subgroupMinSize === subgroupMaxSize && subgroupMaxSize >= 4 ? subgroupMaxSize : 0;
}

/** Whether an adapter of that name is a CPU, also where it does not say so itself. */
export const isSoftware = (name: string): boolean => /llvmpipe|swiftshader/i.test(name);
