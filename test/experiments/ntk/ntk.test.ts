/**
 * Jacobian rows, Gram matrices and preconditioned kernels on the GPU against float64, float64 against differences, and
 * what the theory says of the spectra. Needs an adapter; without one everything on the GPU fails.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  compile,
  type Device,
  evaluate,
  graphOf,
  input,
  jvp,
  newTape,
  openDevice,
  Program,
  type Source,
  simplify,
  sizeOf,
} from '../../../engine/index.ts';
import { liveStates, stateOf } from '../../../experiments/ntk/live.ts';
import { NtkMeter, type State } from '../../../experiments/ntk/meter.ts';
import {
  gramSource,
  preconditionedSource,
  rowsModel,
  rowsSource,
  type Subject,
} from '../../../experiments/ntk/tape.ts';
import { hyperparametersFor } from '../../../experiments/training/hyperparameters.ts';
import { Trainer } from '../../../experiments/training/trainer.ts';
import { library } from '../../../kernels/index.ts';
import {
  initialThetas,
  inputValues,
  lossModel,
  problemOf,
  type Run,
  resolveParameters,
  systemNamed,
} from '../../../systems/index.ts';
import { distance } from '../../support/gpu.ts';
import { generator } from '../../support/tensors.ts';

const shape = { hidden: 2, width: 9 };

/** A run with few points: every group thinned, so that rows are few. */
function subjectOf(
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

const thetasOf = ({ problem }: Subject) => initialThetas(problem);

/** Values of the inputs that the problem determines, and initial parameters. */
const valuesOf = (subject: Subject): Record<string, ArrayLike<number>> => ({
  ...inputValues(subject.problem, lossModel(newTape(), subject.problem).data),
  ...thetasOf(subject),
});

function float64({ inputs, outputs }: Source, values: Readonly<Record<string, ArrayLike<number>>>): Float64Array[] {
  const graph = simplify(graphOf(Object.values(inputs), Object.values(outputs)));
  return evaluate(
    graph,
    Object.keys(inputs).map((name) => values[name]!),
  );
}

/** J_k of every network, [M][P], with the layers put together. */
function jacobian(subject: Subject): { J: Float64Array[][]; M: number } {
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

const cases = [
  ['symmetric', { k: 7 }, false],
  ['thermoelasticity', { gamma: 3 }, true],
  ['reaction-diffusion', { k: 5 }, false],
  ['nernst-planck-poisson', { epsilon: 0.5 }, true],
  ['electroosmotic-flow', { epsilon: 0.2 }, true],
] as const;

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

describe('on the GPU', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice();
  });
  afterAll(() => device?.close());

  async function onGpu(source: Source, values: Readonly<Record<string, ArrayLike<number>>>): Promise<Float32Array[]> {
    const program = await Program.create(device, compile(source, { library, device: device.capabilities }));
    try {
      for (const name of Object.keys(program.plan.inputs)) program.write(name, values[name]!);
      const outputs = await program.run(1, Object.keys(source.outputs));
      return Object.keys(source.outputs).map((name) => outputs[name]!);
    } finally {
      program.destroy();
    }
  }

  it.each(cases.slice(1, 4))('rows and Gram matrices of %s are those of float64, and J J^T', async (...which) => {
    const subject = subjectOf(...which);
    const model = rowsModel(subject);
    const [rows, gram] = [rowsSource(model), gramSource(model)];
    const values = valuesOf(subject);
    const [exactRows, exactGram] = [float64(rows, values), float64(gram, values)];
    const both = await onGpu({ inputs: rows.inputs, outputs: { ...rows.outputs, ...gram.outputs } }, values);
    for (const [k, exact] of exactRows.entries()) expect(distance(both[k]!, exact)).toBeLessThan(1e-4);
    const { J, M } = jacobian(subject);
    const K = Float64Array.from({ length: M * M }, (_, at) => {
      const [m, n] = [Math.floor(at / M), at % M];
      return J.reduce((sum, own) => sum + own[m]!.reduce((s, value, p) => s + value * own[n]![p]!, 0), 0);
    });
    const total = (parts: readonly ArrayLike<number>[]) => {
      const sum = new Float64Array(M * M);
      for (const part of parts) for (let i = 0; i < part.length; i++) sum[i % sum.length]! += part[i]!;
      return sum;
    };
    expect(distance(total(exactGram), K)).toBeLessThan(1e-12);
    expect(distance(total(both.slice(exactRows.length)), K)).toBeLessThan(1e-5);
  });

  it.each(['adam', 'soap'] as const)('K under a live %s is J D J^T, run by run', async (optimizer) => {
    const { problem } = subjectOf('thermoelasticity', { gamma: 3 });
    const { system, stacks } = problem;
    const [run] = problem.runs as [Run];
    const runs: Run[] = [7, 42].map((seed) => ({ ...run, seed }));
    const trainer = await Trainer.create(
      {
        ...hyperparametersFor(system, { optimizer, weighting: 'none', learningRate: 1e-3 }),
        problem: problemOf(system, runs, shape),
      },
      { device, library },
    );
    try {
      expect((await liveStates(trainer))[0]!.live).toBeUndefined();
      await trainer.run(9);
      const states = await liveStates(trainer);
      for (const [r, { thetas, live }] of states.entries()) {
        const subject: Subject = { problem: problemOf(system, [runs[r]!], shape), boundary: false };
        const source = preconditionedSource(rowsModel(subject), optimizer);
        const settings = [...live!.settings.betas, live!.settings.epsilon];
        const values = { ...valuesOf(subject), ...thetas, ...live!.values, settings };
        const [exact, got] = [float64(source, values), await onGpu(source, values)];
        for (const [k, K] of got.entries()) expect(distance(K, exact[k]!)).toBeLessThan(1e-3);
        if (optimizer === 'soap') continue;
        // The diagonal, by hand.
        const rows = rowsSource(rowsModel(subject));
        const J = float64(rows, { ...values });
        const [F, M] = exact[0]!.length === 0 ? [0, 0] : [2, Math.sqrt(exact[0]!.length / 2)];
        const [v, c2] = [live!.values['theta.v']!, live!.values['theta.c']![1]!];
        const P = v.length / F;
        const own = new Float64Array(F * M * M);
        let start = 0;
        for (const part of J) {
          const size = part.length / (F * M);
          for (let f = 0; f < F; f++)
            for (let m = 0; m < M; m++)
              for (let n = 0; n < M; n++)
                for (let p = 0; p < size; p++)
                  own[(f * M + m) * M + n]! +=
                    (part[(f * M + m) * size + p]! * part[(f * M + n) * size + p]!) /
                    (Math.sqrt(v[f * P + start + p]! / c2) + live!.settings.epsilon);
          start += size;
        }
        expect(distance(exact[0]!, own)).toBeLessThan(1e-12);
      }
      const all = await trainer.step.read('theta');
      expect([...stateOf(stacks, 2, 1, { theta: all })['theta']!]).toEqual([...all.slice(all.length / 2)]);
    } finally {
      trainer.destroy();
    }
  });

  describe('the meter', () => {
    const options = { threshold: 0, spectrum: true };
    async function measure(subject: Subject, state: State = { thetas: thetasOf(subject) }, chosen = options) {
      const meter = await NtkMeter.create(subject, { device, library });
      try {
        return await meter.measure(subject.problem.runs[0]!, state, chosen);
      } finally {
        await meter.destroy();
      }
    }

    it('finds lambda_max(K), K_P equal to the number of networks, and the threshold`s influence', async () => {
      for (const [name, parameters, S] of [
        ['symmetric', { k: 0.1 }, 2],
        ['symmetric', { k: 100 }, 2],
        ['thermoelasticity', { gamma: 50 }, 2],
        ['reaction-diffusion', { k: 30 }, 3],
      ] as const) {
        const subject = subjectOf(name, parameters);
        const { ntk, preconditioned, layers, spectrum } = await measure(subject);
        expect(ntk.gpu.difference).toBeLessThan(1e-5);
        expect(ntk.gpu.lambdaMax / ntk.lambdaMax).toBeCloseTo(1, 5);
        expect(ntk.learningRateLimit).toBe(2 / ntk.lambdaMax);
        expect(spectrum!.eigenvalues[0]! / ntk.lambdaMax).toBeCloseTo(1, 9);
        expect(spectrum!.effectiveRank).toBeGreaterThan(1);
        expect(preconditioned).toMatchObject({ bound: S, threshold: 0 });
        expect(preconditioned.lambdaMax).toBeCloseTo(S, 3);
        expect(preconditioned.exact).toBeCloseTo(S, 3);
        for (const { lambdaMax } of preconditioned.influence) {
          expect(lambdaMax).toBeGreaterThanOrEqual(1 - 1e-9);
          expect(lambdaMax).toBeLessThanOrEqual(S + 1e-9);
        }
        const ranks = preconditioned.influence.map((each) => Object.values(each.ranks)[0] as number);
        expect(ranks).toEqual([...ranks].sort((a, b) => a - b));
        expect(ranks.at(-1)!).toBeGreaterThan(ranks[0]!);
        expect(layers.bound).toBe(3 * S);
        expect(layers.lambdaMax).toBeLessThanOrEqual(layers.bound + 1e-9);
        const inner = Object.values(ntk.networks).reduce((sum, value) => sum + value, 0);
        expect(ntk.lambdaMax).toBeLessThanOrEqual(inner * (1 + 1e-9));
        for (const [network, value] of Object.entries(ntk.networks))
          expect(Math.max(...ntk.layers[network]!)).toBeLessThanOrEqual(value * (1 + 1e-9));
      }
    });

    it('counts rows of the conditions where asked to', async () => {
      const [without, with_] = [
        await measure(subjectOf('thermoelasticity', { gamma: 1 }, false)),
        await measure(subjectOf('thermoelasticity', { gamma: 1 }, true)),
      ];
      expect(with_.rows).toBe(without.rows + 4);
      expect(with_.ntk.lambdaMax).toBeGreaterThan(without.ntk.lambdaMax);
    });

    it('takes the stated threshold', async () => {
      const subject = subjectOf('symmetric', { k: 100 });
      const coarse = await measure(subject, undefined, { threshold: 1e-2, spectrum: false });
      expect(coarse.preconditioned.threshold).toBe(1e-2);
      expect(coarse.preconditioned.lambdaMax).toBe(coarse.preconditioned.influence[0]!.lambdaMax);
      expect(coarse.preconditioned.lambdaMax).toBeLessThan(2);
      expect(coarse.spectrum).toBeUndefined();
    });
  });
});
