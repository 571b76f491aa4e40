/** Two runs of the benchmark on two adapters: their figures side by side, without a verdict. */
import { table } from '../experiments/show/table.ts';
import { UsageError } from '../experiments/training/settings.ts';
import type { BenchResult } from './bench.ts';
import { figuresOf } from './compare.ts';
import { loadText, ms } from './tables.ts';
import type { Spread } from './timing.ts';

/** One figure on both adapters. */
export interface Beside {
  readonly figure: string;
  readonly a: Spread;
  readonly b: Spread;
  /** How often B is faster, by the fastest samples. */
  readonly faster: number;
}

/** Times that two runs have in common. Throws {@link UsageError} where there is none. */
export function across(a: BenchResult, b: BenchResult): Beside[] {
  const [first, second] = [figuresOf(a), figuresOf(b)];
  const both = [...first.times].flatMap(([figure, time]): Beside[] => {
    const other = second.times.get(figure);
    return other ? [{ figure, a: time, b: other, faster: time.minNs / other.minNs }] : [];
  });
  if (both.length === 0) throw new UsageError('the two runs have no figure in common: measure the same parts');
  return both;
}

export function acrossText(a: BenchResult, b: BenchResult, figures: readonly Beside[]): string {
  const who = ({ machine, date, load }: BenchResult) =>
    `${machine.adapter}, ${machine.cpu}; ${date}, load ${loadText(load)}`;
  const rows = figures.map(({ figure, a: first, b: second, faster }) => [
    figure,
    ms(first.minNs),
    ms(second.minNs),
    `${faster.toFixed(faster < 9.95 ? 2 : 0)} x`,
  ]);
  const roofs = ([a.roofline, b.roofline] as const).map((roofline) => roofline?.peakFlops);
  const [from, to] = roofs;
  const peak =
    from && to
      ? [['peak, GFLOP/s', (from / 1e9).toFixed(0), (to / 1e9).toFixed(0), `${(to / from).toFixed(2)} x`]]
      : [];
  return [
    `A ${who(a)}`,
    `B ${who(b)}`,
    '',
    table(['milliseconds, fastest', 'A', 'B', 'B is faster'], [...rows, ...peak], [1, 2, 3]),
  ].join('\n');
}
