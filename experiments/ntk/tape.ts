/**
 * Jacobian rows of a system on a tape: one row for every residual at every point of its group, columns by network and
 * layer. A residual at a point depends on the networks at that point alone, so one backward sweep per residual, with a
 * cotangent of ones, gives the cotangents of every layer at every point; a row is their product with what went into the
 * layer, and the Gram matrix of rows needs no rows at all.
 */
import {
  add,
  broadcast,
  concat,
  div,
  index,
  input,
  matmul,
  mul,
  newTape,
  reshape,
  type Source,
  slice,
  sqrt,
  transpose,
  type Var,
} from '../../engine/index.ts';
import { jetGram } from '../../kernels/index.ts';
import { planSoap, type SoapPlan } from '../../optim/index.ts';
import {
  type LossModel,
  lossModel,
  matrixBlocks,
  NetworkError,
  type Problem,
  parameterCount,
  rowParts,
  type Stack,
} from '../../systems/index.ts';

/** What is measured: a problem of one run, with rows of its conditions or without. */
export interface Subject {
  readonly problem: Problem;
  readonly boundary: boolean;
}

/** Rows that belong to one residual. */
export interface RowGroup {
  readonly name: string;
  readonly group: string;
  readonly count: number;
}

/** One layer of a stack of F networks, seen by M rows. */
export interface LayerRows {
  readonly stack: Stack;
  /** Position of the stack among those of the system, and of the layer within the networks, from 0. */
  readonly at: { readonly stack: number; readonly layer: number };
  /** Where W and then b lie in a row of theta. */
  readonly offset: number;
  /** Cotangents of the affine map's jet, [F,C,O,M]. */
  readonly deltas: Var;
  /** The jet that went into the affine map, [F,C,K,M]. */
  readonly activations: Var;
}

export interface RowsModel {
  readonly model: LossModel;
  readonly rows: readonly RowGroup[];
  readonly layers: readonly LayerRows[];
}

/** Appends the loss of one run and what its Jacobian's rows are made of. */
export function rowsModel({ problem, boundary }: Subject): RowsModel {
  const { counts } = problem;
  const tape = newTape();
  const model = lossModel(tape, problem);
  const chosen = model.residuals.filter(({ group }) => boundary || group === 'interior');
  const { name } = problem.system;
  if (model.learned) throw new NetworkError(`${name} learns parameters; its tangent kernel is that of networks alone`);
  if (chosen.some(({ pairedWith }) => pairedWith !== undefined))
    throw new NetworkError(`${name} has periodic conditions, which have no rows here; leave out --boundary`);
  const layers = rowParts(model, chosen, problem).map(
    ({ parts, ...place }): LayerRows => ({
      ...place,
      deltas: concat(
        parts.map(({ deltas }) => deltas),
        3,
      ),
      activations: concat(
        parts.map(({ activations }) => activations),
        3,
      ),
    }),
  );
  const rows = chosen.map(({ name, group }) => ({ name, group, count: counts[group]! }));
  return { model, rows, layers };
}

/** Rows of the Jacobian with respect to a layer's (W, b), laid out as in theta: [F,M,O*K+O]. */
export function explicitRows(deltas: Var, activations: Var, bias: Var = index(deltas, 1, 0)): Var {
  const [F, , O, M] = deltas.shape as [number, number, number, number];
  const K = activations.shape[2]!;
  const weights = matmul(transpose(deltas, [0, 3, 2, 1]), transpose(activations, [0, 3, 1, 2]));
  return concat([reshape(weights, [F, M, O * K]), transpose(bias, [0, 2, 1])], 2);
}

const layerName = ({ at, stack }: LayerRows) => `${stack.theta}.${at.layer + 1}`;

/** Inputs of the model that the rows need: everything but the weights of the loss terms. */
const inputsOf = ({ model }: RowsModel) =>
  Object.fromEntries(Object.entries(model.inputs).filter(([name]) => name !== 'weights'));

/** Outputs `deltas.LAYER` and `activations.LAYER` of every layer. */
export function signalsSource(rows: RowsModel): Source {
  const entries = rows.layers.flatMap((layer) => [
    [`deltas.${layerName(layer)}`, layer.deltas],
    [`activations.${layerName(layer)}`, layer.activations],
  ]);
  return { inputs: inputsOf(rows), outputs: Object.fromEntries(entries) };
}

