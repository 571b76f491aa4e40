/** What stacking independent runs on the leading axis gains: steps of a run per second against the height of the stack. */
import type { Capabilities } from '../engine/index.ts';
import { type Backend, Trainer } from '../experiments/training/trainer.ts';
import { type Optimizer, systemNamed } from '../systems/index.ts';
import { type Contestant, interleaved, type Ratio, ratioOf } from './interleave.ts';
import type { Effort, Spread } from './timing.ts';
import { optionsOf } from './workloads.ts';

export interface StackRow {
  readonly system: string;
  readonly optimizer: string;
  /** Runs trained together. */
  readonly height: number;
  /** Nanoseconds of a step of the whole stack by the wall clock. */
  readonly time: Spread;
  /** Steps of one run in a second, over all runs, of the fastest sample. */
  readonly stepsPerSecond: number;
  /** How often faster than the same number of single runs one after the other. */
  readonly gain: Ratio;
  readonly dispatches: number;
  /** Bytes of device memory of all programs of the training. */
  readonly bytes: number;
}

/** Heights worth measuring: a GPU takes all runs of a factorial at once. */
export const heightsOn = ({ software }: Pick<Capabilities, 'software'>): readonly number[] =>
  software ? [1, 2, 4, 12, 24] : [1, 2, 4, 12, 24, 90];

export interface StackBench extends Backend {
  readonly effort: Effort;
  /** In rising order, from 1. */
  readonly heights: readonly number[];
  readonly onStart?: (text: string) => void;
}

export async function benchStack(
  systemName: string,
  optimizer: Optimizer,
  { effort, heights, onStart, ...backend }: StackBench,
): Promise<StackRow[]> {
  const system = systemNamed(systemName);
  const trainers: Trainer[] = [];
  try {
    for (const height of heights) {
      onStart?.(`stack of ${height}, ${systemName}, ${optimizer}`);
      const options = optionsOf(system, height, optimizer);
      trainers.push(await Trainer.create(options, backend));
    }
    const contestants = trainers.map(
      (trainer, k): Contestant => ({
        name: String(heights[k]),
        time: async (calls) => {
          const from = performance.now();
          await trainer.run(calls);
          return (1e6 * (performance.now() - from)) / calls;
        },
      }),
    );
    const times = await interleaved(contestants, effort);
    return heights.map((height, k) => {
      const ratio = ratioOf(times[k]!, times[0]!);
      return {
        system: systemName,
        optimizer,
        height,
        time: times[k]!,
        stepsPerSecond: (1e9 * height) / times[k]!.minNs,
        gain: { fastest: height * ratio.fastest, medians: height * ratio.medians },
        dispatches: trainers[k]!.plan.dispatches.length,
        bytes: trainers[k]!.memory.total,
      };
    });
  } finally {
    for (const trainer of trainers) trainer.destroy();
  }
}
