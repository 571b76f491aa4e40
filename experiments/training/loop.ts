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

/** Numbers by name and run. */
export type Facts = Readonly<Record<string, readonly number[]>>;

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
  /** What there is to say beside losses, by name and run: a damping, a step length, a learned parameter. */
  facts?(): Facts;
  /** Hands over the steps up to each of these epochs without waiting for them: steps follow steps with no gap. */
  ahead?(looks: readonly number[]): Promise<Block>;
}

/** Steps handed over together, with one look or several. */
export interface Block {
  /** On the clock of `performance.now`. */
  readonly started: number;
  readonly done: Promise<{ readonly finished: number; readonly readings: readonly Reading[] }>;
}

/** Time that steps took, without what happened between them. */
export interface Pace {
  readonly ms: number;
  readonly steps: number;
}

/** Where the runs stand after some epochs. */
export interface Reading {
  /** Epochs done at the look before, and now. */
  readonly from: number;
  readonly epoch: number;
  /** Unweighted loss terms before each step since the look before, [epoch - from,R,K]. */
  readonly losses: Float32Array;
  /** Loss weights, [R,K]. */
  readonly weights: Float32Array;
  readonly errors: readonly Errors[];
  readonly facts: Facts;
}

export interface Look extends Reading {
  readonly pace: Pace;
  /** Whether it is the last of its block: the newest there is, with the state after it within reach. */
  readonly latest: boolean;
}

/** What an observer says of a look: `stop` ends the training at once, and observers further down the list miss it. */
export type Verdict = 'stop' | undefined;
export type Observer = (look: Look) => Verdict | Promise<Verdict>;

export interface LoopOptions {
  /** Epochs in all, those done before included. */
  readonly epochs: number;
  /** In this order, one after the other. */
  readonly observers: readonly Observer[];
  /** The epoch of the look after one at `epoch`: every 25 epochs unless stated. */
  readonly next?: (epoch: number) => number;
  /** Observers look at the trainer itself: it takes no step beyond a look before they are done. */
  readonly waits?: boolean;
  /** Aborted when the user asks to stop. */
  readonly signal?: StopSignal;
  /** Of the epochs done before, where they count. */
  readonly pace?: Pace;
}

/** What an AbortController hands out. */
export interface StopSignal {
  readonly aborted: boolean;
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

/** How long the steps of a block shall take: looks are seldom enough to cost nothing, and an interrupt waits no longer. */
const BLOCK_MS = 200;
/** Looks of a block at most. */
const MOST_LOOKS = 64;

export async function loop(
  trainer: Trainable,
  {
    epochs,
    observers,
    next = everyEpochs(EVERY),
    waits = false,
    signal,
    pace: before = { ms: 0, steps: 0 },
  }: LoopOptions,
): Promise<Outcome> {
  const begun = trainer.epoch;
  let warm = before;
  let pace = before;
  let size = 1;
  let depth = 1;
  let last = 0;
  const under: Block[] = [];
  const fill = async () => {
    while (under.length < depth && trainer.epoch < epochs && !signal?.aborted) {
      const block = await handOver(trainer, looksFrom(trainer.epoch, epochs, next, size));
      block.done.catch(() => {});
      under.push(block);
    }
  };
  for (await fill(); under.length > 0; await fill()) {
    const { started, done } = under.shift()!;
    const { finished, readings } = await done;
    const from = readings[0]!.from;
    const took = { ms: finished - Math.max(started, last), steps: readings.at(-1)!.epoch - from };
    last = finished;
    // Shaders are built at their first use: the first steps count only where there are no others.
    if (from > begun) {
      warm = { ms: warm.ms + took.ms, steps: warm.steps + took.steps };
      if (trainer.ahead && !waits) [size, depth] = pipelining(took.ms / readings.length);
    }
    pace = warm.steps > 0 ? warm : took;
    for (const [k, reading] of readings.entries()) {
      const look = { ...reading, pace, latest: k === readings.length - 1 };
      for (const observer of observers) {
        if ((await observer(look)) !== 'stop') continue;
        await Promise.all(under.map((block) => block.done));
        return { ending: 'stopped', pace };
      }
    }
  }
  return { ending: trainer.epoch < epochs ? 'interrupted' : 'finished', pace };
}

/** How many looks a block shall have, and how many blocks shall be under way, where a look comes every `ms`. */
function pipelining(ms: number): [size: number, depth: number] {
  return [Math.max(1, Math.min(MOST_LOOKS, Math.floor(BLOCK_MS / ms))), ms > 2 * BLOCK_MS ? 1 : 2];
}

function looksFrom(epoch: number, epochs: number, next: (epoch: number) => number, size: number): number[] {
  const looks: number[] = [];
  for (let at = epoch; at < epochs && looks.length < size; looks.push(at)) at = Math.min(next(at), epochs);
  return looks;
}

/** Steps up to the epochs of these looks; of a trainer that cannot run ahead, up to the first, and waited for. */
async function handOver(trainer: Trainable, looks: readonly number[]): Promise<Block> {
  if (trainer.ahead) return trainer.ahead(looks);
  const from = trainer.epoch;
  const started = performance.now();
  const losses = await trainer.run(looks[0]! - from);
  const finished = performance.now();
  const [errors, weights] = [await trainer.errors(), await trainer.weights()];
  const reading = { from, epoch: trainer.epoch, losses, weights, errors, facts: trainer.facts?.() ?? {} };
  return { started, done: Promise.resolve({ finished, readings: [reading] }) };
}

/** Milliseconds of a step; null where none was taken. */
export const msPerStep = ({ ms, steps }: Pace): number | null => (steps > 0 ? ms / steps : null);

/** Passes on the newest looks alone. */
export const newest =
  (observer: Observer): Observer =>
  (look) =>
    look.latest ? observer(look) : undefined;

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
