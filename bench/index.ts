/** Looks on: measures kernels and training steps. */
export { benchCommand } from './command.ts';
export { tuneCommand } from './tune-command.ts';
