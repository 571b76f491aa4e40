/** Where the axes of a chart have marks. */

/** Round numbers from `low` to `high`: steps of 1, 2 or 5 times a power of ten, at most `most` of them. */
export function ticks(low: number, high: number, most: number): number[] {
  const least = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= least)!;
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, k) => (first + k) * step);
}

/** Whole powers of ten from the one at or below `low` to the one at or above `high`, at most eight of them. */
export function decades(low: number, high: number): number[] {
  const [from, to] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const last = Math.max(to, from + 1);
  const stride = Math.ceil((last - from) / 7);
  return Array.from({ length: Math.floor((last - from) / stride) + 1 }, (_, k) => 10 ** (from + k * stride));
}
