/** Weights for others to read, and checkpoints from which training goes on bit for bit. */

import { z } from 'zod';
import { UserError } from '../../engine/index.ts';
import { momentsOf, type Run, type Stack, systemNamed } from '../../systems/index.ts';
import { exists } from '../disk/files.ts';
import type { RunFolder } from '../disk/run-folder.ts';
import { readSafetensors } from '../disk/safetensors.ts';
import { unsealed } from '../disk/seal.ts';
import { encodeCheckpoint, encodeWeights, identity } from './checkpoint-bytes.ts';
import { isOfSquares } from './hyperparameters.ts';
import type { Snapshot } from './loop.ts';
import type { TrainSettings } from './settings.ts';

const CHECKPOINT = 'checkpoint.safetensors';

/** A checkpoint that does not fit the run it is to continue. */
export class CheckpointError extends UserError {
  override readonly name = 'CheckpointError';
}

export function writeCheckpoint(
  folder: RunFolder,
  snapshot: Snapshot,
  shapes: Readonly<Record<string, readonly number[]>>,
  settings: TrainSettings,
): void {
  folder.writeFile(CHECKPOINT, encodeCheckpoint(snapshot, shapes, settings));
}

function readSaved(out: string) {
  const path = `${out}/${CHECKPOINT}`;
  if (!exists(path))
    throw new CheckpointError(
      `${out} has no ${CHECKPOINT}: its run was stopped before the first; start again with another --out`,
    );
  return unsealed(readSafetensors(path), path, ['epoch', 'settings']);
}

/** Throws {@link CheckpointError}, SafetensorsError. */
export function readCheckpoint(
  out: string,
  settings: TrainSettings,
  shapes: Readonly<Record<string, readonly number[]>>,
): Snapshot {
  const { tensors, metadata } = readSaved(out);
  const before = settingsOf(metadata['settings']);
  if (!before) throw new CheckpointError(`${out}: ${CHECKPOINT} is damaged; start again with another --out`);
  const now: Record<string, unknown> = JSON.parse(identity(settings));
  const list = differences({ ...unsaid(before, settings), ...before }, now);
  if (list.length > 0)
    throw new CheckpointError(
      `${out} holds another run: ${list.join('; ')}; repeat its options or choose another --out`,
    );
  const values = Object.entries(shapes).map(([name, shape]): [string, Float32Array] => {
    const found = tensors.get(name);
    if (found?.dtype !== 'F32' || String(found.shape) !== String(shape))
      throw new CheckpointError(
        `${out}: ${CHECKPOINT} has ${found ? `${name} of shape [${found.shape}]` : `no ${name}`}, this run needs [${shape}] in F32`,
      );
    return [name, found.data];
  });
  const epoch = Number(metadata['epoch']);
  if (!Number.isInteger(epoch) || epoch < 0) throw new CheckpointError(`${out}: ${CHECKPOINT} names no epoch`);
  return { epoch, values: Object.fromEntries(values) };
}

/** Checkpoints of earlier versions do not say the optimizer's epsilon: it was the only one there was. */
function unsaid(before: Readonly<Record<string, unknown>>, settings: TrainSettings): Record<string, unknown> {
  if (isOfSquares(settings) || 'optimizerEpsilon' in before) return {};
  return { optimizerEpsilon: momentsOf(systemNamed(settings.system), settings.optimizer).epsilon };
}

/** What is not the same, in words; the order of keys tells nothing. */
function differences(before: Readonly<Record<string, unknown>>, now: Readonly<Record<string, unknown>>): string[] {
  const text = (value: unknown) => (isRecord(value) ? JSON.stringify(sorted(value)) : JSON.stringify(value));
  return Object.keys(now)
    .filter((key) => text(before[key]) !== text(now[key]))
    .map((key) => `${key} was ${JSON.stringify(before[key])}, now ${JSON.stringify(now[key])}`);
}

const isRecord = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const sorted = (value: object) => Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));

function settingsOf(text = ''): Record<string, unknown> | undefined {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** weights.safetensors. */
export function writeWeights(
  folder: Pick<RunFolder, 'writeFile'>,
  stacks: readonly Stack[],
  thetas: Readonly<Record<string, Float32Array>>,
  runs: readonly Run[],
): void {
  folder.writeFile('weights.safetensors', encodeWeights(stacks, thetas, runs));
}
