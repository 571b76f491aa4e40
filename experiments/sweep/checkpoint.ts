/** A stack under way as one file: parameters, optimizer state, loss weights, and what is remembered of each run. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { readSafetensors, SafetensorsError, type Tensor, tensor } from '../disk/safetensors.ts';
import { encodeSealed, unsealed } from '../disk/seal.ts';
import { CheckpointError } from '../training/checkpoint.ts';
import type { Pace, Snapshot } from '../training/loop.ts';
import { type RunRecord, recordSchema } from '../training/record.ts';
import type { RunPlan } from './presets.ts';

export interface StackState {
  readonly snapshot: Snapshot;
  readonly records: RunRecord[];
  readonly pace: Pace;
}

type Shapes = Readonly<Record<string, readonly number[]>>;

/** A name for the stack of these runs. */
export function stackName(runs: readonly RunPlan[]): string {
  const hash = createHash('sha256').update(runs.map(({ id }) => id).join('\n'));
  return hash.digest('hex').slice(0, 12);
}

const identity = (runs: readonly RunPlan[]): string =>
  createHash('sha256').update(JSON.stringify(runs)).digest('hex').slice(0, 16);

export function encodeState({ snapshot, records, pace }: StackState, runs: readonly RunPlan[], shapes: Shapes) {
  const tensors = new Map(
    Object.entries(snapshot.values).map(([name, data]): [string, Tensor] => [name, tensor(data, shapes[name])]),
  );
  const metadata = {
    epoch: String(snapshot.epoch),
    runs: JSON.stringify(runs.map(({ id }) => id)),
    plan: identity(runs),
    records: JSON.stringify(records),
    pace: JSON.stringify(pace),
  };
  return encodeSealed({ tensors, metadata });
}

const header = z.object({ runs: z.array(z.string()), epoch: z.int().nonnegative() });

/** Ids of the runs in a checkpoint, and its epoch. Throws {@link CheckpointError}. */
export function peekState(path: string): { readonly ids: readonly string[]; readonly epoch: number } {
  const { metadata } = open(path);
  const { runs, epoch } = parsed(path, () =>
    header.parse({ runs: JSON.parse(metadata['runs'] ?? ''), epoch: Number(metadata['epoch']) }),
  );
  return { ids: runs, epoch };
}

/** Throws {@link CheckpointError} where the file is damaged or was written for other runs or shapes. */
export function readState(path: string, runs: readonly RunPlan[], shapes: Shapes): StackState {
  const { tensors, metadata } = open(path);
  if (metadata['plan'] !== identity(runs)) throw unfit(path, 'it is of other runs');
  const values = Object.entries(shapes).map(([name, shape]): [string, Float32Array] => {
    const found = tensors.get(name);
    if (found?.dtype !== 'F32' || String(found.shape) !== String(shape))
      throw unfit(path, `it has ${found ? `${name} of shape [${found.shape}]` : `no ${name}`}, [${shape}] is needed`);
    return [name, found.data];
  });
  return parsed(path, () => ({
    snapshot: { epoch: z.int().nonnegative().parse(Number(metadata['epoch'])), values: Object.fromEntries(values) },
    records: z
      .array(recordSchema)
      .length(runs.length)
      .parse(JSON.parse(metadata['records'] ?? '')),
    pace: z.object({ ms: z.number(), steps: z.number() }).parse(JSON.parse(metadata['pace'] ?? '')),
  }));
}

function open(path: string) {
  try {
    return unsealed(readSafetensors(path), path, ['epoch', 'runs', 'plan', 'records', 'pace']);
  } catch (error) {
    if (error instanceof SafetensorsError) throw unfit(path, error.message);
    throw error;
  }
}

function parsed<T>(path: string, parse: () => T): T {
  try {
    return parse();
  } catch {
    throw unfit(path, 'its header is damaged');
  }
}

/** A checkpoint from which this sweep cannot go on. */
export const unfit = (path: string, what: string): CheckpointError =>
  new CheckpointError(`${path} cannot be continued: ${what}; remove it to train its runs from the start`);
