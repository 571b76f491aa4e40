/** The sizes that matter: what the training steps of the systems really ask of each kernel. */
import {
  type Capabilities,
  calledBy,
  compile,
  type Device,
  type Graph,
  type Kernel,
  type Library,
  type Node,
  type Params,
  type Shape,
  sizeOf,
} from '../engine/index.ts';
import { hyperparametersFor, optimizers } from '../experiments/training/hyperparameters.ts';
import { stepSource, type TrainerOptions } from '../experiments/training/tapes.ts';
import type { Weighting } from '../optim/index.ts';
import { type Optimizer, problemOf, resolveParameters, type System, systemNamed } from '../systems/index.ts';

/** One call of one kernel as a system makes it: parameters and shapes as in the kernel's `cases`. */
export interface Workload {
  readonly kernel: Kernel;
  /** Who makes the call, for instance `thermoelasticity x 16`; what is measured where no system does. */
  readonly origin: string;
  readonly params: Params;
  readonly shapes: readonly Shape[];
}

/** A system with the number of runs trained together, and the width of its networks where that is not the published one. */
export interface Origin {
  readonly system: string;
  readonly runs: number;
  readonly width?: number;
}

/** The cheap ones first. */
export const ORIGINS: readonly Origin[] = [
  { system: 'thermoelasticity', runs: 1 },
  { system: 'reaction-diffusion', runs: 1 },
  { system: 'thermoelasticity', runs: 16 },
  { system: 'electroosmotic-flow', runs: 1 },
];

export const originName = ({ system, runs, width }: Origin): string =>
  `${system}${runs === 1 ? '' : ` x ${runs}`}${width === undefined ? '' : `, width ${width}`}`;

/** The training step of a system with its published points, and network unless a width is given, stacked for `runs` runs. */
export function optionsOf(
  system: System,
  runs: number,
  optimizer: Optimizer,
  weighting: Weighting = 'none',
  width = system.architecture.width,
): TrainerOptions {
  const parameters = resolveParameters(system);
  const points = system.points(parameters, 42);
  const stacked = Array.from({ length: runs }, (_, k) => ({ parameters, seed: 42 + k, points }));
  return {
    ...hyperparametersFor(system, { optimizer, weighting }),
    problem: problemOf(system, stacked, { ...system.architecture, width }),
  };
}

/**
 * For every kernel of the library the call of each origin with the largest operands, whichever optimizer makes it; its
 * largest case where no system calls it.
 */
export function workloads(library: Library, device: Device, origins = ORIGINS): Workload[] {
  const called = origins.flatMap((origin) => {
    const system = systemNamed(origin.system);
    const graphs = optimizers.map((optimizer) => {
      const { source } = stepSource(optionsOf(system, origin.runs, optimizer, 'none', origin.width));
      return compile(source, { library, device: device.capabilities }).graph;
    });
    return library.flatMap((kernel) => heaviest(kernel, graphs, originName(origin)));
  });
  const uncalled = library.filter((kernel) => called.every((workload) => workload.kernel !== kernel));
  return [...called, ...uncalled.flatMap(largestCase)];
}

/** Matrices of which every engine's speed is known: far larger than what the systems multiply. */
export function squares(library: Library, { software }: Pick<Capabilities, 'software'>): Workload[] {
  return squaresOf(library, [software ? 512 : 2048], 'large matrices');
}

/** Products of square matrices of these sizes. */
export function squaresOf(library: Library, sizes: readonly number[], origin = 'square matrices'): Workload[] {
  return library
    .filter(({ name }) => name === 'matmul')
    .flatMap((kernel) =>
      sizes.map((n) => {
        const shape = [n, n];
        return { kernel, origin, params: { ta: false, tb: false }, shapes: [shape, shape] };
      }),
    );
}

function heaviest(kernel: Kernel, graphs: readonly Graph[], origin: string): Workload[] {
  const calls = graphs.flatMap((graph) => graph.nodes.flatMap((node) => callOf(kernel, graph, node, origin)));
  return calls.sort((a, b) => elements(b.shapes) - elements(a.shapes)).slice(0, 1);
}

function callOf(kernel: Kernel, graph: Graph, node: Node, origin: string): Workload[] {
  if (node.op !== 'composite' && node.op !== 'matmul') return [];
  const { name, params } = calledBy(node);
  const shapes =
    name === kernel.name &&
    freeInputs(
      kernel,
      node.inputs.map((id) => graph.nodes[id]!.shape),
    );
  return shapes ? [{ kernel, origin, params, shapes }] : [];
}

/**
 * Shapes of what `means` takes. An adjoint is also handed what its forward pass gave, one value for each cotangent,
 * before the cotangents; these are no inputs of the meaning.
 */
export function freeInputs(kernel: Kernel, operands: readonly Shape[]): readonly Shape[] | undefined {
  const free = kernel.cases[0]?.shapes.length ?? operands.length;
  const handed = operands.length - free;
  if (handed < 0 || 2 * handed > operands.length) return undefined;
  return [...operands.slice(0, free - handed), ...operands.slice(operands.length - handed)];
}

function largestCase(kernel: Kernel): Workload[] {
  const [which] = [...kernel.cases].sort((a, b) => elements(b.shapes) - elements(a.shapes));
  return which ? [{ kernel, origin: 'largest case of its check', params: which.params, shapes: which.shapes }] : [];
}

const elements = (shapes: readonly Shape[]) => shapes.reduce((sum, shape) => sum + sizeOf(shape), 0);

/** Shapes of operands as text. */
export const shapesText = (shapes: readonly Shape[]): string => shapes.map((shape) => `[${shape.join(',')}]`).join(' ');
