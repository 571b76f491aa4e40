/**
 * A system on a tape: from parameters theta and collocation points to jets, residuals, K loss terms and their weighted
 * sum. Runs (seeds, couplings, learning rates) are stacked on a leading axis R; networks of one architecture are
 * stacked with them, B = R * networks.
 */
import {
  add,
  broadcast,
  concat,
  div,
  index,
  input,
  max,
  mean,
  mul,
  neg,
  slice,
  sqrt,
  square,
  stack,
  sub,
  sum,
  type Tape,
  type Var,
} from '../engine/index.ts';
import { NetworkError } from './architecture.ts';
import { CAUSAL, CAUSAL_SLICES, causalWeights, SLICES } from './causal.ts';
import { express, namesIn } from './expression.ts';
import { derivativesIn, partsOf, TIME } from './fields.ts';
import { LEARNED, learnedNames, learnedOnTape, readsLearned } from './learned.ts';
import { type DataInput, nameOf, type Problem } from './problem.ts';
import { type Condition, fieldsOf, groupsOf, type System } from './system.ts';
import { transformedAt } from './transform.ts';

/** The loss term of conditions that name none. */
const BOUNDARY = 'BC';

/** One residual at the points of its group, [R,N], before it is squared. */
export interface Residual {
  readonly name: string;
  readonly group: string;
  /** The group whose points it reads, too: of periodic conditions. */
  readonly pairedWith?: string;
  /** The loss term that its squares enter, and how. */
  readonly term: string;
  readonly over: 'sum' | 'mean';
  /** The fields that it reads. */
  readonly fields: readonly string[];
  /** Times the root of the condition's weight. */
  readonly value: Var;
}

export interface LossModel {
  /** The residuals of the equations, then those of the conditions. */
  readonly residuals: readonly Residual[];
  /** Names of the K loss terms, those of the boundary last. */
  readonly terms: readonly string[];
  /** [R,K]. */
  readonly losses: Var;
  /** The same with causal weights at the points of the equations, [R,K]; `losses` where there are none. */
  readonly weighed: Var;
  /** The smallest causal weight of each run, [R,1]. */
  readonly causality?: Var;
  /** Sum over runs and terms of weight * weighed, []: its gradient holds every run's own gradient. */
  readonly total: Var;
  readonly thetas: readonly [Var, ...Var[]];
  /** What learned parameters are made from, [R,L]; absent where there are none. */
  readonly learned?: Var;
  /** Every input of the tape by name: `theta`, `learned`, those of {@link data}, `weights` [R,K]. */
  readonly inputs: Readonly<Record<string, Var>>;
  /** What of the inputs the problem itself has values for. */
  readonly data: readonly DataInput[];
}

/** Inputs of a model, each appended at its first use. */
export class Inputs {
  readonly all: Record<string, Var> = {};
  readonly data: DataInput[] = [];
  readonly #tape: Tape;
  readonly #problem: Pick<Problem, 'system' | 'runs'>;
  constructor(tape: Tape, problem: Pick<Problem, 'system' | 'runs'>) {
    this.#tape = tape;
    this.#problem = problem;
  }

