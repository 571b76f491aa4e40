/** Weights to begin with, from a run that has ended: continuation in a coupling, say. */
import type { Problem } from '../../systems/index.ts';
import { loadRun, SavedRunError } from './saved-run.ts';
import { savedSettings } from './settings.ts';

/**
 * Thetas by input name for the runs of a problem, each from the run of its seed in the folder, or from the only one there.
 * Throws {@link SavedRunError} where the networks are not the same.
 */
export function weightsFrom(folder: string, { system, stacks, runs }: Problem): Record<string, Float64Array> {
  const { seeds } = savedSettings(folder);
  const found = runs.map(({ seed }) => loadRun(folder, { system, seed: seeds.length > 1 ? seed : undefined }));
  if (found.some(({ problem }) => JSON.stringify(problem.stacks) !== JSON.stringify(stacks)))
    throw new SavedRunError(`${folder} has other networks than this run; give --width and --depth as there`);
  return Object.fromEntries(
    stacks.map(({ theta }) => [theta, Float64Array.from(found.flatMap(({ thetas }) => Array.from(thetas[theta]!)))]),
  );
}
