/** Fewer points of a run. */
import type { Coordinates, Run, System } from '../../systems/index.ts';

/** A run with one of `thin` points of each group; what was measured stays. */
export function thinned({ observed = {} }: System, run: Run, thin: number): Run {
  const few = (points: Coordinates): Coordinates =>
    Object.fromEntries(Object.entries(points).map(([c, values]) => [c, values.filter((_, k) => k % thin === 0)]));
  const groups = Object.entries(run.points);
  return {
    ...run,
    points: Object.fromEntries(groups.map(([group, points]) => [group, group in observed ? points : few(points)])),
  };
}
