/** A run that has ended, read back from its folder: what it was asked, what it learned, and its fields anywhere. */
import { UserError } from '../../engine/index.ts';
import {
  type Coordinates,
  initialThetas,
  layersOf,
  type Problem,
  predict,
  problemOf,
  type System,
  shareThetas,
  systemNamed,
} from '../../systems/index.ts';
import { readText } from '../disk/files.ts';
import { readSafetensors, type Tensor } from '../disk/safetensors.ts';
import { summarySchema } from './record.ts';
import type { Summary } from './results.ts';
import { savedSettings, type TrainSettings } from './settings.ts';
import { variantOf } from './variants.ts';

/** A folder from which no run can be read back. */
export class SavedRunError extends UserError {
  override readonly name = 'SavedRunError';
}

export interface SavedRun {
  readonly settings: TrainSettings;
  readonly summary: Summary;
  /** Of the one seed that was asked for. */
  readonly problem: Problem;
  /** The networks' parameters by input name, and what learned parameters are made from. */
  readonly thetas: Readonly<Record<string, ArrayLike<number>>>;
  /** Values at points, in float64, of fields, `u`, and derivatives, `u.xx`: all fields unless stated. */
  predict(points: Coordinates, names?: readonly string[]): Record<string, Float64Array>;
}

export interface LoadOptions {
  /** One's own system; of a built-in one the folder says the name. */
  readonly system?: System | undefined;
  /** The first that was trained unless stated. */
  readonly seed?: number | undefined;
}

/** A run back from its folder. Throws {@link SavedRunError}, UsageError, UnknownSystemError, SafetensorsError. */
export function loadRun(folder: string, { system: given, seed }: LoadOptions = {}): SavedRun {
  const settings = savedSettings(folder);
  if (given && given.name !== settings.system)
    throw new SavedRunError(`${folder} holds a run of ${settings.system}, not of ${given.name}`);
  const system = variantOf(given ?? systemNamed(settings.system), settings.variant);
  const own = seed ?? settings.seeds[0]!;
  if (!settings.seeds.includes(own))
    throw new SavedRunError(
      `${folder} holds no run of seed ${own}; there ${settings.seeds.length === 1 ? 'is' : 'are'} ${settings.seeds.join(', ')}`,
    );
  const summary = readSummary(folder);
  const result = summary.runs?.find((each) => each.seed === own) ?? summary;
  const learned = Object.entries(result.learned ?? {}).flatMap(([name, value]) =>
    value === null ? [] : [[name, value]],
  );
  const parameters = { ...settings.parameters, ...Object.fromEntries(learned) };
  const run = { parameters, seed: own, points: system.points(parameters, own) };
  const problem = problemOf(system, [run], settings.network);
  const { tensors } = readSafetensors(`${folder}/weights.safetensors`);
  const rows = Object.fromEntries(
    problem.stacks.flatMap(({ networks, architecture }) =>
      networks.map((name) => {
        const prefix = settings.seeds.length > 1 ? `seed-${own}/${name}` : name;
        const parts = layersOf(architecture).flatMap(([out, inputs], k) => [
          weightsOf(tensors, `${prefix}/W${k}`, [out, inputs], folder),
          weightsOf(tensors, `${prefix}/b${k}`, [out], folder),
        ]);
        return [name, parts.flat()];
      }),
    ),
  );
  // A learned parameter starts where it ended.
  const thetas = { ...initialThetas(problem), ...shareThetas(problem, [rows]) };
  const fields = system.networks.flatMap((network) => [...network.fields]);
  return {
    ...{ settings, summary, problem, thetas },
    predict: (points, names = fields) => predict(problem, thetas, names, points),
  };
}

function weightsOf(
  tensors: ReadonlyMap<string, Tensor>,
  name: string,
  shape: readonly number[],
  folder: string,
): number[] {
  const found = tensors.get(name);
  if (found?.dtype !== 'F32' || String(found.shape) !== String(shape))
    throw new SavedRunError(
      `${folder}/weights.safetensors has ${found ? `${name} of shape [${found.shape}]` : `no ${name}`}, the system needs [${shape}] in F32`,
    );
  return [...found.data];
}

function readSummary(folder: string): Summary {
  const text = readText(`${folder}/summary.json`);
  if (text === undefined)
    throw new SavedRunError(`${folder} has no summary.json: its run has not ended; go on with train --resume`);
  try {
    return summarySchema.parse(JSON.parse(text));
  } catch {
    throw new SavedRunError(`${folder}/summary.json is not the summary of a run`);
  }
}
