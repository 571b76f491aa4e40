/** What other programs are shown of a run: the numbers of each look by name. */
import type { Tracker } from '../disk/tracker.ts';
import type { Line } from './results.ts';

/** `losses/RT`, `weights/RT`, `error/T`, `error/mean`, `error/rmse`, `facts/damping`; without what is no number. */
export function scalarsOf({ losses, weights, l2, mean, rmse, facts = {} }: Line): Record<string, number> {
  const groups = { losses, weights, error: { ...l2, mean, rmse }, facts };
  const all = Object.entries(groups).flatMap(([group, values]) =>
    Object.entries(values).map(([name, value]) => [`${group}/${name}`, value] as const),
  );
  return Object.fromEntries(all.flatMap(([name, value]) => (value === null ? [] : [[name, value]])));
}

/** Notes looks at a run that has no name, or is one of several seeds, where they are not noted yet. */
export function track(trackers: readonly Tracker[], lines: readonly Line[], seed?: number): void {
  const run = seed === undefined ? undefined : `seed-${seed}`;
  for (const tracker of trackers) {
    const last = tracker.lastStep(run);
    for (const line of lines) if (line.epoch > last) tracker.add(run, line.epoch, scalarsOf(line));
  }
}
