/**
 * Rows, Gram matrices and preconditioned kernels on the GPU against float64, and what the theory says of the spectra.
 * Needs an adapter; without one everything fails.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compile, type Device, openDevice, Program, type Source } from '../../../engine/index.ts';
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
import { problemOf, type Run } from '../../../systems/index.ts';
import { distance } from '../../support/gpu.ts';
import { cases, float64, jacobian, shape, subjectOf, thetasOf, valuesOf } from '../../support/ntk.ts';

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
