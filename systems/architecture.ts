/** The sizes of a network and how its parameters lie in a row of theta: layer by layer, W [out,in] then b [out]. */
import { UserError } from '../engine/index.ts';
import type { ActivationName } from '../kernels/index.ts';
import type { MatrixBlock } from '../optim/index.ts';

/** Shape of one network. */
export interface Architecture {
  readonly inputs: number;
  readonly outputs: number;
  readonly hidden: number;
  readonly width: number;
  /** Of the hidden layers; tanh unless stated. */
  readonly activation?: ActivationName | undefined;
  /** Where each input begins and ends: it is mapped to [-1,1]. [0,1] for all of them unless stated. */
  readonly extents?: readonly (readonly [low: number, high: number])[];
}

/** A network's shape or parameter vector that makes no sense. */
export class NetworkError extends UserError {
  override readonly name = 'NetworkError';
}

/** Beyond these a network is a mistake: its weights alone would take a GiB, or compiling its layers would take hours. */
export const LARGEST = { hidden: 256, parameters: 2 ** 28 } as const;

/** [out, in] of each layer. Throws {@link NetworkError} where a size is not a positive integer or beyond {@link LARGEST}. */
export function layersOf(architecture: Architecture & { readonly name?: string }): [number, number][] {
  const { name, inputs, outputs, hidden, width } = architecture;
  for (const [size, value] of Object.entries({ inputs, outputs, hidden, width }))
    if (!Number.isSafeInteger(value) || value < 1)
      throw new NetworkError(`network ${name ?? 'of this system'}: ${size} is ${value}, it must be a positive integer`);
  if (hidden > LARGEST.hidden)
    throw new NetworkError(
      `network ${name ?? 'of this system'}: it has ${hidden} hidden layers, ${LARGEST.hidden} at most are possible`,
    );
  const widths = [inputs, ...new Array<number>(hidden).fill(width), outputs];
  const layers = widths.slice(1).map((out, k): [number, number] => [out, widths[k]!]);
  const parameters = layers.reduce((sum, [out, inn]) => sum + out * inn + out, 0);
  if (parameters > LARGEST.parameters)
    throw new NetworkError(
      `network ${name ?? 'of this system'}: ${hidden} layers of ${width} have more than 2^28 parameters; take fewer`,
    );
  return layers;
}

/** P, the number of parameters of one network: 12,673 for 4 x 64 with one input and one output. */
export function parameterCount(architecture: Architecture): number {
  return layersOf(architecture).reduce((sum, [out, inn]) => sum + out * inn + out, 0);
}

/** Where the weight matrices lie in a row of theta. */
export function matrixBlocks(architecture: Architecture): MatrixBlock[] {
  let at = 0;
  return layersOf(architecture).map(([rows, columns]) => {
    const block = { at, rows, columns };
    at += rows * columns + rows;
    return block;
  });
}
