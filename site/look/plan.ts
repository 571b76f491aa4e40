/** A trace compiled, for the visitor's GPU or for the least that any has. */
import { compile, type Device, type Plan } from '../../engine/index.ts';
import type { Trace } from './trace.ts';

/** What WebGPU promises on every adapter. */
const LEAST = {
  subgroups: false,
  subgroupMinSize: 4,
  subgroupMaxSize: 4,
  workgroupMemory: 16384,
  maxInvocations: 256,
  maxStorageBuffers: 8,
  software: false,
};

export function planOf(trace: Trace, device: Device | undefined): Plan {
  const { inputs } = trace;
  // A formula in y has an input of that name, too.
  const outputs = Object.fromEntries(
    Object.entries(trace.outputs).map(([name, value]) => [name in inputs ? `${name} (result)` : name, value]),
  );
  return compile({ inputs, outputs }, { library: [], device: device?.capabilities ?? LEAST });
}
