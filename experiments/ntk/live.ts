/** Parameters and preconditioners of a live training run, taken apart into those of its runs. */
import { type AdamSettings, planSoap } from '../../optim/index.ts';
import { matrixBlocks, type Stack } from '../../systems/index.ts';
import type { RunTrainer, Trainer } from '../training/trainer.ts';
import type { State } from './meter.ts';

/** What each run of a trainer holds at the moment; the preconditioner as soon as there is one. */
export async function liveStates(trainer: Trainer): Promise<State[]> {
  const { problem, optimizer, betas, optimizerEpsilon } = trainer.options;
  const { stacks, runs } = problem;
  const settings: AdamSettings = { betas, epsilon: optimizerEpsilon };
  const names = stacks.flatMap(({ theta }) =>
    Object.keys(trainer.plan.inputs).filter(
      (name) => name === theta || (OPTIMIZER.test(name.slice(theta.length)) && name.startsWith(`${theta}.`)),
    ),
  );
  const values = Object.fromEntries(
    await Promise.all([...new Set(names)].map(async (name) => [name, await trainer.step.read(name)] as const)),
  );
  // SOAP's first epoch moves nothing and leaves no second moments.
  const started = trainer.epoch > (optimizer === 'soap' ? 1 : 0);
  return runs.map((_, r) => {
    const own = stateOf(stacks, runs.length, r, values);
    const thetas = Object.fromEntries(stacks.map(({ theta }) => [theta, own[theta]!]));
    return started ? { thetas, live: { optimizer, settings, values: own } } : { thetas };
  });
}

/** The parameters that each run of a trainer has at the moment. */
export async function parametersOf(trainer: RunTrainer): Promise<State[]> {
  const { stacks, runs } = trainer.options.problem;
  const all = await trainer.thetas();
  return runs.map((_, r) => ({ thetas: stateOf(stacks, runs.length, r, all) }));
}

const OPTIMIZER = /^\.(?:v|c|Q\.\d+)$/;

/** One run's part of what an optimizer carries for R runs. */
export function stateOf(
  stacks: readonly Stack[],
  runs: number,
  run: number,
  values: Readonly<Record<string, ArrayLike<number>>>,
): Record<string, Float64Array> {
  const cut = (data: ArrayLike<number>, from: number, to: number) => Float64Array.from(data).subarray(from, to);
  const own: Record<string, Float64Array> = {};
  for (const { theta, networks, architecture } of stacks) {
    for (const name of [theta, `${theta}.v`]) {
      const data = values[name];
      if (data) own[name] = cut(data, (run * data.length) / runs, ((run + 1) * data.length) / runs);
    }
    if (values[`${theta}.c`]) own[`${theta}.c`] = Float64Array.from(values[`${theta}.c`]!);
    for (const { size, sides } of planSoap(runs * networks.length, matrixBlocks(architecture)).factors) {
      const data = values[`${theta}.Q.${size}`];
      if (!data) continue;
      const parts = sides.map(({ from, count }) => {
        const each = count / runs;
        return cut(data, (from + run * each) * size * size, (from + (run + 1) * each) * size * size);
      });
      own[`${theta}.Q.${size}`] = Float64Array.from(parts.flatMap((part) => [...part]));
    }
  }
  return own;
}