/** Outputs `rows.LAYER`, [F,M,O*K+O]. */
export function rowsSource(rows: RowsModel): Source {
  const entries = rows.layers.map((layer) => [
    `rows.${layerName(layer)}`,
    explicitRows(layer.deltas, layer.activations),
  ]);
  return { inputs: inputsOf(rows), outputs: Object.fromEntries(entries) };
}

/** Outputs `gram.LAYER`, [F,M,M]: the share of every layer of every network in J J^T. */
export function gramSource(rows: RowsModel): Source {
  const entries = rows.layers.map((layer) => [
    `gram.${layerName(layer)}`,
    layer.deltas.tape.scope(`gram ${layerName(layer)}`, () => jetGram(layer.deltas, layer.activations)),
  ]);
  return { inputs: inputsOf(rows), outputs: Object.fromEntries(entries) };
}

/** Names of the outputs of one layer. */
export const outputNames = (layer: LayerRows) => ({
  deltas: `deltas.${layerName(layer)}`,
  activations: `activations.${layerName(layer)}`,
  rows: `rows.${layerName(layer)}`,
  gram: `gram.${layerName(layer)}`,
});

/**
 * J D J^T under the preconditioner that a live optimizer applies at the moment, for each stack as `K.THETA` [F,M,M].
 *
 * Adam divides by sqrt(v/c2) + epsilon. SOAP does the same to a weight matrix turned into its eigenbases, so its rows
 * are those of Q_L^T delta and Q_R^T a. Inputs: `THETA.v` [F,P], `THETA.c` [2], `settings` [3]; for SOAP the bases
 * `THETA.Q.SIZE` of the F networks.
 */
export function preconditionedSource(rows: RowsModel, optimizer: 'adam' | 'soap'): Source {
  const { tape } = rows.model.total;
  const inputs: Record<string, Var> = inputsOf(rows);
  const declare = (name: string, shape: readonly number[]) => (inputs[name] ??= input(tape, name, shape));
  const epsilon = index(declare('settings', [3]), 0, 2);
  const outputs: Record<string, Var> = {};
  for (const layer of rows.layers) {
    const { stack, deltas, activations } = layer;
    const F = stack.networks.length;
    const [, , O, M] = deltas.shape as [number, number, number, number];
    const K = activations.shape[2]!;
    const size = O * K + O;
    const v = slice(
      declare(`${stack.theta}.v`, [F, parameterCount(stack.architecture)]),
      1,
      layer.offset,
      layer.offset + size,
    );
    const correction = sqrt(index(declare(`${stack.theta}.c`, [2]), 0, 1));
    const share = tape.scope(`${optimizer} ${layerName(layer)}`, () => {
      const scale =
        optimizer === 'adam' ? div(1, add(div(sqrt(v), correction), epsilon)) : div(correction, add(sqrt(v), epsilon));
      const plan = planSoap(F, matrixBlocks(stack.architecture));
      const turn = (x: Var, side: 'left' | 'right') =>
        optimizer === 'soap' ? turned(x, layer, plan, side, declare) : x;
      const own = explicitRows(turn(deltas, 'left'), turn(activations, 'right'), index(deltas, 1, 0));
      const scaled = mul(own, broadcast(reshape(sqrt(scale), [F, 1, size]), [F, M, size]));
      return matmul(scaled, scaled, { tb: true });
    });
    const name = `K.${stack.theta}`;
    outputs[name] = outputs[name] ? add(outputs[name], share) : share;
  }
  return { inputs, outputs };
}

/** Q^T x for x [F,C,n,M], Q the basis of one side of the layer's weight matrix. */
function turned(
  x: Var,
  { stack, offset }: LayerRows,
  { groups, factors }: SoapPlan,
  side: 'left' | 'right',
  declare: (name: string, shape: readonly number[]) => Var,
): Var {
  const [F, C, n] = x.shape as [number, number, number];
  if (n === 1) return x;
  const group = groups.findIndex(({ blocks }) => blocks.some(({ at }) => at === offset));
  const blocks = groups[group]!.blocks;
  const factor = factors.find(({ size }) => size === n)!;
  const { from, count } = factor.sides.find((each) => each.group === group && each.side === side)!;
  const all = slice(declare(`${stack.theta}.Q.${n}`, [factor.count, n, n]), 0, from, from + count);
  const Q = index(
    reshape(all, [F, blocks.length, n, n]),
    1,
    blocks.findIndex(({ at }) => at === offset),
  );
  return matmul(broadcast(reshape(Q, [F, 1, n, n]), [F, C, n, n]), x, { ta: true });
}
