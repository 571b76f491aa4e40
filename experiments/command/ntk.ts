/** The command that measures the theory: `tapir ntk`. */
import { Command, Option } from 'commander';
import type { Device } from '../../engine/index.ts';
import { systemNamed, systems } from '../../systems/index.ts';
import { checkPlaces } from '../disk/run-folder.ts';
import { comparison, comparisonText, studyText, writeStudies } from '../ntk/report.ts';
import { checkPoints, PUBLISHED, type Study, type StudyOptions, study } from '../ntk/study.ts';
import { methods, weightings } from '../training/hyperparameters.ts';
import { type AnyTrainOptions, settingsFor, UsageError } from '../training/settings.ts';
import { known } from './known.ts';
import { assignment, choice, integer, number, path, seed, seedList } from './options.ts';
import { type Global, jsonOption, pinOption, putJson, say, withDevice } from './output.ts';

type NtkOptions = AnyTrainOptions &
  Global & {
    readonly all?: boolean;
    readonly points?: number;
    readonly boundary?: boolean;
    readonly threshold: number;
    readonly spectrum?: boolean;
    readonly atEpochs?: readonly number[];
    readonly out?: string;
  };

/** Initial weights of these seeds give the published means. */
const SEEDS = [42, 123, 456];

export function ntkCommand(): Command {
  return new Command('ntk')
    .argument(
      '<system>',
      `${systems.map(({ name }) => name).join(', ')}, or a file; table: the four published ones, both ends`,
    )
    .description('lambda_max of the NTK, plain and preconditioned, at the initial weights or through training')
    .option('--gamma <x>', 'coupling of thermoelasticity', number('--gamma'))
    .option('--k <x>', 'coupling of reaction-diffusion and symmetric', number('--k'))
    .option('--epsilon <x>', 'Debye length of the electrokinetic systems', number('--epsilon', true))
    .option('--set <name=value>', 'set any parameter of the system (repeatable)', assignment)
    .option('--all', 'every published coupling of the system, and the slope')
    .option('--seed <n>', 'one seed', seed)
    .option('--seeds <list>', 'seeds of the initial weights (default: 42,123,456)', seedList)
    .option('--width <n>', 'neurons of a hidden layer', integer('--width', 1))
    .option('--depth <n>', 'hidden layers', integer('--depth', 1))
    .option('--points <n>', 'interior points (default: those of training; 200 in 2D)', integer('--points', 1))
    .option('--boundary', 'rows of the boundary conditions too')
    .option(
      '--threshold <t>',
      'K_P from singular values above t times the largest; 0: from all that rows span as computed, rounding included',
      threshold,
      0,
    )
    .option('--spectrum', 'all eigenvalues of K, its effective rank, singular values of each network')
    .option('--at-epochs <list>', 'train, and measure at these epochs: 0,500,1000', epochList)
    .addOption(new Option('--optimizer <name>', methods.join(', ')).argParser(choice('--optimizer', methods)))
    .addOption(new Option('--weighting <name>', weightings.join(', ')).argParser(choice('--weighting', weightings)))
    .option('--lr <x>', 'learning rate', number('--lr', true))
    .option('--out <dir>', 'also write ntk.json, figures and a page there', path('--out'))
    .addOption(pinOption())
    .addOption(jsonOption())
    .action(async (name: string, options: NtkOptions) => {
      const plans = name === 'table' ? publishedPlans(options) : [planFor(await known(name), options)];
      for (const plan of plans) if (plan.points !== undefined) checkPoints(plan);
      if (options.out !== undefined) checkPlaces(options.out, ['ntk.json', 'ntk.html']);
      const studies = await withDevice((device) => inTurn(device, plans, options));
      const document = name === 'table' ? { table: comparison(studies), studies } : studies[0]!;
      if (options.out !== undefined) writeStudies(options.out, document, studies);
      if (options.json) putJson(document);
      else
        say([...studies.map(studyText), ...(name === 'table' ? [comparisonText(studies)] : [])].join('\n\n'), options);
    });
}

async function inTurn(device: Device, plans: readonly StudyOptions[], { kernel }: NtkOptions): Promise<Study[]> {
  const studies: Study[] = [];
  for (const plan of plans)
    studies.push(
      await study(device, plan, kernel ?? {}, (text) => process.stderr.write(`${plan.settings.system}: ${text}\n`)),
    );
  return studies;
}

function planFor(name: string, options: NtkOptions): StudyOptions {
  const { gamma, k, epsilon, set, all, width, depth, lr, optimizer, weighting, seeds, seed: one } = options;
  const system = systemNamed(name);
  const { parameter, sets = [parameter], values } = system.coupling;
  const chosen = { gamma, k, epsilon, ...set } as Record<string, number | undefined>;
  if (all && [parameter, ...sets].some((own) => chosen[own] !== undefined))
    throw new UsageError(`--all takes every published ${parameter}; leave out the one given`);
  if (options.atEpochs === undefined)
    for (const [option, value] of Object.entries({ optimizer, weighting, lr }))
      if (value !== undefined) throw new UsageError(`--${option} belongs to a training run; give --at-epochs too`);
  const given = {
    gamma,
    k,
    epsilon,
    set,
    width,
    depth,
    lr,
    optimizer,
    weighting,
    seed: one,
    seeds: one === undefined ? (seeds ?? SEEDS) : seeds,
  };
  const settings = settingsFor(
    name,
    Object.fromEntries(Object.entries(given).filter(([, v]) => v !== undefined)) as AnyTrainOptions,
  );
  return {
    settings,
    couplings: all ? values : [],
    epochs: options.atEpochs ?? [],
    ...(options.points === undefined ? {} : { points: options.points }),
    boundary: options.boundary ?? false,
    threshold: options.threshold,
    spectrum: options.spectrum ?? false,
  };
}

function publishedPlans(options: NtkOptions): StudyOptions[] {
  for (const own of ['gamma', 'k', 'epsilon', 'set', 'all', 'points'] as const)
    if (options[own] !== undefined)
      throw new UsageError(`ntk table takes the published couplings and points; leave out --${own}`);
  return [...new Set(PUBLISHED.map(({ system }) => system))].map((system) => ({
    ...planFor(system, options),
    couplings: PUBLISHED.filter((row) => row.system === system).map(({ coupling }) => coupling),
  }));
}

function threshold(text: string): number {
  const value = number('--threshold')(text);
  if (value < 0 || value >= 1) throw new UsageError(`--threshold must be in [0, 1), not ${text}`);
  return value;
}

function epochList(text: string): number[] {
  const epochs = text.split(',').map(integer('--at-epochs', 0));
  if (epochs.some((epoch, k) => k > 0 && epoch <= epochs[k - 1]!))
    throw new UsageError(`--at-epochs must rise, as in 0,500,1000, not ${text}`);
  return epochs;
}
