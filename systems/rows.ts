/**
 * Jacobian rows of a system on a tape: one row for every residual at every point of its group, columns by network and
 * layer. A residual at a point depends on the networks at that point alone, so one backward sweep per residual, with a
 * cotangent of ones, gives the cotangents of every layer at every point; a row is their product with what went into the
 * layer, and products of rows need no rows at all. A periodic condition reads the networks at two points: its row is the
 * sum of two such products.
 */
import { concat, full, index, slice, type Var, vjp } from '../engine/index.ts';
import { activate, affineBar, type DenseJetParams } from '../kernels/index.ts';
import { matrixBlocks, NetworkError } from './architecture.ts';
import { isCarriedByJets } from './fields.ts';
import type { LossModel, Residual } from './model.ts';
import type { Problem } from './problem.ts';
import type { Stack } from './stack.ts';
import { groupsOf } from './system.ts';

/** A residual at the points of its group, or of the one that this is paired with. */
export interface Reading {
  readonly residual: Residual;
  readonly points: string;
}

export const readingsOf = (residuals: readonly Residual[]): Reading[] =>
  residuals.flatMap((residual) => {
    const { group, pairedWith } = residual;
    return [group, ...(pairedWith === undefined ? [] : [pairedWith])].map((points) => ({ residual, points }));
  });

/** What one residual's rows take from one layer of a stack of F networks, at the N points of one group. */
export interface RowParts {
  /** Cotangents of the affine map's jet, [F,C,O,N]. */
  readonly deltas: Var;
  /** The jet that went into the affine map, [F,C,K,N]. */
  readonly activations: Var;
}

/** One layer of a stack of F networks. */
export interface LayerParts {
  readonly stack: Stack;
  /** Position of the stack among those of the system, and of the layer within the networks, from 0. */
  readonly at: { readonly stack: number; readonly layer: number };
  /** Where W and then b lie in a row of theta. */
  readonly offset: number;
  /** In the order of {@link readingsOf} the residuals. */
  readonly parts: readonly RowParts[];
}

/** Appends to the tape of a loss of one run what the rows of some of its residuals are made of. */
export function rowParts(
  model: LossModel,
  residuals: readonly Residual[],
  { system, stacks, counts }: Pick<Problem, 'system' | 'stacks' | 'counts'>,
): LayerParts[] {
  if (!isCarriedByJets(system))
    throw new NetworkError(
      `${system.name} takes derivatives that no fused jet carries; rows of its Jacobian are not available, train it with adam or soap`,
    );
  const { tape } = model.total;
  const starts = new Map<string, number>();
  let total = 0;
  for (const group of groupsOf(system)) {
    starts.set(group, total);
    total += counts[group]!;
  }
  const window = (v: Var, points: string) => {
    const start = starts.get(points)!;
    return slice(v, 3, start, start + counts[points]!);
  };
  const found = tape.nodes.flatMap((node, id) =>
    node.op === 'composite' && node.params.name === 'dense_jet'
      ? [
          {
            signal: tape.at(node.inputs[0]!),
            result: resultOf(model, id),
            args: node.params.args as DenseJetParams,
          },
        ]
      : [],
  );
  const bars = residuals.map(({ name, value }) =>
    tape.scope(`rows ${name}`, () =>
      vjp(
        [value],
        [full(value, 1)],
        found.map(({ result }) => result),
      ),
    ),
  );
  const places = stacks.flatMap((stack, s) =>
    matrixBlocks(stack.architecture).map((block, layer) => ({ stack, at: { stack: s, layer }, offset: block.at })),
  );
  return places.map((place, k) => {
    const { signal, result, args } = found[k]!;
    const jet = activate(signal, args);
    const parts = readingsOf(residuals).map(({ residual, points }) => ({
      deltas: window(affineBar(bars[residuals.indexOf(residual)]![k]!, result, args), points),
      activations: window(jet, points),
    }));
    return { ...place, parts };
  });
}

/** The value that a composite of one output is picked as. */
function resultOf({ total: { tape } }: LossModel, id: number): Var {
  return tape.at(tape.nodes.findIndex((node) => node.op === 'pick' && node.inputs[0] === id));
}

/** One layer of one network, seen by the M readings of the residuals that read the network. */
export interface LayerRows {
  readonly layer: number;
  /** Where W and then b lie in the network's row of theta. */
  readonly offset: number;
  /** [C,O,M]. */
  readonly deltas: Var;
  /** [C,K,M]. */
  readonly activations: Var;
}

export interface NetworkLayers {
  readonly network: string;
  /** Readings of the network: their rows among all, start and count, and at which points. Paired ones share their rows. */
  readonly spans: readonly { readonly start: number; readonly count: number; readonly points: string }[];
  readonly layers: readonly LayerRows[];
}

/** The rows of all residuals of a loss of one run, network by network. */
export function networkRows(model: LossModel, problem: Pick<Problem, 'system' | 'stacks' | 'counts'>): NetworkLayers[] {
  const { residuals } = model;
  const { stacks, counts } = problem;
  const starts: number[] = [];
  residuals.reduce((at, { group }, r) => {
    starts[r] = at;
    return at + counts[group]!;
  }, 0);
  const layers = rowParts(model, residuals, problem);
  const readings = readingsOf(residuals);
  return stacks.flatMap((stack, s) =>
    stack.networks.map((network, k): NetworkLayers => {
      const readers = readings.flatMap(({ residual: { fields } }, at) =>
        fields.some((field) => stack.fields[k]!.includes(field)) ? [at] : [],
      );
      return {
        network,
        spans: readers.map((at) => {
          const { residual, points } = readings[at]!;
          return { start: starts[residuals.indexOf(residual)]!, count: counts[points]!, points };
        }),
        layers: layers
          .filter(({ at }) => at.stack === s)
          .map(({ at, offset, parts }) => ({
            layer: at.layer,
            offset,
            deltas: concat(
              readers.map((at) => index(parts[at]!.deltas, 0, k)),
              2,
            ),
            activations: concat(
              readers.map((at) => index(parts[at]!.activations, 0, k)),
              2,
            ),
          })),
      };
    }),
  );
}
