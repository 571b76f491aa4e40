/** Safetensors files: read whole, written in one step. */
import { basename } from 'node:path';
import { replaceFile } from './atomic.ts';
import { readBytes } from './files.ts';
import { encodeSafetensors, parseSafetensors, SafetensorsError, type SafetensorsFile } from './safetensors-bytes.ts';

export * from './safetensors-bytes.ts';

/** Reads a safetensors file; see {@link parseSafetensors}. */
export function readSafetensors(path: string): SafetensorsFile {
  return parseSafetensors(bytesOf(path), basename(path));
}

function bytesOf(path: string): Uint8Array {
  try {
    return readBytes(path);
  } catch (error) {
    throw new SafetensorsError((error as Error).message, { cause: error });
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Writes a safetensors file in one step: whoever looks finds the old file or the whole new one. Throws
 * {@link SafetensorsError} and leaves nothing behind where that fails.
 */
export function writeSafetensors(path: string, contents: SafetensorsFile): void {
  const bytes = encodeSafetensors(contents, basename(path));
  try {
    replaceFile(path, bytes);
  } catch (error) {
    throw new SafetensorsError(`${path} cannot be written: ${reason(error)}`, { cause: error });
  }
}
