/**
 * The programs of every system with the least that WebGPU promises, with and without kernels, against the float64 meaning
 * of their tapes. Needs an adapter.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Device, openDevice, type Source, sizeOf } from '../../../engine/index.ts';
import { hyperparametersFor } from '../../../experiments/training/hyperparameters.ts';
import {
  refreshSource,
  startSource,
  stepSource,
  type TrainerOptions,
  weightingSource,
} from '../../../experiments/training/tapes.ts';
import { library } from '../../../kernels/index.ts';
import { resolveParameters, seeded, systems } from '../../../systems/index.ts';
import { deviations, outputsOf } from '../../support/gpu.ts';
import { generator, uniform } from '../../support/tensors.ts';

// Nearly all the time goes into llvmpipe's compiler; its optimizer is not what is tested.
process.env['GALLIVM_PERF'] ??= 'nopt';

let device: Device;
beforeAll(async () => {
  device = await openDevice({ least: true });
});
afterAll(() => device?.close());

const PROGRAMS: Readonly<Record<'adam' | 'soap', Readonly<Record<string, (options: TrainerOptions) => Source>>>> = {
  adam: { step: (options) => stepSource(options).source, weighting: weightingSource },
  soap: {
    start: startSource,
    step: (options) => stepSource(options).source,
    refresh: ({ problem }) => refreshSource(problem),
  },
};

const cases = systems.flatMap((system) =>
  (['adam', 'soap'] as const).flatMap((optimizer) =>
    Object.entries(PROGRAMS[optimizer]).map(([program, write]) => ({ system, optimizer, program, write })),
  ),
);

describe.each(cases)('$system.name, $program of $optimizer, at the least limits', ({ system, optimizer, write }) => {
  const hyperparameters = hyperparametersFor(system, { optimizer, weighting: 'grad-norm', learningRate: 1e-3 });
  const problem = seeded(system, resolveParameters(system), [42], { hidden: 1, width: 6 });
  const source = write({ ...hyperparameters, problem });
  const random = generator(7);
  const values = Object.fromEntries(
    Object.entries(source.inputs).map(([name, { shape }]) => [name, uniform([sizeOf(shape)], random, 0.2, 0.9).data]),
  );
  it.each([
    ['with kernels', library],
    ['without kernels', []],
  ])('%s computes what its tape means', async (_, kernels) => {
    expect(deviations(source, values, await outputsOf(device, source, kernels, values))).toEqual([]);
  });
});
