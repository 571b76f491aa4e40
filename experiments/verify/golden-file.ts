/** Golden cases on disk: NAME.json with NAME.safetensors beside it. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { Backend } from '../training/trainer.ts';
import { type GoldenCase, GoldenError, parseGolden } from './golden.ts';
import { type CaseResult, verifyCase } from './system.ts';

/** Throws {@link GoldenError} on files that cannot be read or are no golden case. */
export function readGolden(path: string): GoldenCase {
  const sibling = path.replace(/(\.json)?$/, '.safetensors');
  return parseGolden(basename(path), read(path).toString('utf8'), () => read(sibling));
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new GoldenError(`${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

/** Throws {@link GoldenError} on files that are no golden case. */
export async function verify(path: string, backend: Backend): Promise<CaseResult> {
  return { ...(await verifyCase(readGolden(path), backend)), file: path };
}
