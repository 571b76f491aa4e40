/** Small subjects of the tangent kernel, and their rows in float64. */
import { evaluate, graphOf, newTape, type Source, simplify } from '../../engine/index.ts';
import { rowsModel, rowsSource, type Subject } from '../../experiments/ntk/tape.ts';
import {
  initialThetas,
  inputValues,
  lossModel,
  problemOf,
  resolveParameters,
  systemNamed,
} from '../../systems/index.ts';

export const shape = { hidden: 2, width: 9 };

/** A run with few points: every group thinned, so that rows are few. */
export function subjectOf(
  name: string,
  parameters: Readonly<Record<string, number>> = {},
  boundary = false,
  seed = 42,
): Subject {
  const system = systemNamed(name);
  const own = resolveParameters(system, parameters);
  const thin = (data: Float64Array) =>
    data.length > 7 ? data.filter((_, k) => k % Math.floor(data.length / 7) === 3) : data;
  const points = Object.fromEntries(
    Object.entries(system.points(own, seed)).map(([group, columns]) => [
      group,
      Object.fromEntries(Object.entries(columns).map(([key, data]) => [key, thin(data)])),
    ]),
  );
  return { problem: problemOf(system, [{ parameters: own, seed, points }], shape), boundary };
}

export const thetasOf = ({ problem }: Subject) => initialThetas(problem);

/** Values of the inputs that the problem determines, and initial parameters. */
export const valuesOf = (subject: Subject): Record<string, ArrayLike<number>> => ({
  ...inputValues(subject.problem, lossModel(newTape(), subject.problem).data),
  ...thetasOf(subject),
});

export function float64(
  { inputs, outputs }: Source,
  values: Readonly<Record<string, ArrayLike<number>>>,
): Float64Array[] {
  const graph = simplify(graphOf(Object.values(inputs), Object.values(outputs)));
  return evaluate(
    graph,
    Object.keys(inputs).map((name) => values[name]!),
  );
}

/** J_k of every network, [M][P], with the layers put together. */
export function jacobian(subject: Subject): { J: Float64Array[][]; M: number } {
  const model = rowsModel(subject);
  const source = rowsSource(model);
  const rows = float64(source, valuesOf(subject));
  const M = model.rows.reduce((sum, { count }) => sum + count, 0);
  const J: Float64Array[][] = [];
  for (const [s, stack] of subject.problem.stacks.entries())
    for (let f = 0; f < stack.networks.length; f++)
      J.push(
        Array.from({ length: M }, (_, m) => {
          const parts = model.layers.flatMap((layer, k) => {
            if (layer.at.stack !== s) return [];
            const size = rows[k]!.length / (stack.networks.length * M);
            return [...rows[k]!.slice((f * M + m) * size, (f * M + m + 1) * size)];
          });
          return Float64Array.from(parts);
        }),
      );
  return { J, M };
}

export const cases = [
  ['symmetric', { k: 7 }, false],
  ['thermoelasticity', { gamma: 3 }, true],
  ['reaction-diffusion', { k: 5 }, false],
  ['nernst-planck-poisson', { epsilon: 0.5 }, true],
  ['electroosmotic-flow', { epsilon: 0.2 }, true],
] as const;
