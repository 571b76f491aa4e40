/** The tapes that a trainer compiles: training step, start and refresh of SOAP, weighting, error. */
import {
  add,
  broadcast,
  grad,
  input,
  mul,
  newTape,
  reshape,
  type Source,
  sqrt,
  square,
  type Var,
} from '../../engine/index.ts';
import {
  adam,
  gradientNorms,
  mergeUpdates,
  planSoap,
  reweighted,
  type Schedule,
  type SoapOptions,
  type SoapPlan,
  share,
  soap,
  soapRefresh,
  soapStart,
  type Update,
} from '../../optim/index.ts';
import {
  type ErrorModel,
  errorModel,
  LEARNED,
  type LossModel,
  lossModel,
  matrixBlocks,
  type Problem,
  parameterCount,
} from '../../systems/index.ts';
import type { Hyperparameters } from './hyperparameters.ts';

/** A problem, and how it is trained. */
export interface TrainerOptions extends Hyperparameters {
  readonly problem: Problem;
}

/** The smallest causal weight of each run, [R,1], as an output of the step. */
export const CAUSALITY = 'causality';

/** The step's input `settings`. */
export const optimizerSettings = ({ betas, optimizerEpsilon, soap }: TrainerOptions): number[] => [
  ...betas,
  optimizerEpsilon,
  ...(soap ? [soap.shampooBeta, soap.weightDecay] : []),
];

/** What one kind of program adds to the loss and its gradient for one theta. */
type Updater = (name: string, theta: Var, g: Var, lr: Var, settings: Var, plan: SoapPlan) => Update;

/** How theta's rows are laid out for SOAP, by input name of theta. */
export function soapPlans({ stacks, runs }: Problem, soap?: SoapOptions): Map<string, SoapPlan> {
  return new Map(
    stacks.map(({ theta, networks, architecture }) => [
      theta,
      planSoap(runs.length * networks.length, matrixBlocks(architecture), soap?.maxPrecondDim),
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
  const { problem } = options;
  const model = lossModel(newTape(), problem, { causal: options.causal !== undefined });
  const { tape } = model.total;
  const R = problem.runs.length;
  const { thetas, learned } = model;
  const gradients = grad(model.total, learned ? [...thetas, learned] : thetas);
  const lr = input(tape, 'lr', [R, 1]);
  const settings = input(tape, 'settings', [optimizerSettings(options).length]);
  const plans = soapPlans(problem, options.soap);
  const updates = problem.stacks.map(({ theta, networks }, k) => {
    const rows = [R, networks.length, 1];
    const rate = reshape(broadcast(reshape(lr, [R, 1, 1]), rows), [R * networks.length, 1]);
    return updater(theta, thetas[k]!, gradients[k]!, rate, settings, plans.get(theta)!);
  });
  // Learned parameters are no matrices: of SOAP, Adam is left.
  if (learned) updates.push(updater(LEARNED, learned, gradients.at(-1)!, lr, settings, planSoap(R, [])));
  const { inputs, outputs, state } = mergeUpdates(...updates);
  return {
    model,
    source: {
      inputs: { ...model.inputs, lr, settings, ...inputs },
      outputs: { losses: model.losses, ...(model.causality ? { [CAUSALITY]: model.causality } : {}), ...outputs },
      state,
    },
  };
}

/** The refresh of SOAP's eigenbases. */
export function refreshSource(problem: Problem, soap?: SoapOptions): Source {
  const tape = newTape();
  const plans = soapPlans(problem, soap);
  const updates = problem.stacks.map(({ theta, networks, architecture }) => {
    const shape = [problem.runs.length * networks.length, parameterCount(architecture)];
    return soapRefresh(theta, input(tape, theta, shape), plans.get(theta)!);
  });
  return mergeUpdates(...updates);
}

/** Loss terms, each term's gradient and its norms: what weighting and verification look at. */
export function termsSource(options: Pick<TrainerOptions, 'problem' | 'weighting' | 'weightMemory' | 'causal'>): {
  model: LossModel;
  source: Source;
} {
  const model = lossModel(newTape(), options.problem, { causal: options.causal !== undefined });
  const { l2, max, gradients } = gradientNorms(model.weighed, model.thetas);
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

/** The learning rate `lr` [R,1] of the step after `step` [1] others, from what it is multiplied with, `base` [R,1]. */
export function rateSource({ name }: Schedule, runs: number): Source {
  const tape = newTape();
  const [step, base, numbers] = [
    input(tape, 'step', [1]),
    input(tape, 'base', [runs, 1]),
    input(tape, 'schedule', [3]),
  ];
  return {
    inputs: { step, base, schedule: numbers, lr: input(tape, 'lr', [runs, 1]) },
    outputs: { "lr'": mul(base, share(name, step, numbers)), "step'": add(step, 1) },
    state: { lr: "lr'", step: "step'" },
  };
}

/** How far the equations are from holding at each interior point: `residual` [R,N], the norm over the equations. */
export function magnitudeSource(problem: Problem): Source {
  const model = lossModel(newTape(), { ...problem, system: { ...problem.system, conditions: [] } });
  const { weights: _, ...inputs } = model.inputs;
  const residual = sqrt(model.residuals.map(({ value }) => square(value)).reduce(add));
  return { inputs, outputs: { residual } };
}

export function errorSource(problem: Problem, count: number): { model: ErrorModel; source: Source } {
  const model = errorModel(newTape(), problem, count);
  const { inputs, comparison = {}, predictions } = model;
  return { model, source: { inputs, outputs: { ...comparison, predictions } } };
}
