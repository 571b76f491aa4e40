/** What can go wrong between this process and the GPU. One class per mistake; the message names the remedy. */
import { UserError } from '../tape/error.ts';

/** No adapter: no Vulkan driver, or one that Dawn refuses. */
export class NoAdapterError extends UserError {
  override readonly name = 'NoAdapterError';
}

/** A validation, memory or internal error, with the scope in which it happened. */
export class GpuError extends Error {
  override readonly name = 'GpuError';
  readonly scope: string;
  constructor(scope: string, kind: string, detail: string) {
    super(`${kind} in ${scope}: ${detail}`);
    this.scope = scope;
  }
}

/** The device is gone: driver reset, out of memory, or closed while work was under way. */
export class DeviceLostError extends Error {
  override readonly name = 'DeviceLostError';
}

/** A number of steps that cannot be taken. */
export class StepCountError extends UserError {
  override readonly name = 'StepCountError';
}
