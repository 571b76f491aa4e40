/** The command `tapir sweep`. */
import { basename } from 'node:path';
import { Command, Option } from 'commander';
import { openDevice } from '../../engine/index.ts';
import { library } from '../../kernels/index.ts';
import { systemNamed, systems } from '../../systems/index.ts';
import { tunedChoices } from '../adapter/tune-cache.ts';
import { isSystemFile } from '../disk/system-file.ts';
import { table } from '../show/table.ts';
import { SweepFolder } from '../sweep/folder.ts';
import { presetOver } from '../sweep/own.ts';
import {
  DEFAULT_STACK,
  type Group,
  groupTitle,
  type Shard,
  type SweepPlan,
  selectGroups,
  shardOf,
  sweepPlan,
} from '../sweep/plan.ts';
import { type Overrides, type Preset, presetNamed, presets } from '../sweep/presets.ts';
import { type SweepOutcome, sweep } from '../sweep/sweep.ts';
import { methods, weightings } from '../training/hyperparameters.ts';
import { UsageError } from '../training/settings.ts';
import { type SlurmOptions, slurmOptions, statusCommand, submitSweep } from './cluster.ts';
import { known } from './known.ts';
import { assignments, betas, choices, integer, number, path, seconds, seedList, share } from './options.ts';
import {
  type Global,
  interruptible,
  jsonOption,
  pinOption,
  putJson,
  say,
  stoppedCode,
  untunedOption,
  withDevice,
} from './output.ts';

interface Options extends Omit<Overrides, 'optimizers' | 'weightings'>, Global, SlurmOptions {
  readonly optimizer?: Overrides['optimizers'];
  readonly weighting?: Overrides['weightings'];
  readonly out?: string;
  readonly only?: readonly string[];
  readonly shard?: Shard;
  readonly stack: number;
  readonly checkpoint: number;
  readonly dryRun?: boolean;
}

const collect = (text: string, sofar: readonly string[] = []) => [...sofar, text];

export function sweepCommand(): Command {
  const command = new Command('sweep')
    .argument('<preset>', `${presets.map(({ name }) => name).join(', ')}; or a system, by name or as a file`)
    .description('train every run of an experiment; continues where it was stopped')
    .option(
      '--set <name=list>',
      'a system: values of a parameter, name=1,5,20 (repeatable: all combinations)',
      assignments,
    )
    .option(
      '--optimizer <list>',
      `a system: of ${methods.join(', ')} (default: adam,soap)`,
      choices('--optimizer', methods),
    )
    .option(
      '--weighting <list>',
      `a system: of ${weightings.join(', ')} (default: grad-norm)`,
      choices('--weighting', weightings),
    )
    .option('--out <dir>', 'folder of the sweep (default: sweeps/PRESET)', path('--out'))
    .option('--only <key=value>', 'only runs of this system, optimizer, weighting, method, seed or coupling', collect)
    .option('--shard <i/n>', 'only the i-th of n parts of the plan: shards may run side by side', shardOf)
    .addOption(
      new Option('--stack <n>', 'most runs trained together in one batch')
        .argParser(integer('--stack', 1))
        .default(DEFAULT_STACK),
    )
    .option('--epochs <n>', "instead of the preset's", integer('--epochs', 1))
    .option('--steps <n>', "gauss-newton's, instead of 60", integer('--steps', 1))
    .option(
      '--momentum <x>',
      'gauss-newton: share of the last direction that is kept (SPRING; default: 0)',
      share('--momentum'),
    )
    .option('--thin <n>', 'gauss-newton: of n collocation points keep one (default: 1)', integer('--thin', 1))
    .option('--lr <x>', 'learning rate', number('--lr', true))
    .option('--width <n>', 'neurons of a hidden layer', integer('--width', 1))
    .option('--depth <n>', 'hidden layers', integer('--depth', 1))
    .option('--seeds <list>', "instead of the preset's: 42,123,456", seedList)
    .option('--soap-betas <b1,b2>', "instead of the system's", betas('--soap-betas'))
    .option('--update-every <n>', 'epochs between updates of the loss weights', integer('--update-every', 1))
    .addOption(
      new Option('--checkpoint <s>', 'seconds between checkpoints').argParser(seconds('--checkpoint')).default(60),
    )
    .option('--dry-run', 'show the plan, or with --slurm the script, and exit')
    .addOption(pinOption())
    .addOption(untunedOption())
    .addOption(jsonOption())
    .addHelpText('after', () => `\nPresets:\n${presets.map(({ name, about }) => `  ${name}: ${about}`).join('\n')}`)
    .action(async (name: string, options: Options) => {
      const {
        out,
        only = [],
        shard,
        stack,
        checkpoint,
        dryRun,
        json,
        kernel,
        untuned,
        optimizer,
        weighting,
        slurm,
        partition,
        time,
        gpus,
        arraySize,
        ...rest
      } = options;
      const overrides = {
        ...rest,
        ...(optimizer ? { optimizers: optimizer } : {}),
        ...(weighting ? { weightings: weighting } : {}),
      };
      const preset = await presetOf(name, overrides);
      const plan = sweepPlan(preset, overrides, stack);
      const groups = selectGroups(plan, only, shard);
      const folder = out ?? `sweeps/${preset.name}`;
      if (slurm) {
        if (shard) throw new UsageError('--slurm makes shards of its own: leave out --shard');
        SweepFolder.check(folder, plan);
        const line = { command: commandOf(name, options), task: ['sweep', name, ...taskOptions(options)] };
        return submitSweep({ plan, only, out: folder, ...line, dryRun: dryRun ?? false }, options);
      }
      if ([partition, time, gpus, arraySize].some((given) => given !== undefined))
        throw new UsageError('--partition, --time, --gpus and --array-size are for --slurm');
      if (dryRun) return showPlan(plan, groups, options);
      SweepFolder.check(folder, plan);
      const outcome = await interruptible((signal) =>
        withDevice((device) =>
          sweep({
            ...{
              device,
              reopen: (singly) => openDevice(singly ? { singly } : {}),
              library,
              versions: kernel ?? {},
              plan,
              out: folder,
              only,
              signal,
            },
            choices: tunedChoices(device, untuned),
            ...(shard ? { shard } : {}),
            checkpointEvery: 1000 * checkpoint,
            command: commandOf(name, options),
          }),
        ),
      );
      if (json) putJson(outcome);
      else say(outcomeText(outcome), options);
      if (outcome.stopped) process.exitCode = stoppedCode();
    });
  return slurmOptions(command).addCommand(statusCommand());
}

