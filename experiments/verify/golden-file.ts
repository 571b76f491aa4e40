/** Golden cases on disk: NAME.json with NAME.safetensors beside it. */
import { basename } from 'node:path';
import { readBytes } from '../disk/files.ts';
import type { Backend } from '../training/trainer.ts';
import { type GoldenCase, GoldenError, parseGolden } from './golden.ts';
import { type CaseResult, verifyCase } from './system.ts';

/** Throws {@link GoldenError} on files that cannot be read or are no golden case. */
export function readGolden(path: string): GoldenCase {
  const sibling = path.replace(/(\.json)?$/, '.safetensors');
  return parseGolden(basename(path), new TextDecoder().decode(read(path)), () => read(sibling));
}

function read(path: string): Uint8Array {
  try {
    return readBytes(path);
  } catch (error) {
    throw new GoldenError((error as Error).message, { cause: error });
  }
}

/** Throws {@link GoldenError} on files that are no golden case. */
export async function verify(path: string, backend: Backend): Promise<CaseResult> {
  return { ...(await verifyCase(readGolden(path), backend)), file: path };
}
