/**
 * The reference solution of every system, put into its own equations in float64: where it is a formula nothing may
 * remain. A wrong sign or coefficient in an equation, a forcing or a condition shows here. Derivatives are taken on the
 * tape, from the reference's text; the equations are the system's own.
 */
import { describe, expect, it } from 'vitest';
import {
  type Coordinates,
  countOf,
  knownValues,
  type Parameters,
  resolveParameters,
  type System,
  systems,
} from '../../systems/index.ts';
import { allRemainders, differences, parameterSets, remainders, slips } from '../support/remainders.ts';

const byFormula = systems.filter((system) => !system.reference);
const byNumbers = systems.filter((system) => system.reference);

it('both kinds of reference are there', () => {
  expect(byFormula.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['thermoelasticity', 'reaction-diffusion', 'symmetric']),
  );
  expect(byNumbers.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['nernst-planck-poisson', 'electroosmotic-flow']),
  );
});

describe.each(byFormula.map((system) => ({ name: system.name, system })))('$name', ({ system }) => {
  it('has an exact solution that leaves nothing of any equation or condition', () => {
    for (const parameters of parameterSets(system)) {
      const found = allRemainders(system, parameters);
      expect(Object.keys(found).length).toBeGreaterThan(2);
      expect(Object.entries(found).filter(([, remainder]) => !(remainder < 1e-9))).toEqual([]);
    }
  });

  it('would be found out with any sign turned', () => {
    const parameters = parameterSets(system).at(-1)!;
    const wrong = [...slips(system)];
    expect(wrong.length).toBeGreaterThan(2);
    for (const each of wrong) {
      const most = Math.max(...Object.values(allRemainders(each, parameters)));
      expect(most, Object.values(each.residuals).join(', ')).toBeGreaterThan(1e-2);
    }
  });

  it('would be found out with a wrong forcing or condition', () => {
    const parameters = parameterSets(system).at(-1)!;
    for (const [name, equation] of Object.entries(system.definitions)) {
      const wrong = { ...system, definitions: { ...system.definitions, [name]: `1.001*(${equation})` } };
      expect(Math.max(...Object.values(allRemainders(wrong, parameters))), name).toBeGreaterThan(1e-4);
    }
    const shifted = system.conditions.map(({ residuals, ...rest }) => ({
      ...rest,
      residuals: residuals.map((each) => `${each} + 0.001`),
    }));
    const found = allRemainders({ ...system, conditions: shifted }, parameters);
    expect(Object.values(found).filter((most) => most > 9e-4).length).toBe(shifted.flatMap((c) => c.residuals).length);
  });
});

describe.each(byNumbers.map((system) => ({ name: system.name, system })))('$name', ({ system }) => {
  /** Points far enough from the ends for differences. */
  function within(points: Coordinates, margin: number): Coordinates {
    const inside = Array.from({ length: countOf(points) }, (_, k) => k).filter((k) =>
      system.coordinates.every((c) => points[c]![k]! > margin && points[c]![k]! < 1 - margin),
    );
    const some = inside.filter((_, i) => i % Math.ceil(inside.length / 200) === 0);
    return Object.fromEntries(system.coordinates.map((c) => [c, Float64Array.from(some, (k) => points[c]![k]!)]));
  }
  function interior(wrong: System, parameters: Parameters): Record<string, number> {
    const h = 0.01 * parameters['epsilon']!;
    const points = within(system.points(parameters, 3)['interior']!, 3 * h);
    const known = differences(system, parameters, points, h);
    return remainders(wrong, Object.values(wrong.residuals), parameters, points, known);
  }
  const sets = [...system.coupling.values.map((epsilon) => ({ epsilon })), { epsilon: 0.3, zeta: 1.7 }].map((given) =>
    resolveParameters(system, given),
  );

  it('has a reference that leaves nothing of any equation, up to the error of differences', () => {
    for (const parameters of sets) {
      const scale = 1 + 1 / parameters['epsilon']! ** 2;
      const left = Object.entries(interior(system, parameters)).filter(([, most]) => !(most < 1e-6 * scale));
      expect(left).toEqual([]);
    }
  });

  it('has a reference that meets every condition', () => {
    for (const parameters of sets) {
      const groups = system.points(parameters, 3);
      for (const { group, residuals } of system.conditions) {
        const points = groups[group]!;
        const none = system.coordinates.flatMap(() => [
          new Float64Array(countOf(points)),
          new Float64Array(countOf(points)),
        ]);
        const known = Object.fromEntries(
          Object.keys(system.reference!(parameters)).map((name) => [
            name,
            [knownValues(system, name, parameters, points), ...none],
          ]),
        );
        const found = remainders(system, residuals, parameters, points, known);
        expect(Object.entries(found).filter(([, most]) => !(most < 1e-9))).toEqual([]);
      }
    }
  });

  it('would be found out with a sign turned', () => {
    // In two dimensions some signs belong to what the reference keeps at zero: v, p and derivatives along the channel.
    const parameters = sets.at(-1)!;
    const seen = (each: System) => Math.max(...Object.values(interior(each, parameters))) > 1e-2;
    const turned = Object.entries(system.residuals).map(([term, equation]) => {
      const wrong = [...slips({ ...system, residuals: { [term]: equation } })];
      return { term, all: wrong.length, found: wrong.filter(seen).length };
    });
    if (system.coordinates.length === 1) expect(turned.filter(({ all, found }) => found < all)).toEqual([]);
    const terms = turned.filter(({ found }) => found > 0).map(({ term }) => term);
    expect(terms).toEqual(Object.keys(system.residuals).filter((term) => !['Stokes-y', 'continuity'].includes(term)));
  });
});