/** A preset, or what is asked for of a system. Throws UsageError, UnknownSystemError, SystemError, ParameterError. */
async function presetOf(name: string, { set, optimizers: own, weightings: balances }: Overrides): Promise<Preset> {
  const grid = {
    ...(set ? { set } : {}),
    ...(own ? { optimizers: own } : {}),
    ...(balances ? { weightings: balances } : {}),
  };
  if (isSystemFile(name) || systems.some((system) => system.name === name))
    return presetOver(systemNamed(await known(name)), grid);
  const preset = presetNamed(name);
  const [given] = Object.keys(grid);
  if (given !== undefined)
    throw new UsageError(
      `--${given.replace(/s$/, '')} is for a sweep over a system, ./own.mjs say; ${name} has its own`,
    );
  return preset;
}

/** Options that say which runs there are. */
function planOptions(options: Options): string[] {
  const { set = {}, optimizer, weighting, epochs, lr, width, depth, seeds, soapBetas, updateEvery, stack } = options;
  const { steps, momentum, thin } = options;
  const values = {
    ...{ optimizer, weighting, epochs, steps, momentum, thin },
    lr,
    width,
    depth,
    seeds,
    'soap-betas': soapBetas,
    'update-every': updateEvery,
  };
  const given = { ...values, ...(stack === DEFAULT_STACK ? {} : { stack }) };
  const said = Object.entries(given).flatMap(([key, value]) => (value === undefined ? [] : [`--${key}`, `${value}`]));
  return [...Object.entries(set).flatMap(([name, list]) => ['--set', `${name}=${list.join(',')}`]), ...said];
}

/** The same, and those that say how a task is to train them. */
function taskOptions(options: Options): string[] {
  const { only = [], checkpoint, kernel = {} } = options;
  return [
    ...planOptions(options),
    ...only.flatMap((condition) => ['--only', condition]),
    ...['--checkpoint', `${checkpoint}`],
    ...Object.entries(kernel).flatMap(([name, version]) => ['--kernel', `${name}=${version}`]),
  ];
}

/** The command as one would type it again, without the places of this machine. */
const commandOf = (preset: string, options: Options): string =>
  ['tapir sweep', basename(preset), ...planOptions(options)].join(' ');

function showPlan({ preset, runs }: SweepPlan, groups: readonly Group[], options: Options): void {
  const selected = groups.reduce((sum, group) => sum + group.runs.length, 0);
  if (options.json) {
    const ids = groups.map((group) => ({ id: group.id, runs: group.runs.map(({ id }) => id) }));
    putJson({ preset, planned: runs.length, selected, groups: ids });
    return;
  }
  const rows = groups.map((group) => {
    const { epochs, network, coupling } = group.runs[0]!;
    const values = [...new Set(group.runs.map((run) => run.coupling.value))].join(', ');
    const seeds = [...new Set(group.runs.map(({ seed }) => seed))].join(', ');
    return [
      groupTitle(group),
      `${coupling.name} = ${values}`,
      seeds,
      String(epochs),
      `${network.hidden} x ${network.width}`,
    ];
  });
  const head = ['batch', 'coupling', 'seeds', 'epochs', 'network'];
  const size = `${selected} of ${runs.length} runs in ${groups.length} batches`;
  say(`${preset}: ${size}\n${table(head, rows, [3])}`, options);
}

function outcomeText({ out, adapter, planned, selected, before, finished, busy, stopped, runs }: SweepOutcome): string {
  const lost = runs.filter(({ diverged }) => diverged).length;
  const now = finished - before;
  const lines = [
    `${finished} of ${selected} runs are done${selected < planned ? ` (the plan has ${planned})` : ''}: ${before} before, ${now} now, on ${adapter}`,
  ];
  if (lost > 0) lines.push(`${lost} of them diverged`);
  if (busy.length > 0) lines.push(`${busy.length} groups are being trained by other processes`);
  if (stopped) lines.push('interrupted: the same command continues from here');
  lines.push(`${out}/: sweep.json, runs/; see tapir report ${out}`);
  return lines.join('\n');
}
