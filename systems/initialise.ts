import { type Architecture, type Fourier, layersOf, NetworkError, parameterCount } from './architecture.ts';

import { MersenneTwister } from './random.ts';

/** A network by name. */
export interface NetworkSpec extends Architecture {
  readonly name: string;
}

/** One layer of y = x W^T + b; `W` is `outputs` x `inputs`, row-major. */
export interface Layer<A extends Float32Array | Float64Array = Float32Array> {
  readonly inputs: number;
  readonly outputs: number;
  readonly W: A;
  readonly b: A;
}

/** A network's layers from input to output. */
export interface NetworkWeights<A extends Float32Array | Float64Array = Float32Array> {
  readonly name: string;
  readonly layers: readonly Layer<A>[];
}

/** Inputs and outputs of each of the `hidden + 1` layers. Throws {@link NetworkError} where a size is not a positive integer. */
export function layerShapes(net: NetworkSpec): { inputs: number; outputs: number }[] {
  return layersOf(net).map(([outputs, inputs]) => ({ inputs, outputs }));
}

/**
 * Xavier-uniform weights, |W| <= sqrt(6 / (inputs + outputs)), and zero biases, equal bit for bit to those of PyTorch on
 * the CPU after `manual_seed(seed)` with the networks built in the given order. Building a network in PyTorch draws
 * default weights and biases for all its layers before the Xavier ones replace them: those words are drawn and dropped.
 * Fourier features begin as cosines, then sines, of the same directions, whose components are normal.
 */
export function initialise(spec: { nets: readonly NetworkSpec[]; seed: number }): NetworkWeights[] {
  const generator = new MersenneTwister(spec.seed);
  return spec.nets.map((net) => {
    generator.skip(parameterCount(net));
    const layers = layerShapes(net).map(({ inputs, outputs }, k) => {
      if (net.fourier && k === 0) return features(net.fourier, inputs, generator);
      const bound = Math.sqrt(3) * Math.sqrt(2 / (inputs + outputs));
      const W = generator.torchUniform32(outputs * inputs, -bound, bound);
      return { inputs, outputs, W, b: new Float32Array(outputs) };
    });
    return { name: net.name, layers };
  });
}

/** sin(W x + b): b is pi/2 where the feature is to be a cosine. */
function features({ count, scale }: Fourier, inputs: number, generator: MersenneTwister): Layer {
  const directions = Float32Array.from({ length: count * inputs }, () => scale * generator.normal());
  const W = new Float32Array(2 * count * inputs);
  W.set(directions);
  W.set(directions, directions.length);
  return { inputs, outputs: 2 * count, W, b: new Float32Array(2 * count).fill(Math.PI / 2, 0, count) };
}

/** One network's parameters as one row theta [P]: layer by layer, W then b. */
export function flatten(network: NetworkWeights): Float32Array;
export function flatten(network: NetworkWeights<Float64Array>): Float64Array;
export function flatten(network: NetworkWeights | NetworkWeights<Float64Array>): Float32Array | Float64Array {
  const parts = network.layers.flatMap(({ W, b }) => [W, b]);
  const length = parts.reduce((count, part) => count + part.length, 0);
  const theta = parts[0] instanceof Float64Array ? new Float64Array(length) : new Float32Array(length);
  let at = 0;
  for (const part of parts) {
    theta.set(part, at);
    at += part.length;
  }
  return theta;
}

/** The inverse of `flatten`; the layers are copies. Throws {@link NetworkError} where theta's length is not P. */
export function unflatten(net: NetworkSpec, theta: Float32Array): NetworkWeights;
export function unflatten(net: NetworkSpec, theta: Float64Array): NetworkWeights<Float64Array>;
export function unflatten(
  net: NetworkSpec,
  theta: Float32Array | Float64Array,
): NetworkWeights | NetworkWeights<Float64Array> {
  const expected = parameterCount(net);
  if (theta.length !== expected)
    throw new NetworkError(`network ${net.name} has ${expected} parameters, the vector given holds ${theta.length}`);
  let at = 0;
  const take = (length: number) => {
    at += length;
    return theta.slice(at - length, at);
  };
  const layers = layerShapes(net).map(({ inputs, outputs }) => ({
    inputs,
    outputs,
    W: take(outputs * inputs),
    b: take(outputs),
  }));
  return { name: net.name, layers } as NetworkWeights | NetworkWeights<Float64Array>;
}
