/** Two runs of the benchmark on one machine: what became slower or larger, beyond noise. */
import { table } from '../experiments/show/table.ts';
import { UsageError } from '../experiments/training/settings.ts';
import type { BenchResult } from './bench.ts';
import { jobText } from './job-text.ts';
import { loadText } from './tables.ts';
import type { Spread } from './timing.ts';

/** One figure that two runs have in common. */
export interface Change {
  readonly figure: string;
  /** B over A by the fastest samples, and by the medians where it is a time. */
  readonly fastest: number;
  readonly medians?: number;
  /** Relative change that counts as noise: 0 for counts, which have none. */
  readonly noise: number;
  readonly verdict: 'slower' | 'faster' | 'same' | 'more' | 'fewer' | 'refused';
}

export interface Comparison {
  readonly ok: boolean;
  readonly changes: readonly Change[];
  /** Figures of A that B lacks. */
  readonly missing: readonly string[];
}

/** Smallest change of a time that may count, whatever the spread says. */
const LEAST_NOISE = 0.05;

/** Times and counts of a run by a name that is the same in every run. */
interface Figures {
  readonly times: Map<string, Spread>;
  readonly counts: Map<string, number>;
  readonly refused: Set<string>;
}

export function figuresOf(result: BenchResult): Figures {
  const times = new Map<string, Spread>();
  const counts = new Map<string, number>();
  const refused = new Set<string>();
  for (const { kernel, version, origin, shapes, figures, refused: why } of result.kernels ?? []) {
    const name = `kernel ${kernel}.${version}, ${origin} ${shapes}`;
    if (why !== undefined) refused.add(name);
    if (figures) times.set(name, figures.time);
  }
  for (const { origin, optimizer, time, dispatches, bytes } of result.steps ?? []) {
    const name = `step ${origin}, ${optimizer}`;
    times.set(name, time);
    counts.set(`dispatches of ${name}`, dispatches).set(`bytes of ${name}`, bytes);
  }
  for (const { way, what, time, dispatches, bytes, refused: why } of result.laplacian ?? []) {
    const name = `laplacian ${way}, ${what}`;
    if (why !== undefined) refused.add(name);
    if (time) times.set(name, time);
    counts.set(`dispatches of ${name}`, dispatches).set(`bytes of ${name}`, bytes);
  }
  for (const { system, optimizer, height, time, bytes } of result.stack ?? []) {
    const name = `stack of ${height}, ${system}, ${optimizer}`;
    times.set(name, time);
    counts.set(`bytes of ${name}`, bytes);
  }
  for (const { peer, job, variant, ours, refused: why } of result.peers?.rows ?? []) {
    const name = `our ${jobText(job)} beside ${peer}, ${variant}`;
    if (why !== undefined) refused.add(name);
    if (ours) times.set(name, ours);
  }
  return { times, counts, refused };
}

/** Throws {@link UsageError} where two runs cannot be compared: other machines, or no figure in common. */
export function compare(a: BenchResult, b: BenchResult): Comparison {
  for (const key of ['adapter', 'cpu', 'cores'] as const)
    if (a.machine[key] !== b.machine[key])
      throw new UsageError(
        `times of two machines cannot be compared: ${key} ${a.machine[key]} and ${b.machine[key]}; --across shows them side by side`,
      );
  const [before, after] = [figuresOf(a), figuresOf(b)];
  const drift = driftOf(a, b);
  const times = [...before.times].flatMap(([figure, was]): Change[] => {
    const is = after.times.get(figure);
    if (is) return [changeOf(figure, was, is, drift)];
    return after.refused.has(figure) ? [{ figure, fastest: 0, noise: 0, verdict: 'refused' }] : [];
  });
  const counts = [...before.counts].flatMap(([figure, was]): Change[] => {
    const is = after.counts.get(figure);
    if (is === undefined) return [];
    const verdict = is > was ? 'more' : is < was ? 'fewer' : 'same';
    return [{ figure, fastest: is / was, noise: 0, verdict }];
  });
  const changes = [...times, ...counts];
  if (changes.length === 0) throw new UsageError('the two runs have no figure in common: measure the same parts');
  const missing = [...before.times.keys()].filter((name) => !after.times.has(name) && !after.refused.has(name));
  return { ok: !changes.some(({ verdict }) => BAD.has(verdict)), changes, missing };
}

const BAD: ReadonlySet<Change['verdict']> = new Set(['slower', 'more', 'refused']);

/** How much the peak of the roofline moved within a run or between the runs: the machine, not the program. */
function driftOf(...runs: readonly BenchResult[]): number {
  const peaks = runs.flatMap(({ roofline, peakAtEnd }) => [
    ...(roofline ? [roofline.peakFlops] : []),
    ...(peakAtEnd === undefined ? [] : [peakAtEnd]),
  ]);
  return peaks.length < 2 ? 0 : Math.max(...peaks) / Math.min(...peaks) - 1;
}

const unrest = ({ medianNs, minNs }: Spread) => medianNs / minNs - 1;

/** Slower or faster only where the fastest samples and the medians agree that it is, by more than either run's own unrest. */
function changeOf(figure: string, was: Spread, is: Spread, drift: number): Change {
  const noise = Math.max(LEAST_NOISE, drift, unrest(was), unrest(is));
  const [fastest, medians] = [is.minNs / was.minNs, is.medianNs / was.medianNs];
  const slower = Math.min(fastest, medians) > 1 + noise;
  const faster = Math.max(fastest, medians) < 1 / (1 + noise);
  return { figure, fastest, medians, noise, verdict: slower ? 'slower' : faster ? 'faster' : 'same' };
}

export function comparisonText(a: BenchResult, b: BenchResult, { ok, changes, missing }: Comparison): string {
  const percent = (value: number) => `${value >= 0 ? '+' : ''}${(100 * value).toFixed(0)} %`;
  const rows = [...changes]
    .filter(({ verdict }) => verdict !== 'same')
    .sort((x, y) => Number(BAD.has(y.verdict)) - Number(BAD.has(x.verdict)))
    .map(({ figure, fastest, medians, noise, verdict }) => [
      BAD.has(verdict) ? `${verdict.toUpperCase()}` : verdict,
      figure,
      verdict === 'refused' ? '' : percent(fastest - 1),
      medians === undefined ? '' : percent(medians - 1),
      noise === 0 ? '' : percent(noise).slice(1),
    ]);
  const same = changes.filter(({ verdict }) => verdict === 'same').length;
  const bad = changes.filter(({ verdict }) => BAD.has(verdict)).length;
  return [
    `A ${a.date}, load ${loadText(a.load)}; B ${b.date}, load ${loadText(b.load)}; on ${b.machine.adapter}`,
    ...(rows.length > 0 ? ['', table(['', 'B against A', 'fastest', 'median', 'noise'], rows, [2, 3, 4])] : []),
    '',
    `${changes.length} figures in common, ${same} the same within noise${missing.length > 0 ? `, ${missing.length} of A not in B` : ''}.`,
    ok ? 'No regression.' : `${bad} regression${bad > 1 ? 's' : ''}.`,
  ].join('\n');
}
