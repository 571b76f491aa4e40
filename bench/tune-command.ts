/** The command `tapir tune`. */
import { Command, Option } from 'commander';
import type { Device, Library } from '../engine/index.ts';
import { cachePath, forgetCache, readCache, type TuneCache, writeCache } from '../experiments/adapter/tune-cache.ts';
import { known } from '../experiments/command/known.ts';
import { choice, integer, seedList } from '../experiments/command/options.ts';
import { type Global, jsonOption, putJson, say, withDevice } from '../experiments/command/output.ts';
import { exists } from '../experiments/disk/files.ts';
import { table } from '../experiments/show/table.ts';
import { optimizers, weightings } from '../experiments/training/hyperparameters.ts';
import { problemFor, resolveSettings, UsageError } from '../experiments/training/settings.ts';
import type { TrainerOptions } from '../experiments/training/tapes.ts';
import { library as shipped } from '../kernels/index.ts';
import { type Optimizer, systems } from '../systems/index.ts';
import { measureDispatch } from './dispatch.ts';
import { timestampsTell } from './roofline.ts';
import { statusLine } from './status.ts';
import { ms } from './tables.ts';
import type { Clock, Effort } from './timing.ts';
import { cacheOf, candidates, type TunedCall, tuneCall } from './tune.ts';

interface Options extends Global {
  readonly width?: number;
  readonly depth?: number;
  readonly seeds?: readonly number[];
  readonly runs?: number;
  readonly optimizer?: Optimizer;
  readonly weighting?: TrainerOptions['weighting'];
  readonly quick?: boolean;
  readonly show?: boolean;
  readonly forget?: boolean;
}

/** Of each version of a call. */
const THOROUGH: Effort = { budgetMs: 150, least: 7 };
const QUICK: Effort = { budgetMs: 20, least: 3 };

export function tuneCommand(library: Library = shipped): Command {
  return new Command('tune')
    .argument('[system]', `${systems.map(({ name }) => name).join(', ')}, or a file; all by default`)
    .description('measure which kernel versions are the fastest on this adapter; later runs use them')
    .option('--width <n>', 'neurons of a hidden layer', integer('--width', 1))
    .option('--depth <n>', 'hidden layers', integer('--depth', 1))
    .option('--seeds <list>', 'for runs of these seeds, trained together', seedList)
    .option('--runs <n>', 'for this many runs trained together, as a sweep does', integer('--runs', 1, 10_000))
    .addOption(new Option('--optimizer <name>', 'both by default').argParser(choice('--optimizer', optimizers)))
    .addOption(new Option('--weighting <name>', weightings.join(', ')).argParser(choice('--weighting', weightings)))
    .option('--quick', 'few samples')
    .option('--show', 'list what was found on this adapter, measure nothing')
    .option('--forget', 'remove what was found on this adapter, measure nothing')
    .addOption(jsonOption())
    .action(async (name: string | undefined, options: Options) => {
      if (options.show && options.forget) throw new UsageError('--show and --forget exclude each other');
      if ((options.show || options.forget) && name !== undefined)
        throw new UsageError(`--${options.show ? 'show' : 'forget'} is about this adapter; leave out ${name}`);
      if (options.seeds && options.runs !== undefined) throw new UsageError('--seeds and --runs exclude each other');
      const names = name === undefined ? systems.map((system) => system.name) : [await known(name)];
      const trainings = names.flatMap((each) => trainingsOf(each, options));
      await withDevice((device) => {
        if (options.show) return show(device, options);
        if (options.forget) return forget(device, options);
        return tune(device, library, trainings, options);
      });
    });
}

function trainingsOf(name: string, { width, depth, seeds, runs = 1, optimizer, weighting }: Options): TrainerOptions[] {
  return (optimizer ? [optimizer] : optimizers).map((own) => {
    const settings = resolveSettings(name, {
      ...(width === undefined ? {} : { width }),
      ...(depth === undefined ? {} : { depth }),
      ...(weighting === undefined ? {} : { weighting }),
      optimizer: own,
      seeds: seeds ?? Array.from({ length: runs }, (_, k) => k),
    });
    return { ...settings, problem: problemFor(settings) };
  });
}

