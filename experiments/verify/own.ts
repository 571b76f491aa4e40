/**
 * A system against itself: its reference solution leaves nothing of its equations in float64, and the losses and gradients
 * of a training step are on the device what they are in float64.
 */
import { namesIn } from '../../systems/expression.ts';
import {
  type Coordinates,
  initialThetas,
  inputValues,
  type Parameters,
  problemOf,
  resolveParameters,
  type System,
} from '../../systems/index.ts';
import { termsSource } from '../training/tapes.ts';
import type { Backend } from '../training/trainer.ts';
import { distance, type Quantity, quantity } from './quantity.ts';
import { conditionRemainders } from './remainders.ts';
import { type CaseResult, compute, interpret } from './system.ts';

/** Of the largest value that enters an equation: rounding in float64, through a derivative or four. */
const EXACT = 1e-9;
/** Of gradients on the device, or as much as float32 alone may cost. */
const DEVICE = 1e-4;
/** How much further off than the rounded interpretation the device may be: it sums in another order. */
const SLACK = 8;
const SEED = 42;
/** Points of a group at which the two are compared. */
const POINTS = 100;

export async function verifySystem(system: System, file: string, backend: Backend): Promise<CaseResult> {
  const quantities = [...remainderQuantities(system), ...(await deviceQuantities(system, backend))];
  return { file, ok: quantities.every(({ ok }) => ok), quantities };
}

/** The usual parameters, and those at the weakest and the strongest coupling. */
function parameterSets(system: System): Parameters[] {
  const { parameter, values } = system.coupling;
  const ends = values.length > 0 ? [values[0]!, values.at(-1)!] : [];
  return [{}, ...ends.map((value) => ({ [parameter]: value }))].map((given) => resolveParameters(system, given));
}

/** Nothing where there is no reference solution, or one that no formula gives. */
function remainderQuantities(system: System): Quantity[] {
  if (system.reference || Object.keys(system.exact).length === 0) return [];
  const parts = [
    ...Object.entries(system.residuals).map(([name, residual]) => ({ name, residual, at: { group: 'interior' } })),
    ...system.conditions.flatMap(({ residuals, ...at }) =>
      residuals.map((residual) => ({ name: `${residual} at ${at.group}`, residual, at })),
    ),
  ].filter(({ residual }) => isSolved(system, residual));
  const worst = new Map<string, number>();
  for (const parameters of parameterSets(system)) {
    const groups = system.points(parameters, SEED);
    for (const { name, residual, at } of parts) {
      const [remainder] = conditionRemainders(system, { ...at, residuals: [residual] }, parameters, groups);
      if (remainder) worst.set(name, Math.max(worst.get(name) ?? 0, remainder.largest / remainder.scale));
    }
  }
  return [...worst].map(([name, remainder]) => quantity(`float64: exact solution in ${name}`, remainder, EXACT));
}

/** Whether the reference solution has every field that an equation asks for, and the equation is about nothing but these. */
function isSolved(system: System, residual: string): boolean {
  const { coordinates, parameters, definitions, exact } = system;
  const known = [...coordinates, ...[parameters, definitions, exact].flatMap(Object.keys)];
  return [...namesIn(residual)].every((name) => known.includes(name.replace(/_exact$|\..*$/, '')));
}

async function deviceQuantities(system: System, backend: Backend): Promise<Quantity[]> {
  const parameters = resolveParameters(system);
  const points = Object.fromEntries(
    Object.entries(system.points(parameters, SEED)).map(([group, own]) => [
      group,
      system.observed?.[group] ? own : few(own),
    ]),
  );
  const problem = problemOf(system, [{ parameters, seed: SEED, points }]);
  const { model, source } = termsSource({ problem, weighting: 'none' });
  const values = {
    ...inputValues(problem, model.data),
    ...initialThetas(problem),
    weights: model.terms.map(() => 1),
  };
  const exact = interpret(source, values);
  const rounded = interpret(source, values, 'f32');
  const computed = await compute(source, values, backend);
  const told = Object.keys(source.outputs).filter((name) => name === 'losses' || name.startsWith('gradient.'));
  return told.map((name) => {
    const allowed = SLACK * distance(rounded[name]!, exact[name]!);
    const note = allowed > DEVICE ? 'as much as float32 costs here' : undefined;
    const [, term, stack] = /^gradient\.(.*)\.(\d+)$/.exec(name) ?? [];
    const networks = problem.stacks[Number(stack)]?.networks.join(', ');
    const label = term === undefined ? 'loss terms' : `gradient of ${term} by ${networks}`;
    return quantity(
      `gpu against float64: ${label}`,
      distance(computed[name]!, exact[name]!),
      Math.max(DEVICE, allowed),
      note,
    );
  });
}

/** Every so many of the points. */
function few(points: Coordinates): Coordinates {
  const stride = Math.ceil((Object.values(points)[0]?.length ?? 0) / POINTS);
  return Object.fromEntries(
    Object.entries(points).map(([name, values]) => [name, values.filter((_, k) => k % stride === 0)]),
  );
}
