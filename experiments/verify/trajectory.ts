/** Adam with balancing against a golden trajectory of a hundred steps. */
import type { Problem } from '../../systems/index.ts';
import { type Backend, Trainer } from '../training/trainer.ts';
import type { Trajectory } from './golden.ts';
import { type Quantity, quantity, relative } from './quantity.ts';

const TOLERANCE = 1e-2;
/** Trajectories that start one rounding apart tell how far float32 alone may lead away. */
const NEIGHBOURS = 3;
const SLACK = 4;
const ROUNDING = 2 ** -23;

const weightingOf = { none: 'none', gradnorm: 'grad-norm', lra: 'lra' } as const;

type Thetas = Readonly<Record<string, ArrayLike<number>>>;

/** Where the trajectories of a case begin. */
export interface Start {
  readonly problem: Problem;
  readonly thetas: Thetas;
}

/** Figures of a trajectory by name. */
type Figures = Readonly<Record<string, number>>;

/**
 * The weights of `lra` divide by the largest gradient of a term, which passes close to zero now and then: a trajectory
 * may be so sensitive that no float32 run can follow the float64 one. Where a figure misses the tolerance, runs from
 * starts one rounding apart show whether that is so, and the tolerance grows to what they differ by.
 */
export async function trajectoryQuantities(
  key: string,
  trajectory: Trajectory,
  { problem, thetas }: Start,
  backend: Backend,
): Promise<Quantity[]> {
  const { lr, betas, eps, updateEvery, weightingEMA } = trajectory;
  const trainer = await Trainer.create(
    {
      problem,
      optimizer: 'adam',
      weighting: weightingOf[key as keyof typeof weightingOf],
      learningRate: lr,
      updateEvery,
      weightMemory: weightingEMA,
      betas,
      optimizerEpsilon: eps,
    },
    backend,
  );
  try {
    const reference = expected(trajectory, trainer.terms);
    const names = Object.keys(reference);
    const figures = await follow(trainer, thetas, trajectory.steps);
    const error = (name: string) => relative(figures[name]!, reference[name]!);
    const apart = names.every((name) => error(name) <= TOLERANCE)
      ? {}
      : await spread(trainer, thetas, trajectory.steps, figures);
    return names.map((name) => {
      const off = apart[name] ?? 0;
      const note = SLACK * off > TOLERANCE ? `starts one rounding apart end ${off.toExponential(1)} apart` : undefined;
      return quantity(`gpu: ${key}: ${name}`, error(name), Math.max(TOLERANCE, SLACK * off), note);
    });
  } finally {
    trainer.destroy();
  }
}

function expected(trajectory: Trajectory, terms: readonly string[]): Figures {
  const { steps, weightsAtStep1, weightsAtStep100, finalParamL2 } = trajectory;
  return {
    [`loss before step ${steps}`]: trajectory.unweightedTotalLossBeforeEachStep[steps - 1]!,
    ...Object.fromEntries(terms.map((term) => [`weight of ${term} at step 1`, weightsAtStep1[term]!])),
    ...Object.fromEntries(terms.map((term) => [`weight of ${term} at step ${steps}`, weightsAtStep100[term]!])),
    'norm of the parameters': finalParamL2,
  };
}

async function follow(trainer: Trainer, thetas: Thetas, steps: number): Promise<Figures> {
  const { terms } = trainer;
  const start = await trainer.snapshot();
  trainer.setTheta(thetas);
  await trainer.run(1);
  const first = await trainer.weights();
  const losses = await trainer.run(steps - 1);
  const weights = await trainer.weights();
  const theta = Object.values(await trainer.thetas());
  await trainer.restore(start);
  return {
    [`loss before step ${steps}`]: losses.slice(-terms.length).reduce((a, b) => a + b, 0),
    ...Object.fromEntries(terms.map((term, k) => [`weight of ${term} at step 1`, first[k]!])),
    ...Object.fromEntries(terms.map((term, k) => [`weight of ${term} at step ${steps}`, weights[k]!])),
    'norm of the parameters': Math.sqrt(theta.reduce((sum, row) => sum + row.reduce((s, x) => s + x * x, 0), 0)),
  };
}

/** By figure, the largest relative difference between `figures` and those of neighbouring starts. */
async function spread(trainer: Trainer, thetas: Thetas, steps: number, figures: Figures): Promise<Figures> {
  const largest: Record<string, number> = {};
  for (let seed = 1; seed <= NEIGHBOURS; seed++) {
    const near = await follow(trainer, neighbour(thetas, seed), steps);
    for (const [name, value] of Object.entries(near))
      largest[name] = Math.max(largest[name] ?? 0, relative(value, figures[name]!));
  }
  return largest;
}

/** Every parameter one rounding up or down. */
function neighbour(thetas: Thetas, seed: number): Thetas {
  const up = (k: number) => ((k * 2654435761 + seed * 40503) >>> 7) & 1;
  return Object.fromEntries(
    Object.entries(thetas).map(([name, values]) => [
      name,
      Float64Array.from(values, (value, k) => value * (1 + (up(k) ? ROUNDING : -ROUNDING))),
    ]),
  );
}
