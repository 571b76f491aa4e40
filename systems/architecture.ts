/** The sizes of a tanh network and how its parameters lie in a row of theta: layer by layer, W [out,in] then b [out]. */
import { UserError } from '../engine/index.ts';
import type { MatrixBlock } from '../optim/index.ts';

/** Shape of one network. */
export interface Architecture {
  readonly inputs: number;
  readonly outputs: number;
  readonly hidden: number;
  readonly width: number;
  /** Where each input begins and ends: it is mapped to [-1,1]. [0,1] for all of them unless stated. */
  readonly extents?: readonly (readonly [low: number, high: number])[];
}

/** A network's shape or parameter vector that makes no sense. */
export class NetworkError extends UserError {
  override readonly name = 'NetworkError';
}

/** [out, in] of each layer. Throws {@link NetworkError} where a size is not a positive integer. */
export function layersOf(architecture: Architecture & { readonly name?: string }): [number, number][] {
  const { name, inputs, outputs, hidden, width } = architecture;
  for (const [size, value] of Object.entries({ inputs, outputs, hidden, width }))
    if (!Number.isSafeInteger(value) || value < 1)
      throw new NetworkError(`network ${name ?? 'of this system'}: ${size} is ${value}, it must be a positive integer`);
  const widths = [inputs, ...new Array<number>(hidden).fill(width), outputs];
  return widths.slice(1).map((out, k) => [out, widths[k]!]);
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
