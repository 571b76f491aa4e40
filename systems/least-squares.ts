/**
 * A system's loss as a sum of squares, and what Gauss-Newton asks of it, as tapes: stacked residuals of several thetas at
 * once; what the rows of J are made of; from these K = J J^T, J^T y and J phi, without J.
 */
import {
  add,
  broadcast,
  concat,
  full,
  index,
  input,
  jvp,
  matmul,
  mul,
  newTape,
  range,
  reshape,
  type Shape,
  type Source,
  slice,
  sum,
  type Tape,
  type Var,
} from '../engine/index.ts';
import { jetGram } from '../kernels/index.ts';
import { layersOf, parameterCount } from './architecture.ts';
import { type LossModel, lossModel } from './model.ts';
import { type Problem, problemOf } from './problem.ts';
import { type NetworkLayers, networkRows } from './rows.ts';

/** Residuals of C thetas at the points of a problem's first run: inputs as of C runs, output `residuals` [C,M]. */
export function residualSource({ system, runs, shape }: Problem, candidates: number): Source {
  const model = lossModel(newTape(), problemOf(system, new Array(candidates).fill(runs[0]), shape));
  const residuals = concat(
    model.residuals.map(({ value }) => value),
    1,
  );
  return { inputs: withoutWeights(model), outputs: { residuals } };
}

function withoutWeights({ inputs }: LossModel): Record<string, Var> {
  const { weights: _, ...rest } = inputs;
  return rest;
}

/** Names of what one layer of one network gives its rows. */
export const partNames = (network: string, layer: number) => ({
  deltas: `deltas.${network}.${layer}`,
  activations: `activations.${network}.${layer}`,
});

export interface RowsSource {
  readonly model: LossModel;
  readonly source: Source;
  readonly networks: readonly NetworkLayers[];
}

/** Output of the rows of systems with L learned parameters: the columns of J for these, [L,M]. */
export const COLUMNS = 'columns';

/**
 * Outputs `deltas.NETWORK.LAYER` [C,O,M] and `activations.NETWORK.LAYER` [C,K,M], M the readings of the network; and
 * {@link COLUMNS}.
 */
export function rowsSource(problem: Problem): RowsSource {
  const model = lossModel(newTape(), problem);
  const networks = networkRows(model, problem);
  const outputs = networks.flatMap(({ network, layers }) =>
    layers.flatMap(({ layer, deltas, activations }) => {
      const names = partNames(network, layer);
      return [
        [names.deltas, deltas],
        [names.activations, activations],
      ] as const;
    }),
  );
  const columns = model.learned ? { [COLUMNS]: learnedColumns(model, model.learned) } : {};
  const all = { ...Object.fromEntries(outputs), ...columns };
  return { model, source: { inputs: withoutWeights(model), outputs: all }, networks };
}

/** Derivatives of the M residuals by each of what L learned parameters are made from, [1,L]: [L,M]. */
function learnedColumns({ residuals }: LossModel, learned: Var): Var {
  const [, L] = learned.shape as [number, number];
  const columns = range(L).map((l) => {
    const unit = concat(
      range(L).map((k) => full(slice(learned, 1, 0, 1), k === l ? 1 : 0)),
      1,
    );
    const tangents = jvp(
      residuals.map(({ value }) => value),
      [{ of: learned, tangent: unit }],
    );
    return concat(tangents, 1);
  });
  return concat(columns, 0);
}

/** What went out of {@link rowsSource}, as inputs of another tape. */
function declareParts(tape: Tape, networks: readonly NetworkLayers[]) {
  const inputs: Record<string, Var> = {};
  const declare = (name: string, shape: Shape): Var => {
    inputs[name] = input(tape, name, shape);
    return inputs[name];
  };
  const parts = networks.map(({ network, layers }) =>
    layers.map(({ layer, deltas, activations }) => {
      const names = partNames(network, layer);
      return {
        deltas: declare(names.deltas, deltas.shape),
        activations: declare(names.activations, activations.shape),
      };
    }),
  );
  return { inputs, parts, declare };
}

/** Outputs `gram.NETWORK` [M,M]: the network's share of J J^T in the rows that read it. */
export function gramSource(networks: readonly NetworkLayers[]): Source {
  const { inputs, parts } = declareParts(newTape(), networks);
  const outputs = networks.map(({ network }, k) => {
    const shares = parts[k]!.map(({ deltas, activations }) => {
      const alone = (v: Var) => reshape(v, [1, ...v.shape]);
      return index(jetGram(alone(deltas), alone(activations)), 0, 0);
    });
    return [`gram.${network}`, shares.reduce(add)] as const;
  });
  return { inputs, outputs: Object.fromEntries(outputs) };
}

/** Inputs `y.NETWORK` [M]; outputs `transposed.NETWORK` [P] = J^T y. */
export function transposedSource(networks: readonly NetworkLayers[]): Source {
  const { inputs, parts, declare } = declareParts(newTape(), networks);
  const outputs = networks.map(({ network }, k) => {
    const M = parts[k]![0]!.deltas.shape[2]!;
    const y = declare(`y.${network}`, [M]);
    const blocks = parts[k]!.flatMap(({ deltas, activations }) => {
      const weighted = mul(deltas, y);
      const [O, K] = [deltas.shape[1]!, activations.shape[1]!];
      const W = sum(matmul(weighted, activations, { tb: true }), [0], false);
      return [reshape(W, [O * K]), sum(index(weighted, 0, 0), [1], false)];
    });
    return [`transposed.${network}`, concat(blocks, 0)] as const;
  });
  return { inputs, outputs: Object.fromEntries(outputs) };
}

/** Inputs `phi.NETWORK` [P]; outputs `applied.NETWORK` [M]: the network's share of J phi in the rows that read it. */
export function appliedSource(networks: readonly NetworkLayers[], { stacks }: Pick<Problem, 'stacks'>): Source {
  const { inputs, parts, declare } = declareParts(newTape(), networks);
  const architectures = new Map(
    stacks.flatMap(({ networks, architecture }) => networks.map((name) => [name, architecture] as const)),
  );
  const outputs = networks.map(({ network, layers }, k) => {
    const architecture = architectures.get(network)!;
    const phi = declare(`phi.${network}`, [parameterCount(architecture)]);
    const shapes = layersOf(architecture);
    const shares = parts[k]!.map(({ deltas, activations }, layer) => {
      const { offset } = layers[layer]!;
      const [O, K] = shapes[layer]!;
      const C = deltas.shape[0]!;
      const W = reshape(slice(phi, 0, offset, offset + O * K), [1, O, K]);
      const b = reshape(slice(phi, 0, offset + O * K, offset + O * K + O), [O, 1]);
      const moved = matmul(broadcast(W, [C, O, K]), activations);
      const weights = sum(mul(deltas, moved), [0, 1], false);
      return add(weights, sum(mul(index(deltas, 0, 0), b), [0], false));
    });
    return [`applied.${network}`, shares.reduce(add)] as const;
  });
  return { inputs, outputs: Object.fromEntries(outputs) };
}
