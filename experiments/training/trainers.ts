/** The trainer of an optimizer, whichever it is. */
import type { Problem } from '../../systems/index.ts';
import { type Hyperparameters, isOfSquares, type SquaresHyperparameters } from './hyperparameters.ts';
import { EVERY } from './loop.ts';
import { SecondOrderTrainer } from './second-order.ts';
import { type Backend, type RunTrainer, Trainer } from './trainer.ts';

type Settings = Hyperparameters | SquaresHyperparameters;

/** What trains a problem as settings say. */
export const trainerFor = async (settings: Settings, problem: Problem, backend: Backend): Promise<RunTrainer> =>
  isOfSquares(settings)
    ? SecondOrderTrainer.create({ ...settings, problem }, backend)
    : Trainer.create({ ...settings, problem }, backend);

/** Epochs between looks: steps of seconds are looked at one by one. */
export const looksEvery = ({ optimizer }: Pick<Settings, 'optimizer'>): number => {
  if (optimizer === 'gauss-newton') return 1;
  return optimizer === 'ssbroyden' || optimizer === 'lbfgs' ? 5 : EVERY;
};
