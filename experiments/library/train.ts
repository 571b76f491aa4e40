/** Training from a program: what the command `train` does, from the same options. */
import { type Device, openDevice } from '../../engine/index.ts';
import { library } from '../../kernels/index.ts';
import { checkName, nearest, type System, systemNamed } from '../../systems/index.ts';
import { tunedChoices } from '../adapter/tune-cache.ts';
import { checkRunFolder, defaultRunFolder } from '../disk/run-folder.ts';
import { isSystemFile, readSystem } from '../disk/system-file.ts';
import { type Tracking, trackings } from '../disk/tracker.ts';
import type { Observer, StopSignal } from '../training/loop.ts';
import {
  type AnyTrainOptions,
  checkOptions,
  checkSettings,
  resumedSettings,
  settingsFor,
  UsageError,
} from '../training/settings.ts';
import { type TrainSummary, train } from '../training/train.ts';

/** How a run is trained, as the options of the command say it, and what only a program can say. */
export interface ProgramOptions extends AnyTrainOptions {
  /** The folder that the run leaves: `runs/SYSTEM-TIME` unless stated. */
  readonly out?: string | undefined;
  /** The folder of a run to go on with, by the settings that it has; only `epochs` may be more. */
  readonly resume?: string | undefined;
  /** Seconds between checkpoints: 15 unless stated. */
  readonly checkpoint?: number | undefined;
  /** Formats of other programs that the history is written in as well. */
  readonly track?: readonly Tracking[] | undefined;
  /** Pinned versions of kernels, by name. */
  readonly kernel?: Readonly<Record<string, string>> | undefined;
  /** Kernel versions as if `tapir tune` had never run. */
  readonly untuned?: boolean | undefined;
  /** A device that stays open; unless stated, one is opened for the run. */
  readonly device?: Device | undefined;
  /** Whether a line on stderr shows how the training stands: not unless stated. */
  readonly progress?: boolean | undefined;
  /** Told what a pinned version of a kernel could not do. */
  readonly notice?: ((text: string) => void) | undefined;
  /** Called at each look, every 25 epochs, every step of Gauss-Newton; `stop` ends the training. */
  readonly observe?: Observer | undefined;
  /** Ends the training once it is aborted; an AbortSignal, say. */
  readonly signal?: StopSignal | undefined;
}

/** The system of a name, or of a file. Throws SystemError, UnknownSystemError. */
export const findSystem = async (text: string): Promise<System> =>
  isSystemFile(text) ? readSystem(text) : systemNamed(text);

/**
 * Trains a system, a built-in one by its name or one of a file by its path, too. Throws UserError: UsageError,
 * ParameterError, RunFolderError before anything is written; DivergenceError after what was reached is.
 */
export async function trainSystem(system: System | string, options: ProgramOptions = {}): Promise<TrainSummary> {
  const { out, resume, checkpoint = 15, track = [], kernel = {}, untuned, device: given, ...others } = options;
  const { progress = false, notice, observe, signal, ...chosen } = others;
  const own = typeof system === 'string' ? await findSystem(system) : system;
  checkName(own);
  if (out !== undefined && resume !== undefined) throw new UsageError('--out and --resume exclude each other');
  if (untuned && resume !== undefined)
    throw new UsageError(`--resume keeps the kernel versions of the run in ${resume}; leave out --untuned`);
  if (!(checkpoint >= 0)) throw new UsageError(`--checkpoint must be at least 0 seconds, not ${checkpoint}`);
  for (const kind of track)
    if (!trackings.includes(kind)) throw new UsageError(`--track: there is no ${kind}${nearest(kind, trackings)}`);
  checkOptions(chosen);
  const settings = resume === undefined ? settingsFor(own, chosen) : resumedSettings(resume, own, chosen);
  checkSettings(settings);
  const folder = resume ?? out ?? defaultRunFolder(own.name);
  checkRunFolder(folder, { resume: resume !== undefined });
  const device = given ?? (await openDevice());
  try {
    return await train({
      ...{ device, library, system: own, settings, out: folder, track, progress },
      versions: kernel,
      choices: resume === undefined ? tunedChoices(device, untuned) : {},
      resume: resume !== undefined,
      checkpointEvery: 1000 * checkpoint,
      ...(notice ? { notice } : {}),
      ...(observe ? { observe } : {}),
      ...(signal ? { signal } : {}),
    });
  } finally {
    if (!given) await device.close();
  }
}
