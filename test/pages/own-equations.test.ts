/** Every system on the page about them is one: it is read, and its loss and gradient are finite in float64. */
import { describe, expect, it } from 'vitest';
import { evaluate, grad, graphOf, newTape } from '../../engine/index.ts';
import {
  defineSystem,
  initialThetas,
  inputValues,
  lossModel,
  problemOf,
  resolveParameters,
  type SystemSpec,
} from '../../systems/index.ts';
import { blocksIn, page } from '../support/pages.ts';

const texts = blocksIn(page('docs/own-equations.md'))
  .filter(({ language }) => language === 'mjs')
  .map(({ text }) => text);
const files: Readonly<Record<string, string>> = { 'thermometer.csv': 't,T\n0,1\n1,0.5\n' };

describe('systems on docs/own-equations.md', () => {
  it('are there', () => {
    expect(texts.length).toBeGreaterThan(4);
  });

  it.each(texts.map((text) => [/name: '([\w-]+)'/.exec(text)![1]!, text]))('%s', async (name, text) => {
    const module: { default: SystemSpec } = await import(`data:text/javascript,${encodeURIComponent(text)}`);
    const system = defineSystem(module.default, { readText: (file) => files[file]! });
    expect(system.name).toBe(name);
    const parameters = resolveParameters(system);
    const all = system.points(parameters, 1);
    const points = Object.fromEntries(
      Object.entries(all).map(([group, columns]) => [
        group,
        group in (system.observed ?? {})
          ? columns
          : Object.fromEntries(Object.entries(columns).map(([key, values]) => [key, values.slice(0, 5)])),
      ]),
    );
    const problem = problemOf(system, [{ parameters, seed: 1, points }], { hidden: 1, width: 4 });
    const model = lossModel(newTape(), problem);
    const gradients = grad(model.total, [...model.thetas, ...(model.learned ? [model.learned] : [])]);
    const values: Record<string, ArrayLike<number>> = {
      ...{ ...inputValues(problem, model.data), ...initialThetas(problem) },
      weights: new Array(model.terms.length).fill(1),
    };
    const results = evaluate(
      graphOf(Object.values(model.inputs), [model.losses, ...gradients]),
      Object.keys(model.inputs).map((key) => values[key]!),
    );
    for (const numbers of results) expect([...numbers].every(Number.isFinite)).toBe(true);
    expect(results[1]!.some((each) => each !== 0)).toBe(true);
  });
});
