/** Time of several programs against each other on a machine that is never quite idle: one sample of each in turn, again and again. */
import type { Effort, Spread } from './timing.ts';
import { spread } from './timing.ts';

/** Something that does its work `calls` times back to back and tells the nanoseconds of one. */
export interface Contestant {
  readonly name: string;
  time(calls: number): Promise<number>;
}

/** How often one program is faster than another, by the fastest samples and by the medians of one run. */
export interface Ratio {
  readonly fastest: number;
  readonly medians: number;
  /** Where the ratio of medians lies, 95 %, if that was asked for and there are samples enough. */
  readonly interval?: readonly [number, number];
}

/** Milliseconds that one sample should last, and the most calls in it. */
const SAMPLE_MS = 100;
const MOST_CALLS = 100;

/** How much longer than one figure's budget a comparison may take, for each contestant. */
const SHARE = 4;

/**
 * Samples in the order A B C A B C .., each of about a tenth of a second, so that whatever else the machine does meets
 * all alike. One call of each first, to warm up.
 */
export async function interleaved(contestants: readonly Contestant[], { budgetMs, least }: Effort): Promise<Spread[]> {
  const calls: number[] = [];
  for (const contestant of contestants) {
    await contestant.time(1);
    const once = await contestant.time(1);
    const sample = Math.min(SAMPLE_MS, budgetMs / 2);
    calls.push(Math.max(1, Math.min(MOST_CALLS, Math.round((1e6 * sample) / Math.max(once, 1)))));
  }
  const times = contestants.map((): number[] => []);
  const until = performance.now() + SHARE * budgetMs * contestants.length;
  while (times.some((list) => list.length < least) || performance.now() < until)
    for (const [k, contestant] of contestants.entries()) times[k]!.push(await contestant.time(calls[k]!));
  return times.map(spread);
}

/** How often `ours` is faster than `theirs`. */
export const ratioOf = (ours: Spread, theirs: Spread): Ratio => ({
  fastest: theirs.minNs / ours.minNs,
  medians: theirs.medianNs / ours.medianNs,
});
