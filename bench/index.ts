/** Looks on: measures kernels and training steps. */
export { benchCommand } from './command.ts';
