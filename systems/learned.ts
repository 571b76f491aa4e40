/**
 * Parameters that are learned with the networks, from data: inverse problems. The tape holds, for each run and parameter,
 * a number s that begins at 0. A positive parameter is its start times exp(s), and so stays positive (Raissi, Perdikaris and
 * Karniadakis 2019 learn a viscosity this way); any other is its start plus s.
 */
import { add, exp, mul, slice, type Var } from '../engine/index.ts';
import { namesIn } from './expression.ts';
import type { Problem } from './problem.ts';
import type { System } from './system.ts';

/** Name of the input that holds s, [R,L]. */
export const LEARNED = 'learned';

/** Names of the L parameters that are learned. */
export const learnedNames = ({ parameters }: Pick<System, 'parameters'>): string[] =>
  Object.keys(parameters).filter((name) => parameters[name]!.trainable);

/** Whether a name or what it is defined by reads a learned parameter. */
export function readsLearned(system: Pick<System, 'parameters' | 'definitions'>, name: string): boolean {
  if (system.parameters[name]?.trainable) return true;
  const definition = Object.hasOwn(system.definitions, name) ? system.definitions[name]! : undefined;
  return definition !== undefined && [...namesIn(definition)].some((each) => readsLearned(system, each));
}

/** A learned parameter, [R,1], from where it starts, [R,1], and all s, [R,L]. */
export function learnedOnTape(system: System, name: string, start: Var, s: Var): Var {
  const k = learnedNames(system).indexOf(name);
  const own = slice(s, 1, k, k + 1);
  return system.parameters[name]!.positive ? mul(start, exp(own)) : add(start, own);
}

/** Values of the learned parameters by name, one for each run, from all s, [R,L]. */
export function learnedValues({ system, runs }: Pick<Problem, 'system' | 'runs'>, s: ArrayLike<number>) {
  const names = learnedNames(system);
  const value = (name: string, start: number, own: number) =>
    system.parameters[name]!.positive ? start * Math.exp(own) : start + own;
  return Object.fromEntries(
    names.map((name, k) => [
      name,
      runs.map(({ parameters }, r) => value(name, parameters[name]!, s[r * names.length + k]!)),
    ]),
  );
}
