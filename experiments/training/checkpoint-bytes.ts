/** Weights for others to read, and checkpoints from which training goes on bit for bit, as bytes. */
import { type Run, type Stack, unflatten } from '../../systems/index.ts';
import { encodeSafetensors, type Tensor, tensor } from '../disk/safetensors-bytes.ts';
import { encodeSealed } from '../disk/seal.ts';
import { isOfSquares } from './hyperparameters.ts';
import type { Snapshot } from './loop.ts';
import type { TrainSettings } from './results.ts';

/** What must be equal for a run to be continued. */
export function identity(settings: TrainSettings): string {
  const { system, parameters, network, optimizer, weighting, seeds } = settings;
  if (settings.optimizer === 'gauss-newton') {
    const { momentum, damping, adaptive, blocks, boundaryWeight, precision, thin, gram } = settings;
    const own = { momentum, damping, adaptive, blocks, boundaryWeight, precision, thin, gram };
    return JSON.stringify({ system, parameters, network, optimizer, ...own, seeds });
  }
  if (isOfSquares(settings)) {
    const { boundaryWeight, precision, thin } = settings;
    return JSON.stringify({ system, parameters, network, optimizer, boundaryWeight, precision, thin, seeds });
  }
  const { betas, optimizerEpsilon, updateEvery, learningRate, weights, causal, schedule, soap } = settings;
  const own = { betas, optimizerEpsilon, weighting, updateEvery, learningRate, weights, causal, schedule, soap };
  return JSON.stringify({ system, parameters, network, optimizer, ...own, seeds });
}

/** checkpoint.safetensors. */
export function encodeCheckpoint(
  { epoch, values }: Snapshot,
  shapes: Readonly<Record<string, readonly number[]>>,
  settings: TrainSettings,
): Uint8Array<ArrayBuffer> {
  const tensors = new Map(
    Object.entries(values).map(([name, data]): [string, Tensor] => [name, tensor(data, shapes[name])]),
  );
  return encodeSealed({ tensors, metadata: { epoch: String(epoch), settings: identity(settings) } });
}

/** weights.safetensors: `NET/W0`, `NET/b0`, ..; with several runs `seed-S/NET/W0`. */
export function encodeWeights(
  stacks: readonly Stack[],
  thetas: Readonly<Record<string, Float32Array>>,
  runs: readonly Run[],
): Uint8Array<ArrayBuffer> {
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
  return encodeSafetensors({ tensors, metadata: { format: 'tapir' } });
}