async function tune(
  device: Device,
  library: Library,
  trainings: readonly TrainerOptions[],
  options: Options,
): Promise<void> {
  const status = statusLine('tuning');
  const calls: TunedCall[] = [];
  let path = '';
  try {
    status.show('compiling');
    const all = candidates(trainings, library, device);
    status.show('dispatches');
    const { empty } = await measureDispatch(device, 5);
    const method = (await timestampsTell(device)) ? 'timestamp queries' : 'wall clock';
    const clock: Clock = { method, emptyNs: empty.medianNs };
    const effort = options.quick ? QUICK : THOROUGH;
    for (const [k, candidate] of all.entries()) {
      const onStart = (text: string) => status.show(`${k + 1}/${all.length} ${text}`);
      if (!process.stderr.isTTY) process.stderr.write(`tuning ${k + 1}/${all.length} ${candidate.text}\n`);
      const tuned = await tuneCall(candidate, { device, clock, effort, onStart });
      calls.push(tuned);
      // Kept call by call: an interrupt loses one.
      path = writeCache(device, cacheOf([tuned], new Date().toISOString()));
    }
  } finally {
    status.clear();
  }
  say(`${callsTable(calls)}\n\n${conclusion(calls, device, path)}`, options);
  for (const line of refusals(calls)) process.stderr.write(`tapir: ${line}\n`);
  if (options.json) putJson({ adapter: device.info.name, file: path, calls });
  if (refusals(calls).length > 0) process.exitCode = 1;
}

/** Versions that must not be used, in words. */
function refusals(calls: readonly TunedCall[]): string[] {
  return calls.flatMap(({ text, versions }) =>
    versions.flatMap(({ name, refused }) => (refused ? [`WRONG and not chosen: ${name} of ${text}: ${refused}`] : [])),
  );
}

export function callsTable(calls: readonly TunedCall[]): string {
  const rows = calls.map(({ versions, choice: chosen, usual, gain }) => [
    versions.map(({ name, time }) => `${name} ${time ? ms(time.medianNs) : 'WRONG'}`).join('  '),
    chosen,
    chosen === usual ? '' : `${gain.toFixed(2)}x ${usual}`,
  ]);
  const [head, ...lines] = table(['versions, median ms', 'choice', 'gain'], rows).split('\n');
  return [head, ...lines.flatMap((line, k) => [calls[k]!.text, `  ${line}`])].join('\n');
}

function conclusion(calls: readonly TunedCall[], device: Device, path: string): string {
  const changed = calls.filter(({ choice: chosen, usual }) => chosen !== usual).length;
  return [
    `${calls.length} calls on ${device.info.name}: ${changed} are faster with another version than the usual one`,
    ...(path === '' ? [] : [`${path}: runs of these sizes use it from now on, unless --untuned`]),
  ].join('\n');
}

async function show(device: Device, options: Options): Promise<void> {
  const path = cachePath(device);
  const cache = readCache(device);
  if (options.json) putJson({ adapter: device.info.name, file: path, calls: cache });
  else say(cacheText(cache, device, path), options);
}

function cacheText(cache: TuneCache, device: Device, path: string): string {
  const all = Object.entries(cache);
  if (all.length === 0) return `nothing was tuned on ${device.info.name}`;
  const rows = all.map(([call, { version, ms: times, measured }]) => [
    call,
    version,
    Object.entries(times)
      .map(([name, time]) => `${name} ${time}`)
      .join('  '),
    measured.slice(0, 10),
  ]);
  return `${table(['call', 'choice', 'median ms', 'measured'], rows)}\n\n${path}`;
}

async function forget(device: Device, options: Options): Promise<void> {
  const path = cachePath(device);
  const count = exists(path) ? Object.keys(readCache(device, () => {})).length : 0;
  const removed = forgetCache(device);
  if (options.json) putJson({ adapter: device.info.name, file: path, removed, calls: count });
  else if (removed) say(`removed ${path}, ${count} calls`, options);
  else say(`nothing was tuned on ${device.info.name}`, options);
}
