/** Weights for others to read, and checkpoints from which training goes on bit for bit. */

import { z } from 'zod';
import { UserError } from '../../engine/index.ts';
import { type Run, type Stack, unflatten } from '../../systems/index.ts';
import { exists } from '../disk/files.ts';
import type { RunFolder } from '../disk/run-folder.ts';
import { encodeSafetensors, readSafetensors, type Tensor, tensor } from '../disk/safetensors.ts';
import type { Snapshot } from './loop.ts';
import type { TrainSettings } from './settings.ts';

const CHECKPOINT = 'checkpoint.safetensors';

/** A checkpoint that does not fit the run it is to continue. */
export class CheckpointError extends UserError {
  override readonly name = 'CheckpointError';
}

/** What must be equal for a run to be continued. */
function identity(settings: TrainSettings): string {
  const { system, parameters, network, optimizer, weighting, seeds } = settings;
  if (settings.optimizer === 'gauss-newton') {
    const { momentum, damping, adaptive, perNetwork, boundaryWeight, precision } = settings;
    const own = { momentum, damping, adaptive, perNetwork, boundaryWeight, precision };
    return JSON.stringify({ system, parameters, network, optimizer, ...own, seeds });
  }
  const { betas, updateEvery, learningRate } = settings;
  return JSON.stringify({ system, parameters, network, optimizer, betas, weighting, updateEvery, learningRate, seeds });
}

export function writeCheckpoint(
  folder: RunFolder,
  { epoch, values }: Snapshot,
  shapes: Readonly<Record<string, readonly number[]>>,
  settings: TrainSettings,
): void {
  const tensors = new Map(
    Object.entries(values).map(([name, data]): [string, Tensor] => [name, tensor(data, shapes[name])]),
  );
  folder.writeFile(
    CHECKPOINT,
    encodeSafetensors({ tensors, metadata: { epoch: String(epoch), settings: identity(settings) } }),
  );
}

function readSaved(out: string) {
  const path = `${out}/${CHECKPOINT}`;
  if (!exists(path))
    throw new CheckpointError(
      `${out} has no ${CHECKPOINT}: its run was stopped before the first; start again with another --out`,
    );
  return readSafetensors(path);
}

/** Throws {@link CheckpointError}, SafetensorsError. */
export function readCheckpoint(
  out: string,
  settings: TrainSettings,
  shapes: Readonly<Record<string, readonly number[]>>,
): Snapshot {
  const { tensors, metadata } = readSaved(out);
  if (metadata['settings'] !== identity(settings)) {
    const before = settingsOf(metadata['settings']);
    if (!before) throw new CheckpointError(`${out}: ${CHECKPOINT} is damaged; start again with another --out`);
    const now = JSON.parse(identity(settings)) as Record<string, unknown>;
    const differing = Object.keys(now).filter((key) => JSON.stringify(before[key]) !== JSON.stringify(now[key]));
    const list = differing.map((key) => `${key} was ${JSON.stringify(before[key])}, now ${JSON.stringify(now[key])}`);
    throw new CheckpointError(
      `${out} holds another run: ${list.join('; ')}; repeat its options or choose another --out`,
    );
  }
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

function settingsOf(text = ''): Record<string, unknown> | undefined {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** weights.safetensors: `NET/W0`, `NET/b0`, ..; with several runs `seed-S/NET/W0`. */
export function writeWeights(
  folder: Pick<RunFolder, 'writeFile'>,
  stacks: readonly Stack[],
  thetas: Readonly<Record<string, Float32Array>>,
  runs: readonly Run[],
): void {
  const tensors = new Map<string, Tensor>();
  for (const { theta, networks, architecture } of stacks) {
    const values = thetas[theta]!;
    const P = values.length / (runs.length * networks.length);
    runs.forEach(({ seed }, r) => {
      networks.forEach((name, k) => {
        const row = r * networks.length + k;
        const prefix = runs.length > 1 ? `seed-${seed}/${name}` : name;
        const { layers } = unflatten({ name, ...architecture }, values.slice(row * P, (row + 1) * P));
        layers.forEach(({ W, b, inputs, outputs }, layer) => {
          tensors.set(`${prefix}/W${layer}`, tensor(W, [outputs, inputs]));
          tensors.set(`${prefix}/b${layer}`, tensor(b, [outputs]));
        });
      });
    });
  }
  folder.writeFile('weights.safetensors', encodeSafetensors({ tensors, metadata: { format: 'tapir' } }));
}
