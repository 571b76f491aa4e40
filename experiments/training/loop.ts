/**
 * The training loop: R runs together, from look to look. It knows neither how a step is taken, nor files, nor a terminal:
 * whatever happens besides training is an observer, called at each look.
 */

/** Errors of one run by field. */
export interface Errors {
  /** ||prediction - exact|| / ||exact||. */
  readonly relative: Readonly<Record<string, number>>;
  readonly rmse: Readonly<Record<string, number>>;
  /** Mean of `relative` over the fields. */
  readonly mean: number;
}

/** Parameters, optimizer state and loss weights after an epoch, by name. */
export interface Snapshot {
  readonly epoch: number;
  readonly values: Readonly<Record<string, Float32Array>>;
}

/** R runs with K loss terms, trained by whatever optimizer. */
export interface Trainable {
  /** Epochs done. */
  readonly epoch: number;
  /** Trains on. Returns the unweighted loss terms before each step, [epochs,R,K]. */
  run(epochs: number): Promise<Float32Array>;
  /** Errors of each run at the evaluation points. */
  errors(): Promise<readonly Errors[]>;
  /** Loss weights, [R,K]. */
  weights(): Promise<Float32Array>;
  /** What the optimizer has to say beside losses, by name and run: a damping, a step length. */
  facts?(): Readonly<Record<string, readonly number[]>>;
}

/** Time that steps took, without what happened between them. */
export interface Pace {
  readonly ms: number;
  readonly steps: number;
}

/** Where the runs stand after some epochs. */
export interface Look {
  /** Epochs done at the look before, and now. */
  readonly from: number;
  readonly epoch: number;
  /** Unweighted loss terms before each step since the look before, [epoch - from,R,K]. */
  readonly losses: Float32Array;
  /** Loss weights, [R,K]. */
  readonly weights: Float32Array;
  readonly errors: readonly Errors[];
  readonly facts: Readonly<Record<string, readonly number[]>>;
  readonly pace: Pace;
}

/** Takes note of a look; `stop` ends the training at once, and observers further down the list miss that look. */
export type Observer = (look: Look) => undefined | 'stop' | Promise<undefined | 'stop'>;

export interface LoopOptions {
  /** Epochs in all, those done before included. */
  readonly epochs: number;
  /** In this order, one after the other. */
  readonly observers: readonly Observer[];
  /** The epoch of the look after one at `epoch`: every 25 epochs unless stated. */
  readonly next?: (epoch: number) => number;
  /** Aborted when the user asks to stop. */
  readonly signal?: AbortSignal;
  /** Of the epochs done before, where they count. */
  readonly pace?: Pace;
}

/** `finished`: all epochs are done; `interrupted`: the signal was aborted; `stopped`: an observer ended it. */
export interface Outcome {
  readonly ending: 'finished' | 'interrupted' | 'stopped';
  readonly pace: Pace;
}

/** Epochs between looks. */
export const EVERY = 25;

/** Multiples of `epochs`. */
export const everyEpochs =
  (epochs: number) =>
  (epoch: number): number =>
    epoch - (epoch % epochs) + epochs;

export async function loop(
  trainer: Trainable,
  { epochs, observers, next = everyEpochs(EVERY), signal, pace: before = { ms: 0, steps: 0 } }: LoopOptions,
): Promise<Outcome> {
  const begun = trainer.epoch;
  let warm = before;
  let pace = before;
  while (trainer.epoch < epochs) {
    if (signal?.aborted) return { ending: 'interrupted', pace };
    const from = trainer.epoch;
    const started = performance.now();
    const losses = await trainer.run(Math.min(next(from), epochs) - from);
    const took = { ms: performance.now() - started, steps: trainer.epoch - from };
    // Shaders are built at their first use: the first steps count only where there are no others.
    if (from > begun) warm = { ms: warm.ms + took.ms, steps: warm.steps + took.steps };
    pace = warm.steps > 0 ? warm : took;
    const errors = await trainer.errors();
    const weights = await trainer.weights();
    const look = { from, epoch: trainer.epoch, losses, weights, errors, facts: trainer.facts?.() ?? {}, pace };
    for (const observer of observers) if ((await observer(look)) === 'stop') return { ending: 'stopped', pace };
  }
  return { ending: 'finished', pace };
}

/** Milliseconds of a step; null where none was taken. */
export const msPerStep = ({ ms, steps }: Pace): number | null => (steps > 0 ? ms / steps : null);

/** Passes on those looks that come more than `ms` after the one passed on before, or after now. */
export function atMostEvery(ms: number, observer: Observer): Observer {
  let last = performance.now();
  return async (look) => {
    if (performance.now() - last <= ms) return undefined;
    const verdict = await observer(look);
    last = performance.now();
    return verdict;
  };
}
