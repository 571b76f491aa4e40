/** The lessons of the page "Look inside": they follow test/walk, and what they say holds. */
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { comparisons, lessons, stepNamed } from '../../site/look/lessons.ts';
import { simplificationOf } from '../../site/look/simplification.ts';
import { graphOfTrace, MAX_ORDER, orderOf, type Trace, traceFormula, traceResidual } from '../../site/look/trace.ts';
import { systemNamed } from '../../systems/index.ts';

const root = resolve(import.meta.dirname, '../..');
const steps = lessons.flatMap(({ title, steps }, l) =>
  steps.map((step, s) => ({ name: `${l + 1}.${s + 1} ${title}`, step })),
);

function traceOf({ formula, applied }: (typeof steps)[number]['step']): Trace {
  const [system, residual] = formula.split(':');
  return residual === undefined
    ? traceFormula(formula, applied)
    : traceResidual(systemNamed(system!), residual, applied);
}

it('follow the parts of the guided tour, in their order', () => {
  const parts = readdirSync(join(root, 'test/walk')).sort();
  expect(lessons.map(({ walk }) => walk)).toEqual(parts.map((file) => `test/walk/${file}`));
});

describe.each(steps)('$name', ({ step }) => {
  it('shows code that is there, and what was found on paper', () => {
    expect(existsSync(join(root, step.source)), step.source).toBe(true);
    expect(orderOf(step.applied)).toBeLessThanOrEqual(MAX_ORDER);
    const trace = traceOf(step);
    if (step.pass !== undefined) expect(simplificationOf(graphOfTrace(trace))[step.pass]).toBeDefined();
    for (const at of [0.3, -1.2]) {
      const found = comparisons(step, trace, { x: at, y: 0.8 });
      expect(found.map(({ output }) => output)).toEqual(Object.keys(step.byHand ?? {}));
      for (const { byHand, byTape } of found) expect(byTape).toBeCloseTo(byHand, 12);
    }
  });
});

it('would show a mistake on paper', () => {
  const step = { say: '', source: '', formula: 'x*x', applied: ['grad'], byHand: { "y'": '3*x' } } as const;
  const [found] = comparisons(step, traceFormula('x*x', ['grad']), { x: 0.5 });
  expect(found).toEqual({ output: "y'", formula: '3*x', byHand: 1.5, byTape: 1 });
});

it('are found by the name of a step', () => {
  expect(stepNamed('2.1')).toEqual({ lesson: 1, step: 0 });
  for (const name of [null, '', '0.1', '1.9', '9.1', 'one']) expect(stepNamed(name)).toBeUndefined();
});
