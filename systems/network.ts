/** Stacks of networks on a tape: parameters as rows of theta, jets up to second order through the layers. */
import { reshape, type Shape, slice, type Var } from '../engine/index.ts';
import { denseJet, secondOf } from '../kernels/index.ts';
import { type Architecture, layersOf } from './architecture.ts';
import { inputJet } from './embedding.ts';
import { jetAlgebra } from './jet-algebra.ts';
import type { Jets } from './jets.ts';

/** Weights W [B,out,in] and biases b [B,out]. */
interface Layer {
  readonly W: Var;
  readonly b: Var;
}

/** Every layer, as windows of theta [B,P]. */
export function unpack(theta: Var, architecture: Architecture): Layer[] {
  const B = theta.shape[0]!;
  let at = 0;
  const take = (shape: Shape) => {
    const size = shape.reduce((a, b) => a * b, 1);
    at += size;
    return reshape(slice(theta, 1, at - size, at), [B, ...shape]);
  };
  return layersOf(architecture).map(([out, inn]) => ({ W: take([out, inn]), b: take([out]) }));
}

/** Jets of the outputs, [B,C,outputs,N], of B networks with parameters theta [B,P] at points X [B,D,N]. */
export function network(theta: Var, X: Var, architecture: Architecture, jets: Jets): Var {
  const { tape } = theta;
  const layers = unpack(theta, architecture);
  const signal = tape.scope('points', () => inputJet(X, jets, architecture));
  return (architecture.kind ?? 'mlp') === 'mlp'
    ? chain(signal, layers, architecture, jets)
    : joined(signal, layers, architecture, jets);
}

/** Layer after layer, in the form that the fused kernels hand on. */
function chain(input: Var, layers: readonly Layer[], { activation = 'tanh', fourier }: Architecture, jets: Jets): Var {
  const D = jets.first.length;
  const second = secondOf(D, jets.second);
  const last = layers.length - 1;
  const after = (k: number) => (k < 0 || k === last ? 'linear' : k === 0 && fourier ? 'sine' : activation);
  return layers.reduce(
    (signal, { W, b }, k) =>
      input.tape.scope(`layer ${k + 1}`, () => denseJet(signal, W, b, { D, second, from: after(k - 1), to: after(k) })),
    input,
  );
}

/** Layers whose activations are combined: on the tape, with jets as they stand between affine maps that are fused. */
function joined(
  input: Var,
  layers: readonly Layer[],
  { activation = 'tanh', fourier, kind }: Architecture,
  jets: Jets,
): Var {
  const { affine, activated, product, plus, oneMinus } = jetAlgebra(input.tape, jets);
  const rest = [...layers];
  const scoped = (of: (layer: Layer) => Var) => {
    const layer = rest.shift()!;
    return input.tape.scope(`layer ${layers.length - rest.length}`, () => of(layer));
  };
  const hiddenFrom = (signal: Var) => (layer: Layer) => activated(affine(signal, layer), activation);
  const entering = fourier ? scoped((layer) => activated(affine(input, layer), 'sine')) : input;
  const encodings = kind === 'modified' ? [scoped(hiddenFrom(entering)), scoped(hiddenFrom(entering))] : [];
  let signal = entering;
  for (let k = 0; rest.length > 1; k++) {
    const own = scoped(hiddenFrom(signal));
    const [U, V] = encodings;
    if (U && V) signal = plus(product(oneMinus(own), U), product(own, V));
    else signal = k === 0 ? own : plus(signal, own);
  }
  return scoped((layer) => affine(signal, layer));
}
