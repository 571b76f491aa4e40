/** What a trainer runs, compiled without a GPU: its plans, and the device memory that they need together. */
import { type CompileOptions, compile, type Plan, type Slot, shareTemporaries } from '../../engine/index.ts';
import { countOf, type DataInput, LEARNED } from '../../systems/index.ts';
import type { Memory } from './results.ts';
import {
  errorSource,
  magnitudeSource,
  rateSource,
  refreshSource,
  soapPlans,
  startSource,
  stepSource,
  type TrainerOptions,
  weightingSource,
} from './tapes.ts';

/** The programs of a trainer, in the order in which they are created. They never run at once. */
export type Role = 'step' | 'error' | 'weighting' | 'start' | 'refresh' | 'residuals' | 'rate';

export interface TrainingPlans {
  readonly plans: Readonly<Partial<Record<Role, Plan>> & Record<'step' | 'error', Plan>>;
  /** The buffers in which all of them keep their temporaries. */
  readonly temporaries: Plan;
  readonly terms: readonly string[];
  /** Those with a reference solution, and those that are predicted. */
  readonly fields: readonly string[];
  readonly predicted: readonly string[];
  /** Inputs of the training programs, and of the error, that the problem has values for. */
  readonly data: { readonly training: readonly DataInput[]; readonly error: readonly DataInput[] };
}

/**
 * `weighting` is there unless the loss terms keep their weights, `start` and `refresh` are SOAP's, `residuals` adapt points,
 * `rate` follows a schedule.
 */
export function trainingPlans(options: TrainerOptions, settings: CompileOptions): TrainingPlans {
  const { problem } = options;
  const { model, source: step } = stepSource(options);
  const { model: errors, source: error } = errorSource(problem, countOf(problem.system.evaluation()));
  const soap = options.optimizer === 'soap';
  const turns = soap && [...soapPlans(problem, options.soap).values()].some(({ factors }) => factors.length > 0);
  const sources = {
    step,
    error,
    ...(options.weighting === 'none' ? {} : { weighting: weightingSource(options) }),
    ...(problem.system.resampling?.adaptive ? { residuals: magnitudeSource(problem) } : {}),
    ...(soap ? { start: startSource(options) } : {}),
    ...(turns ? { refresh: refreshSource(problem, options.soap) } : {}),
    ...(options.schedule ? { rate: rateSource(options.schedule, problem.runs.length) } : {}),
  };
  const compiled = Object.entries(sources).map(([role, source]) => [role, compile(source, settings)]);
  const { plans, temporaries } = shareTemporaries<Role>(Object.fromEntries(compiled));
  const data = { training: model.data, error: errors.data };
  return { plans, temporaries, terms: model.terms, fields: errors.fields, predicted: errors.predicted, data };
}

/** Inputs of a plan that lie in the buffers of another one. */
export const sharedNames = (plan: Plan, owner: Plan): string[] =>
  Object.keys(plan.inputs).filter((name) => name in owner.inputs);

/** Memory of all programs of a trainer together, each buffer counted once. */
export function memoryOf({ plans, temporaries }: TrainingPlans, { problem }: TrainerOptions): Memory {
  const { step, ...others } = plans;
  const thetas = [...problem.stacks.map(({ theta }) => theta), LEARNED];
  const state = new Set(Object.values(plans).flatMap((plan) => Object.entries(plan.state).flat()));
  const own = [step, ...Object.values(others)].flatMap((plan) => {
    const shared = new Set([...sharedNames(plan, temporaries), ...(plan === step ? [] : sharedNames(plan, step))]);
    return plan.slots.filter(({ names }) => !names.some((name) => shared.has(name)));
  });
  const bytes = (which: (slot: Slot) => boolean) => 4 * own.filter(which).reduce((sum, slot) => sum + slot.elements, 0);
  const isTheta = ({ names }: Slot) => names.some((name) => thetas.includes(name));
  const isState = (slot: Slot) => !isTheta(slot) && slot.names.some((name) => state.has(name) && name !== 'weights');
  const parts = {
    parameters: bytes(isTheta),
    optimizerState: bytes(isState),
    activations: 4 * temporaries.slots.reduce((sum, { elements }) => sum + elements, 0),
    data: bytes((slot) => !isTheta(slot) && !isState(slot)),
  };
  return { total: Object.values(parts).reduce((a, b) => a + b), ...parts };
}

/** In words: `3.10 MiB of device memory: parameters 0.10, optimizer state 0.96, activations 2.01, data 0.03`. */
export function memoryText({ total, parameters, optimizerState, activations, data }: Memory): string {
  const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 2 : 1);
  const parts = { parameters, 'optimizer state': optimizerState, activations, data };
  const listed = Object.entries(parts).map(([name, bytes]) => `${name} ${mib(bytes)}`);
  return `${mib(total)} MiB of device memory: ${listed.join(', ')}`;
}
