/** Jacobian rows in float64 against differences and against the forward mode of the tape. */
import { describe, expect, it } from 'vitest';
import { input, jvp, sizeOf } from '../../../engine/index.ts';
import { rowsModel } from '../../../experiments/ntk/tape.ts';
import { inputValues } from '../../../systems/index.ts';
import { distance } from '../../support/gpu.ts';
import { cases, float64, jacobian, subjectOf, thetasOf } from '../../support/ntk.ts';
import { generator } from '../../support/tensors.ts';

describe.each(cases)('rows of %s', (name, parameters, boundary) => {
  const subject = subjectOf(name, parameters, boundary);
  const { model, rows } = rowsModel(subject);

  /** Residuals of all rows on the tape of the model, in order, in float64. */
  const residuals = (thetas: Readonly<Record<string, ArrayLike<number>>>) => {
    const values = model.residuals.filter(({ group }) => boundary || group === 'interior').map(({ value }) => value);
    const named = { inputs: model.inputs, outputs: Object.fromEntries(values.map((value, k) => [String(k), value])) };
    const weights = { weights: new Float64Array(sizeOf(model.inputs['weights']!.shape)) };
    const given = { ...inputValues(subject.problem, model.data), ...weights, ...thetas };
    return float64(named, given).flatMap((part) => [...part]);
  };

  it('are differences of the residuals along any direction', () => {
    const { J, M } = jacobian(subject);
    const thetas = thetasOf(subject);
    const random = generator(5);
    const directions = Object.fromEntries(
      Object.entries(thetas).map(([key, data]) => [key, Float64Array.from(data, () => 2 * random() - 1)]),
    );
    const h = 1e-5;
    const moved = (by: number) =>
      residuals(
        Object.fromEntries(
          Object.entries(thetas).map(([key, data]) => [
            key,
            Float64Array.from(data, (x, i) => x + by * directions[key]![i]!),
          ]),
        ),
      );
    const [plus, minus] = [moved(h), moved(-h)];
    const slopes = plus.map((value, m) => (value - minus[m]!) / (2 * h));
    const flat = subject.problem.stacks.flatMap(({ theta, networks }) => {
      const P = directions[theta]!.length / networks.length;
      return networks.map((_, f) => directions[theta]!.slice(f * P, (f + 1) * P));
    });
    const Jv = Array.from({ length: M }, (_, m) =>
      J.reduce((sum, network, k) => sum + network[m]!.reduce((own, value, p) => own + value * flat[k]![p]!, 0), 0),
    );
    expect(slopes).toHaveLength(M);
    expect(distance(Jv, slopes)).toBeLessThan(1e-7);
    expect(rows.reduce((sum, { count }) => sum + count, 0)).toBe(M);
  });

  it('obey dot(Jv, w) = dot(v, J^T w) with the forward mode of the tape', () => {
    const { J, M } = jacobian(subject);
    const again = rowsModel(subject).model;
    const { tape } = again.total;
    const names = subject.problem.stacks.map(({ theta }) => theta);
    const tangents = names.map((key) => input(tape, `tangent.${key}`, again.inputs[key]!.shape));
    const chosen = again.residuals.filter(({ group }) => boundary || group === 'interior').map(({ value }) => value);
    const forward = jvp(
      chosen,
      names.map((key, k) => ({ of: again.inputs[key]!, tangent: tangents[k]! })),
    );
    const random = generator(9);
    const v = tangents.map(({ shape: extents }) =>
      Float64Array.from({ length: sizeOf(extents) }, () => 2 * random() - 1),
    );
    const w = Float64Array.from({ length: M }, () => 2 * random() - 1);
    const inputs = { ...again.inputs, ...Object.fromEntries(tangents.map((t, k) => [`tangent.${k}`, t])) };
    const values = {
      ...inputValues(subject.problem, again.data),
      ...thetasOf(subject),
      weights: new Float64Array(again.terms.length),
      ...Object.fromEntries(v.map((data, k) => [`tangent.${k}`, data])),
    };
    const Jv = float64(
      { inputs, outputs: Object.fromEntries(forward.map((out, k) => [String(k), out])) },
      values,
    ).flatMap((part) => [...part]);
    const left = Jv.reduce((sum, value, m) => sum + value * w[m]!, 0);
    const flat = v.flatMap((data, s) => {
      const F = subject.problem.stacks[s]!.networks.length;
      return Array.from({ length: F }, (_, f) => data.slice((f * data.length) / F, ((f + 1) * data.length) / F));
    });
    const right = J.reduce(
      (sum, network, k) =>
        sum +
        network.reduce((own, row, m) => own + w[m]! * row.reduce((s, value, p) => s + value * flat[k]![p]!, 0), 0),
      0,
    );
    expect(Math.abs(left - right)).toBeLessThan(1e-11 * Math.max(1, Math.abs(left)));
  });
});
