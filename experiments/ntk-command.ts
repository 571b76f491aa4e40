/** The command that measures the theory: `tapir ntk`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import type { Device } from '../engine/index.ts';
import { systemNamed, systems } from '../systems/index.ts';
import { type Global, jsonOption, pinOption, putJson, say, withDevice } from './command-io.ts';
import { table } from './explain.ts';
import { figures } from './ntk-figures.ts';
import { checkPoints, PUBLISHED, type Study, type StudyOptions, study } from './ntk-study.ts';
import {
  assignment,
  choice,
  integer,
  number,
  optimizers,
  resolveSettings,
  seed,
  seedList,
  type TrainOptions,
  UsageError,
  weightings,
} from './settings.ts';

interface NtkOptions extends TrainOptions, Global {
  readonly all?: boolean;
  readonly points?: number;
  readonly boundary?: boolean;
  readonly threshold: number;
  readonly spectrum?: boolean;
  readonly atEpochs?: readonly number[];
  readonly out?: string;
}

/** Initial weights of these seeds give the published means. */
const SEEDS = [42, 123, 456];

export function ntkCommand(): Command {
  return new Command('ntk')
    .argument('<system>', `${systems.map(({ name }) => name).join(', ')}; table: the four published ones, both ends`)
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
    .addOption(new Option('--optimizer <name>', optimizers.join(' or ')).argParser(choice('--optimizer', optimizers)))
    .addOption(new Option('--weighting <name>', weightings.join(', ')).argParser(choice('--weighting', weightings)))
    .option('--lr <x>', 'learning rate', number('--lr', true))
    .option('--out <dir>', 'also write ntk.json and figures there')
    .addOption(pinOption())
    .addOption(jsonOption())
    .action(async (name: string, options: NtkOptions) => {
      const plans = name === 'table' ? publishedPlans(options) : [planFor(name, options)];
      for (const plan of plans) if (plan.points !== undefined) checkPoints(plan);
      const studies = await withDevice((device) => inTurn(device, plans, options));
      const document = name === 'table' ? { table: comparison(studies), studies } : studies[0]!;
      if (options.out !== undefined) write(options.out, document, studies);
      if (options.json) putJson(document);
      else say([...studies.map(report), ...(name === 'table' ? [comparisonText(studies)] : [])].join('\n\n'), options);
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
  const settings = resolveSettings(
    name,
    Object.fromEntries(Object.entries(given).filter(([, v]) => v !== undefined)) as TrainOptions,
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

/** Measured means beside the published values. */
function comparison(studies: readonly Study[]) {
  return PUBLISHED.map((published) => {
    const { means, measurements } = studies.find(({ system }) => system === published.system)!;
    const mean = means.find(({ coupling, epoch }) => coupling === published.coupling && epoch === means[0]!.epoch)!;
    const { bound } = measurements[0]!.preconditioned;
    return {
      ...mean,
      system: published.system,
      bound,
      published: { ntk: published.ntk, preconditioned: published.preconditioned },
    };
  });
}

function comparisonText(studies: readonly Study[]): string {
  const rows = comparison(studies).map((row) => [
    row.system,
    String(row.coupling),
    row.ntk.toExponential(2),
    row.published.ntk.toExponential(1),
    row.preconditioned.toFixed(3),
    row.exact.toFixed(3),
    row.published.preconditioned.toFixed(1),
  ]);
  return `lambda_max beside the published values\n${table(['system', 'coupling', 'K', 'published', 'K_P', 'exact', 'published'], rows, [1, 2, 3, 4, 5, 6])}`;
}

function report({
  system,
  parameter,
  rows,
  boundary,
  threshold: chosen,
  seeds,
  means,
  slope,
  measurements,
  training,
  adapter,
}: Study): string {
  const first = measurements[0]!;
  const body = means.map((mean) => [
    String(mean.coupling),
    String(mean.epoch),
    mean.ntk.toExponential(3),
    (2 / mean.ntk).toExponential(1),
    mean.preconditioned.toFixed(4),
    mean.exact.toFixed(4),
    mean.layers.toFixed(3),
    ...(training ? [mean.optimizer?.toExponential(3) ?? '-'] : []),
  ]);
  const head = [
    parameter,
    'epoch',
    'K',
    '2/K',
    'K_P',
    'K_P exact',
    'by layer',
    ...(training ? [`live ${training.optimizer}`] : []),
  ];
  const worst = Math.max(...measurements.map(({ ntk }) => ntk.gpu.difference));
  const influence = first.preconditioned.influence.map(({ threshold, ranks, lambdaMax }, k) => [
    threshold.toExponential(0),
    Object.entries(ranks)
      .map(([name, rank]) => `${name} ${rank}`)
      .join(', '),
    lambdaMax.toFixed(6),
    first.layers.influence[k]!.lambdaMax.toFixed(4),
  ]);
  return [
    `${system}: lambda_max, mean of seeds ${seeds.join(', ')}, on ${adapter}`,
    `${first.rows} rows (${rows.map(({ name, count }) => `${count} of ${name}`).join(', ')}), boundary rows ${boundary ? 'included' : 'left out'}`,
    table(
      head,
      body,
      head.map((_, k) => k),
    ),
    ...(slope
      ? [
          `log-log slope in ${parameter} from ${slope.from} on: K ${slope.ntk.toFixed(4)}${slope.optimizer === undefined ? '' : `, live ${training!.optimizer} ${slope.optimizer.toFixed(4)}`}`,
        ]
      : []),
    `K_P has ${first.preconditioned.bound} networks as its bound, by layer ${first.layers.bound}. K_P counts ${chosen > 0 ? `singular values above ${chosen} of the largest` : 'all that rows span as computed, rounding included'}; exact: in exact arithmetic. Rates are for r' = -K r.`,
    `Gram matrix of the GPU against J J^T in float64: ${worst.toExponential(1)}`,
    `influence of the threshold (${parameter} = ${first.coupling}, seed ${first.seed}):`,
    table(['threshold', 'ranks', 'K_P', 'by layer'], influence, [0, 2, 3]),
  ].join('\n');
}

function write(folder: string, document: unknown, studies: readonly Study[]): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'ntk.json'), `${JSON.stringify(document, null, 1)}\n`);
  for (const each of studies)
    for (const [name, svg] of Object.entries(figures(each)))
      writeFileSync(join(folder, studies.length > 1 ? `${each.system}-${name}` : name), svg);
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
