/** The tapes that a trainer compiles: training step, start and refresh of SOAP, weighting, error. */
import { broadcast, grad, input, newTape, reshape, type Source, type Tape, type Var } from '../../engine/index.ts';
import {
  type AdamSettings,
  adam,
  gradientNorms,
  mergeUpdates,
  planSoap,
  reweighted,
  type SoapPlan,
  soap,
  soapRefresh,
  soapStart,
  type Update,
  type Weighting,
} from '../../optim/index.ts';
import {
  countOf,
  errorModel,
  type LossModel,
  lossModel,
  matrixBlocks,
  type NetworkShape,
  type Optimizer,
  parameterCount,
  type Run,
  type System,
  stacksOf,
} from '../../systems/index.ts';

export interface TrainerOptions {
  readonly system: System;
  readonly shape: NetworkShape;
  readonly runs: readonly Run[];
  readonly optimizer: Optimizer;
  readonly weighting: Weighting;
  readonly learningRate: number;
  /** Steps between updates of the weights; the weighting's own by default. */
  readonly updateEvery?: number;
  /** Share of the old weight in an update. */
  readonly weightMemory?: number;
  /** beta1, beta2 and epsilon; the optimizer's own for the system by default. */
  readonly moments?: AdamSettings;
}

/** Numbers of points by group. */
export function countsOf(run: Run): Record<string, number> {
  return Object.fromEntries(Object.entries(run.points).map(([group, points]) => [group, countOf(points)]));
}

/** The loss of the given runs on a tape of its own or on one that exists. */
export function modelFor(
  { system, shape, runs }: Pick<TrainerOptions, 'system' | 'shape' | 'runs'>,
  tape: Tape = newTape(),
): LossModel {
  return lossModel(tape, system, runs.length, countsOf(runs[0]!), shape);
}

/** What one kind of program adds to the loss and its gradient for one theta. */
type Updater = (name: string, theta: Var, g: Var, lr: Var, settings: Var, plan: SoapPlan) => Update;

/** How theta's rows are laid out for SOAP, by input name of theta. */
export function soapPlans({
  system,
  shape,
  runs,
}: Pick<TrainerOptions, 'system' | 'shape' | 'runs'>): Map<string, SoapPlan> {
  return new Map(
    stacksOf(system, shape).map(({ theta, networks, architecture }) => [
      theta,
      planSoap(runs.length * networks.length, matrixBlocks(architecture)),
    ]),
  );
}

/** The training step: losses, gradient of the weighted sum, update of every theta. */
export function stepSource(options: TrainerOptions): { model: LossModel; source: Source } {
  return updateSource(options, options.optimizer === 'soap' ? soap : adam);
}

/** SOAP's first step: losses, and factors from the first gradient; theta stays. */
export function startSource(options: TrainerOptions): Source {
  return updateSource(options, (name, theta, g, _, settings, plan) => soapStart(name, theta, g, settings, plan)).source;
}

function updateSource(options: TrainerOptions, updater: Updater): { model: LossModel; source: Source } {
  const model = modelFor(options);
  const { tape } = model.total;
  const R = options.runs.length;
  const gradients = grad(model.total, model.thetas);
  const lr = input(tape, 'lr', [R, 1]);
  const settings = input(tape, 'settings', [3]);
  const plans = soapPlans(options);
  const updates = stacksOf(options.system, options.shape).map(({ theta, networks }, k) => {
    const rows = [R, networks.length, 1];
    const rate = reshape(broadcast(reshape(lr, [R, 1, 1]), rows), [R * networks.length, 1]);
    return updater(theta, model.thetas[k]!, gradients[k]!, rate, settings, plans.get(theta)!);
  });
  const { inputs, outputs, state } = mergeUpdates(...updates);
  return {
    model,
    source: {
      inputs: { ...model.inputs, lr, settings, ...inputs },
      outputs: { losses: model.losses, ...outputs },
      state,
    },
  };
}

/** The refresh of SOAP's eigenbases. */
export function refreshSource(options: TrainerOptions): Source {
  const tape = newTape();
  const plans = soapPlans(options);
  const updates = stacksOf(options.system, options.shape).map(({ theta, networks, architecture }) => {
    const shape = [options.runs.length * networks.length, parameterCount(architecture)];
    return soapRefresh(theta, input(tape, theta, shape), plans.get(theta)!);
  });
  return mergeUpdates(...updates);
}

/** Loss terms, each term's gradient and its norms: what weighting and verification look at. */
export function termsSource(
  options: Pick<TrainerOptions, 'system' | 'shape' | 'runs' | 'weighting' | 'weightMemory'>,
): { model: LossModel; source: Source } {
  const model = modelFor(options);
  const { l2, max, gradients } = gradientNorms(model.losses, model.thetas);
  const weights = model.inputs['weights']!;
  const byTerm: Record<string, Var> = {};
  gradients.forEach((terms, k) => {
    terms.forEach((g, s) => {
      byTerm[`gradient.${model.terms[k]}.${s}`] = g;
    });
  });
  const next = reweighted(weights, options.weighting === 'lra' ? max : l2, options.weightMemory);
  return {
    model,
    source: { inputs: model.inputs, outputs: { losses: model.losses, l2, max, "weights'": next, ...byTerm } },
  };
}

export function weightingSource(options: TrainerOptions): Source {
  const { model, source } = termsSource(options);
  const next = source.outputs["weights'"]!;
  return { inputs: model.inputs, outputs: { "weights'": next }, state: { weights: "weights'" } };
}

export function errorSource(
  { system, shape, runs }: TrainerOptions,
  count: number,
): { source: Source; fields: readonly string[] } {
  const { inputs, relative, rmse, predictions, fields } = errorModel(newTape(), system, runs.length, count, shape);
  return { source: { inputs, outputs: { relative, rmse, predictions } }, fields };
}
