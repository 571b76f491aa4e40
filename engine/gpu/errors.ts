/** What can go wrong between this process and the GPU. One class per mistake; the message names the remedy. */
import { UserError } from '../tape/error.ts';

/** No adapter: no Vulkan driver, or one that Dawn refuses. */
export class NoAdapterError extends UserError {
  override readonly name = 'NoAdapterError';
}

/** What stopped may be started again, and goes on: EX_TEMPFAIL of sysexits.h. */
export const TRY_AGAIN = 75;

const remedies: Readonly<Record<string, string>> = {
  'out-of-memory': "use fewer points, networks or runs, or free the GPU's memory",
  shader: 'mend the kernel, or pin another of its versions',
};

/** A validation, memory or internal error, with the scope in which it happened. */
export class GpuError extends UserError {
  override readonly name = 'GpuError';
  override readonly exitCode = 1;
  readonly scope: string;
  constructor(scope: string, kind: string, detail: string) {
    super(`${kind} in ${scope}: ${detail}`, {
      remedy: remedies[kind] ?? 'tapir check names the kernels that this adapter gets wrong',
    });
    this.scope = scope;
  }
}

/** The device is gone: driver reset, out of memory, or closed while work was under way. */
export class DeviceLostError extends UserError {
  override readonly name: string = 'DeviceLostError';
  override readonly exitCode = TRY_AGAIN;
  constructor(message: string, remedy = 'start again, with a smaller problem if it recurs', cause?: unknown) {
    super(message, { remedy, cause });
  }
}

/** The device makes no progress: a dispatch that never ends, or a driver that hangs. It cannot be closed any more. */
export class StalledError extends DeviceLostError {
  override readonly name = 'StalledError';
  constructor(what: string, seconds: number) {
    const hint = what.startsWith('dispatch ') ? '' : ' (TAPIR_SINGLY=on names the dispatch)';
    super(`the GPU makes no progress: ${what} did not end in ${seconds} s${hint}`);
  }
}

/** A number of steps that cannot be taken. */
export class StepCountError extends UserError {
  override readonly name = 'StepCountError';
}

/** A value that needs a larger buffer than the adapter offers. */
export class BufferSizeError extends UserError {
  override readonly name = 'BufferSizeError';
  constructor(value: string, bytes: number, limit: number) {
    super(`${value} needs ${bytes} bytes; this adapter's buffers end at ${limit}: use fewer points, networks or runs`);
  }
}

/** A name that the program does not have, or data of another size than the value. */
export class UnknownValueError extends UserError {
  override readonly name = 'UnknownValueError';
}
