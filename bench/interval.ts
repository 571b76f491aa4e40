/** The interval of a ratio of medians by the bootstrap (Efron and Tibshirani 1993), the same for the same samples. */

const RESAMPLES = 2000;
const COVERED = 0.95;

/**
 * How far the ratio median(theirs) / median(ours) may be off: the middle 95 % of what it is over resamples of turns, drawn
 * with replacement. Samples of one turn stay together, so that what the machine did meanwhile cancels. `undefined` below
 * five turns, which tell nothing.
 */
export function ratioInterval(
  ours: readonly number[],
  theirs: readonly number[],
): readonly [number, number] | undefined {
  const turns = Math.min(ours.length, theirs.length);
  if (turns < 5) return undefined;
  const random = generator(turns);
  const ratios = Array.from({ length: RESAMPLES }, () => {
    const drawn = Array.from({ length: turns }, () => Math.floor(random() * turns));
    return median(drawn.map((k) => theirs[k]!)) / median(drawn.map((k) => ours[k]!));
  }).sort((a, b) => a - b);
  const at = (share: number) => ratios[Math.round(share * (RESAMPLES - 1))]!;
  return [at((1 - COVERED) / 2), at((1 + COVERED) / 2)];
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Numbers in [0,1): mulberry32, whose 32 bits are plenty for drawing turns. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