  declare(name: string, shape: readonly number[]): Var {
    this.all[name] ??= input(this.#tape, name, shape);
    return this.all[name];
  }

  given(datum: DataInput, shape: readonly number[]): Var {
    const name = nameOf(datum);
    if (!(name in this.all)) this.data.push(datum);
    return this.declare(name, shape);
  }

  /** What learned parameters are made from, [R,L]. */
  learned(): Var | undefined {
    const { system, runs } = this.#problem;
    const { length } = learnedNames(system);
    return length > 0 ? this.declare(LEARNED, [runs.length, length]) : undefined;
  }

  /** A parameter, [R,1]. */
  parameter(name: string): Var {
    const { system, runs } = this.#problem;
    const given = this.given({ kind: 'parameter', name }, [runs.length, 1]);
    return system.parameters[name]!.trainable ? learnedOnTape(system, name, given, this.learned()!) : given;
  }
}

/** Names in an equation without their derivatives. */
const fieldsIn = (equation: string) => new Set([...namesIn(equation)].map((name) => partsOf(name).field));

/** Names of the loss terms of a system: those of its equations, then those of its conditions. */
export const termsOf = ({ residuals, conditions }: System): string[] => [
  ...new Set([...Object.keys(residuals), ...conditions.map(({ term = BOUNDARY }) => term)]),
];

/** Appends the loss of a problem's runs to a tape; `causal`: equations weigh later once they hold earlier. */
export function lossModel(tape: Tape, problem: Problem, { causal = false } = {}): LossModel {
  const { system, stacks, counts } = problem;
  const runs = problem.runs.length;
  const inputs = new Inputs(tape, problem);
  const groups = groupsOf(system);
  const D = system.coordinates.length;
  const points = groups.map((group) => inputs.given({ kind: 'points', group }, [runs, D, counts[group]!]));
  const X = concat(points, 2);
  const fields = transformedAt(problem, X, derivativesIn(system), inputs);
  const learned = inputs.learned();

  /** The value of a name in an equation on one group of points: [R,N] or broadcastable to it. */
  const lookup =
    (group: string) =>
    (name: string): Var | undefined => {
      const start = groups.slice(0, groups.indexOf(group)).reduce((at, other) => at + counts[other]!, 0);
      const window = (v: Var) => slice(v, 1, start, start + counts[group]!);
      if (Object.hasOwn(system.parameters, name)) return inputs.parameter(name);
      if (learned && readsLearned(system, name)) return express(tape, system.definitions[name]!, lookup(group));
      const value = fields(name);
      if (value) return window(value);
      return isKnown(system, name) ? inputs.given({ kind: 'known', group, name }, [runs, counts[group]!]) : undefined;
    };

  const residuals: Residual[] = [];
  const residual = (
    name: string,
    equation: string,
    { group, term, over, weight, pairedWith }: Omit<Condition, 'residuals'> & { readonly term: string },
  ): Var => {
    const here = express(tape, equation, lookup(group));
    const written = pairedWith === undefined ? here : sub(here, express(tape, equation, lookup(pairedWith)));
    const value = weight === undefined ? written : mul(Math.sqrt(weight), written);
    const read = fieldsOf(system).filter((field) => fieldsIn(equation).has(field));
    const paired = pairedWith === undefined ? {} : { pairedWith };
    residuals.push({
      name,
      group,
      ...paired,
      term,
      over,
      fields: read,
      value: broadcast(value, [runs, counts[group]!]),
    });
    return value;
  };
  const terms: string[] = [];
  const losses: Var[] = [];
  const squares: Var[] = [];
  for (const [term, equation] of Object.entries(system.residuals)) {
    terms.push(term);
    tape.scope(`residual ${term}`, () => {
      squares.push(square(residual(term, equation, { group: 'interior', term, over: 'mean' })));
      losses.push(mean(squares.at(-1)!, [1]));
    });
  }
  const boundary = new Map<string, Var[]>();
  for (const { residuals, term = BOUNDARY, ...condition } of system.conditions)
    for (const equation of residuals) {
      const loss = tape.scope(`condition ${equation}`, () =>
        (condition.over === 'sum' ? sum : mean)(square(residual(equation, equation, { ...condition, term })), [1]),
      );
      boundary.set(term, [...(boundary.get(term) ?? []), loss]);
    }
  for (const [term, parts] of boundary) {
    terms.push(term);
    losses.push(tape.scope('conditions', () => parts.reduce(add)));
  }
  const all = concat(losses, 1);
  const weights = inputs.declare('weights', [runs, terms.length]);
  const inTime = causal
    ? tape.scope('causal weights', () => causality(squares, points[0]!, problem, inputs))
    : undefined;
  const weighed = inTime
    ? concat([...squares.map((each) => mean(mul(inTime, each), [1])), ...losses.slice(squares.length)], 1)
    : all;
  const total = tape.scope('total', () => sum(mul(weights, weighed), undefined, false));
  const [theta, ...others] = stacks.map((each) => inputs.all[each.theta]!);
  if (!theta) throw new NetworkError(`${system.name} has no network`);
  return {
    ...(inTime ? { causality: neg(max(neg(inTime), [1])) } : {}),
    ...{ residuals, terms, losses: all, weighed, total, thetas: [theta, ...others], ...(learned ? { learned } : {}) },
    ...{ inputs: inputs.all, data: inputs.data },
  };
}

/** Causal weights of interior points [R,N], which lie at X [R,D,N]. */
function causality(squares: readonly Var[], X: Var, { system, runs }: Problem, inputs: Inputs): Var {
  const t = index(X, 1, system.coordinates.indexOf(TIME));
  const epsilon = inputs.declare(CAUSAL, [runs.length, 1]);
  return causalWeights(squares, t, epsilon, inputs.declare(CAUSAL_SLICES, [2, SLICES]));
}

/** A name whose values at points are known before training: definitions, exact solutions, data, references, coordinates. */
export function isKnown(system: System, name: string): boolean {
  const exact = name.endsWith('_exact') && Object.hasOwn(system.exact, name.slice(0, -'_exact'.length));
  const observed = Object.values(system.observed ?? {}).some((columns) => Object.hasOwn(columns, name));
  const defined = Object.hasOwn(system.definitions, name) || system.coordinates.includes(name);
  return exact || observed || defined || name.endsWith('_ref');
}

export interface ErrorModel {
  /** Those with a reference solution. */
  readonly fields: readonly string[];
  /** All fields, those with a reference solution or not. */
  readonly predicted: readonly string[];
  /** Absent where no field has a reference solution. */
  readonly comparison?: {
    /** ||prediction - exact|| / ||exact|| by run and field, [R,fields]. */
    readonly relative: Var;
    /** Root of the mean squared error by run and field, [R,fields]. */
    readonly rmse: Var;
  };
  /** Predictions, [R,predicted,N]. */
  readonly predictions: Var;
  readonly inputs: Readonly<Record<string, Var>>;
  readonly data: readonly DataInput[];
}

/** The group of the points at which errors are measured. */
export const EVALUATION = 'evaluation';

/** Appends predictions at `count` evaluation points and their errors against the exact solution there. */
export function errorModel(tape: Tape, problem: Problem, count: number): ErrorModel {
  const { system } = problem;
  const runs = problem.runs.length;
  const inputs = new Inputs(tape, problem);
  const X = inputs.given({ kind: 'points', group: EVALUATION }, [runs, system.coordinates.length, count]);
  const values = transformedAt(problem, X, [], inputs);
  const fields = Object.keys(system.exact);
  const predicted = fieldsOf(system);
  const predictions = predicted.map((field) => values(field)!);
  const compared = fields.map((field) => predictions[predicted.indexOf(field)]!);
  const exact = fields.map((field) =>
    inputs.given({ kind: 'known', group: EVALUATION, name: `${field}_exact` }, [runs, count]),
  );
  const norms = (values: readonly Var[]) => values.map((v) => sum(square(v), [1]));
  const errors = norms(compared.map((p, k) => sub(p, exact[k]!)));
  const sizes = norms(exact);
  const rows = (of: (error: Var, k: number) => Var) => concat(errors.map(of), 1);
  return {
    fields,
    predicted,
    ...(fields.length > 0
      ? { comparison: { relative: rows((e, k) => root(e, sizes[k]!)), rmse: rows((e) => root(e, undefined, count)) } }
      : {}),
    predictions: stack(predictions, 1),
    inputs: inputs.all,
    data: inputs.data,
  };
}

const root = (error: Var, size?: Var, count = 1) => sqrt(size ? div(error, size) : mul(1 / count, error));
