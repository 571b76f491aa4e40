/** What a program imports from `tapir`: define a system, train it, read it back. */
export { type Device, openDevice, UserError } from '../../engine/index.ts';
export { library } from '../../kernels/index.ts';
export {
  type Coordinates,
  defineSystem,
  type NetworkShape,
  ParameterError,
  type Problem,
  problemOf,
  resolveParameters,
  type System,
  SystemError,
  type SystemSpec,
  systemNamed,
  systems,
  UnknownSystemError,
} from '../../systems/index.ts';
export { RunFolderError } from '../disk/atomic.ts';
export { openRunFolder, type RunFolder } from '../disk/run-folder.ts';
export { readSystem } from '../disk/system-file.ts';
export { CheckpointError, readCheckpoint, writeCheckpoint, writeWeights } from '../training/checkpoint.ts';
export {
  type GaussNewtonHyperparameters,
  gaussNewtonFor,
  type Hyperparameters,
  hyperparametersFor,
} from '../training/hyperparameters.ts';
export { type Errors, type Facts, type Look, loop, type Observer, type Snapshot } from '../training/loop.ts';
export { DivergenceError } from '../training/recorder.ts';
export type { Line, Result, Summary, TrainSettings } from '../training/results.ts';
export { loadRun, type SavedRun, SavedRunError } from '../training/saved-run.ts';
export { SecondOrderTrainer } from '../training/second-order.ts';
export { problemFor, settingsFor, UsageError } from '../training/settings.ts';
export type { TrainSummary } from '../training/train.ts';
export { type Backend, type RunTrainer, Trainer } from '../training/trainer.ts';
export { trainerFor } from '../training/trainers.ts';
export { type ProgramOptions, trainSystem as train } from './train.ts';
