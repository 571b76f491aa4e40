/** The sizes of a network and how its parameters lie in a row of theta: layer by layer, W [out,in] then b [out]. */
import { UserError } from '../engine/index.ts';
import type { ActivationName } from '../kernels/index.ts';
import type { MatrixBlock } from '../optim/index.ts';

/**
 * How hidden layers are joined. `mlp`: one after the other. `residual`: each but the first adds its input (He et al. 2016).
 * `modified`: each is a gate between two encodings of the input (Wang, Teng and Perdikaris 2021).
 */
export const networkKinds = ['mlp', 'residual', 'modified'] as const;
export type NetworkKind = (typeof networkKinds)[number];

/** Fourier features, sines and cosines of `count` directions each, whose frequencies begin with standard deviation `scale`. */
export interface Fourier {
  readonly count: number;
  readonly scale: number;
}

/** Shape of one network. */
export interface Architecture {
  readonly inputs: number;
  readonly outputs: number;
  readonly hidden: number;
  readonly width: number;
  /** Of the hidden layers; tanh unless stated. */
  readonly activation?: ActivationName | undefined;
  /** `mlp` unless stated. */
  readonly kind?: NetworkKind | undefined;
  /** Features between the inputs and the first hidden layer: none unless stated. */
  readonly fourier?: Fourier | undefined;
  /** Inputs, by position, that enter as sine and cosine of one period: none unless stated. */
  readonly periodic?: readonly number[] | undefined;
  /** Where each input begins and ends: it is mapped to [-1,1]. [0,1] for all of them unless stated. */
  readonly extents?: readonly (readonly [low: number, high: number])[];
}

/** A network's shape or parameter vector that makes no sense. */
export class NetworkError extends UserError {
  override readonly name = 'NetworkError';
}

/** Beyond these a network is a mistake: its weights alone would take a GiB, or compiling its layers would take hours. */
export const LARGEST = { hidden: 256, parameters: 2 ** 28 } as const;

/** Numbers that enter the first layer: each input, or its sine and cosine. */
export const enteringOf = ({ inputs, periodic = [] }: Pick<Architecture, 'inputs' | 'periodic'>): number =>
  inputs + periodic.length;

/**
 * [out, in] of each layer: of the Fourier features, of the two encodings of a modified network, of the hidden ones, of the
 * outputs. Throws {@link NetworkError} where a size is not a positive integer or beyond {@link LARGEST}. */
export function layersOf(architecture: Architecture & { readonly name?: string }): [number, number][] {
  const { name, inputs, outputs, hidden, width } = architecture;
  for (const [size, value] of Object.entries({ inputs, outputs, hidden, width }))
    if (!Number.isSafeInteger(value) || value < 1)
      throw new NetworkError(`network ${name ?? 'of this system'}: ${size} is ${value}, it must be a positive integer`);
  if (hidden > LARGEST.hidden)
    throw new NetworkError(
      `network ${name ?? 'of this system'}: it has ${hidden} hidden layers, ${LARGEST.hidden} at most are possible`,
    );
  const { kind, fourier } = architecture;
  const entering = enteringOf(architecture);
  if (fourier && (!Number.isSafeInteger(fourier.count) || fourier.count < 1 || !(fourier.scale > 0)))
    throw new NetworkError(`network ${name ?? 'of this system'}: fourier takes a positive count and a positive scale`);
  const features: [number, number][] = fourier ? [[2 * fourier.count, entering]] : [];
  const first = fourier ? 2 * fourier.count : entering;
  const encodings = new Array<[number, number]>(kind === 'modified' ? 2 : 0).fill([width, first]);
  const widths = [first, ...new Array<number>(hidden).fill(width), outputs];
  const joined = widths.slice(1).map((out, k): [number, number] => [out, widths[k]!]);
  const layers = [...features, ...encodings, ...joined];
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
