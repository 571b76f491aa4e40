/** Device memory of training runs: all programs together, against what a training step cannot do without. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Device, openDevice, type Plan, sizeOf } from '../../../engine/index.ts';
import { hyperparametersFor } from '../../../experiments/training/hyperparameters.ts';
import { memoryOf, memoryText, trainingPlans } from '../../../experiments/training/plans.ts';
import type { TrainerOptions } from '../../../experiments/training/tapes.ts';
import { Trainer } from '../../../experiments/training/trainer.ts';
import { library } from '../../../kernels/index.ts';
import {
  type Optimizer,
  resolveParameters,
  type System,
  seeded,
  systems,
  thermoelasticity,
} from '../../../systems/index.ts';
import { bitsOf, llvmpipe } from '../../support/gpu.ts';

function optionsOf(system: System, optimizer: Optimizer, shape = system.architecture): TrainerOptions {
  const hyperparameters = hyperparametersFor(system, { optimizer, weighting: 'grad-norm', learningRate: 1e-3 });
  return { ...hyperparameters, problem: seeded(system, resolveParameters(system), [42], shape) };
}

const bytes = (plan: Plan, names: Iterable<string>) =>
  4 * [...new Set(names)].reduce((sum, name) => sum + sizeOf(plan.inputs[name]!.shape), 0);

/**
 * Parameters, what the optimizer carries from step to step, points and known values, and one live set of activations:
 * the jets [networks,1+D+1,width,N] that every hidden layer keeps for the backward pass, and the cotangents of two.
 */
function least({ problem }: TrainerOptions, plans: Readonly<Record<string, Plan>>): number {
  const [step, ...others] = [plans['step']!, ...Object.values(plans).filter((plan) => plan !== plans['step'])];
  const state = new Map([step, ...others].flatMap((plan) => Object.keys(plan.state).map((name) => [name, plan])));
  const { system, shape, stacks, counts } = problem;
  const thetas = stacks.map(({ theta }) => theta);
  const known = Object.keys(step!.inputs).filter((name) => /^(x|param|data)\./.test(name));
  const N = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const jets = 4 * system.networks.length * (system.coordinates.length + 2) * shape.width * N;
  return (
    bytes(step!, [...thetas, ...known]) +
    [...state].reduce((sum, [name, plan]) => sum + (thetas.includes(name) ? 0 : bytes(plan, [name])), 0) +
    (shape.hidden + 2) * jets
  );
}

describe('peak memory', () => {
  const cases = systems.flatMap((system) => (['adam', 'soap'] as const).map((optimizer) => ({ system, optimizer })));
  it.each(cases)('of $system.name with $optimizer is within 1.5x of the least', ({ system, optimizer }) => {
    const options = optionsOf(system, optimizer);
    const compiled = trainingPlans(options, { library, device: llvmpipe });
    const memory = memoryOf(compiled, options);
    const ratio = memory.total / least(options, compiled.plans);
    expect(ratio, memoryText(memory)).toBeLessThanOrEqual(1.5);
    expect(ratio, memoryText(memory)).toBeGreaterThan(0.8);
    const { total, ...parts } = memory;
    expect(Object.values(parts).reduce((a, b) => a + b)).toBe(total);
  });
});

describe('a trainer', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice();
  });
  afterAll(async () => device?.close());

  const options = { ...optionsOf(thermoelasticity, 'soap', { hidden: 2, width: 8 }), updateEvery: 3 };

  it('allocates what it says, besides the offsets of operands', async () => {
    const trainer = await Trainer.create(options, { device, library });
    const dispatches = Object.values(trainer.programs).reduce((sum, { plan }) => sum + plan.dispatches.length, 0);
    const allocated = [...Object.values(trainer.programs), trainer.temporaries].reduce(
      (sum, { bytes }) => sum + bytes,
      0,
    );
    trainer.destroy();
    expect(allocated).toBeGreaterThanOrEqual(trainer.memory.total);
    expect(allocated).toBeLessThanOrEqual(trainer.memory.total + 256 * (dispatches + 6));
  });

  it('carries nothing from one program to the next in the temporaries that they share', async () => {
    const losses = async (disturb: (trainer: Trainer) => void) => {
      const trainer = await Trainer.create(options, { device, library });
      const all: number[] = [];
      for (let k = 0; k < 4; k++) {
        disturb(trainer);
        all.push(...bitsOf(await trainer.run(3)));
        disturb(trainer);
        all.push(...(await trainer.errors()).flatMap(({ mean }) => bitsOf([mean])));
      }
      trainer.destroy();
      return all;
    };
    const poison = (trainer: Trainer) => {
      const all = Object.entries(trainer.temporaries.plan.inputs);
      expect(all.length).toBeGreaterThan(3);
      for (const [name, { shape }] of all)
        trainer.temporaries.write(name, new Float32Array(sizeOf(shape)).fill(Number.NaN));
    };
    expect(await losses(poison)).toEqual(await losses(() => {}));
  });
});
