/** Safetensors files: read whole, written in one step. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename } from 'node:path';
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
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeThrough(temporary, bytes);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new SafetensorsError(`${path} cannot be written: ${reason(error)}`, { cause: error });
  }
}

function writeThrough(path: string, bytes: Uint8Array): void {
  const descriptor = openSync(path, 'w');
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
