/** Commands about one system: train, explain. */
import { Command, Option } from 'commander';
import { activationNames, library } from '../../kernels/index.ts';
import { blockings, schedules } from '../../optim/index.ts';
import { systems } from '../../systems/index.ts';
import { tunedChoices } from '../adapter/tune-cache.ts';
import { trackings } from '../disk/tracker.ts';
import { type ProgramOptions, trainSystem } from '../library/train.ts';
import { table } from '../show/table.ts';
import { gramPlaces, optimizers, precisions, trainable, weightings } from '../training/hyperparameters.ts';
import { memoryText } from '../training/plans.ts';
import { DivergenceError } from '../training/recorder.ts';
import { problemFor, resolveSettings, type TrainOptions } from '../training/settings.ts';
import type { TrainSummary } from '../training/train.ts';
import { explain, type Subject, subjects } from './explain.ts';
import { known } from './known.ts';
import {
  assignment,
  betas,
  choice,
  choices,
  integer,
  number,
  path,
  seconds,
  seed,
  seedList,
  share,
  upTo,
  weightsByTerm,
} from './options.ts';
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

function systemOptions(command: Command, optimizers: readonly string[]): Command {
  return command
    .option('--gamma <x>', 'coupling of thermoelasticity', number('--gamma'))
    .option('--k <x>', 'coupling of reaction-diffusion', number('--k'))
    .option('--epsilon <x>', 'Debye length of the electrokinetic systems', number('--epsilon', true))
    .option('--set <name=value>', 'set any parameter of the system (repeatable)', assignment)
    .option('--width <n>', 'neurons of a hidden layer', integer('--width', 1))
    .option('--depth <n>', 'hidden layers', integer('--depth', 1))
    .addOption(
      new Option('--activation <name>', `of the hidden layers: ${activationNames.join(', ')}`).argParser(
        choice('--activation', activationNames),
      ),
    )
    .addOption(new Option('--optimizer <name>', optimizers.join(', ')).argParser(choice('--optimizer', optimizers)))
    .addOption(new Option('--weighting <name>', weightings.join(', ')).argParser(choice('--weighting', weightings)))
    .option(
      '--weights <list>',
      'weights of loss terms that stay, BC=100,IC=10 (the others: 1), instead of a weighting',
      weightsByTerm,
    )
    .option(
      '--causal <epsilon>',
      'equations weigh at later times once they hold at earlier ones: exp(-epsilon * losses before)',
      upTo('--causal', Number.POSITIVE_INFINITY),
    )
    .option('--lr <x>', 'learning rate', number('--lr', true))
    .option('--betas <b1,b2>', "Adam's and SOAP's, instead of the system's", betas('--betas'))
    .addOption(
      new Option('--schedule <name>', `of the learning rate: ${schedules.join(', ')} (default: constant)`).argParser(
        choice('--schedule', schedules),
      ),
    )
    .option('--warmup <n>', 'epochs in which the learning rate rises (default: 0)', integer('--warmup', 0))
    .option('--decay-rate <x>', 'exponential: factor of the learning rate (default: 0.9)', upTo('--decay-rate', 1))
    .option('--decay-every <n>', 'exponential: epochs to the factor (default: 1000)', integer('--decay-every', 1))
    .option('--final-rate <x>', 'cosine: share of the learning rate at the end (default: 0)', upTo('--final-rate', 1))
    .option(
      '--precondition-frequency <n>',
      'soap: steps between refreshes of the eigenbases (default: 2)',
      integer('--precondition-frequency', 1),
    )
    .option('--shampoo-beta <x>', "soap: beta of the preconditioner (default: Adam's second)", share('--shampoo-beta'))
    .option('--weight-decay <x>', 'soap: weight decay (default: 0)', upTo('--weight-decay', Number.POSITIVE_INFINITY))
    .option(
      '--max-precond-dim <n>',
      'soap: longest side of a matrix that is preconditioned (default: 10000)',
      integer('--max-precond-dim', 1),
    )
    .option('--seed <n>', 'seed of the initial weights (default: 42)', seed)
    .option('--seeds <list>', 'several seeds, trained together: 42,123,456', seedList)
    .addOption(pinOption())
    .addOption(untunedOption());
}

function gaussNewtonOptions(command: Command): Command {
  return command
    .option(
      '--momentum <x>',
      'gauss-newton: share of the last direction that is kept (SPRING; default: 0)',
      share('--momentum'),
    )
    .option('--damping <x>', 'gauss-newton: lambda at the start (default: 0.01)', number('--damping', true))
    .option('--adaptive', 'gauss-newton: the line search sets lambda (default without momentum)')
    .option('--no-adaptive', 'gauss-newton: lambda stays (default with momentum)')
    .addOption(
      new Option(
        '--blocks <name>',
        'gauss-newton: one system for all (joint), or one for each network or layer, as if the rest stood still (default: joint)',
      ).argParser(choice('--blocks', blockings)),
    )
    .addOption(
      new Option(
        '--gram <place>',
        `gauss-newton: where J J^T is computed: ${gramPlaces.join(', ')} (default: the device, unless that is a CPU)`,
      ).argParser(choice('--gram', gramPlaces)),
    )
    .option(
      '--boundary-weight <x>',
      'sums of squares: factor of the conditions (default: 10)',
      number('--boundary-weight', true),
    )
    .option('--thin <n>', 'sums of squares: of n collocation points keep one (default: 1)', integer('--thin', 1))
    .addOption(
      new Option('--precision <name>', `sums of squares: ${precisions.join(', ')} (default: mixed)`).argParser(
        choice('--precision', precisions),
      ),
    );
}

export function trainCommand(): Command {
  return gaussNewtonOptions(
    systemOptions(
      new Command('train').argument('<system>', `${systems.map(({ name }) => name).join(', ')}, or a file`),
      trainable,
    ),
  )
    .description('train a system; writes a run folder')
    .option('--epochs <n>', 'training steps', integer('--epochs', 1))
    .option('--target-error <x>', 'stop once the error is at most this', number('--target-error', true))
    .option('--out <dir>', 'run folder (default: runs/SYSTEM-TIME)', path('--out'))
    .option('--resume <dir>', 'continue the run in a folder', path('--resume'))
    .option('--start <dir>', 'begin with the weights of a run, at another coupling say', path('--start'))
    .addOption(
      new Option('--checkpoint <s>', 'seconds between checkpoints').argParser(seconds('--checkpoint')).default(15),
    )
    .option(
      '--track <list>',
      `also write the history for other programs: ${trackings.join(', ')}`,
      choices('--track', trackings),
    )
    .addOption(jsonOption())
    .action(async (system: string, { json, ...options }: ProgramOptions & Global) => {
      const summary = await interruptible((signal) =>
        trainSystem(system, {
          ...options,
          ...{ signal, progress: true, notice: (text: string) => void process.stderr.write(`${text}\n`) },
        }),
      ).catch((error: unknown) => {
        if (json && error instanceof DivergenceError) putJson(error.summary);
        throw error;
      });
      if (json) putJson(summary);
      else say(report(summary), {});
      if (summary.stopped !== undefined) process.exitCode = stoppedCode();
    });
}

const scientific = (value: number | null | undefined) => value?.toExponential(2) ?? '-';

function report(summary: TrainSummary): string {
  const { system, params, epochs, reached, msPerStep, dispatchesPerStep, memory, adapter, out, stopped } = summary;
  const runs = summary.runs ?? [summary];
  const within = reached && `: the error, ${scientific(reached.error)}, is within the target`;
  const ending = stopped ? `: ${stopped}` : (within ?? '');
  return [
    '',
    `${system} (${Object.entries(params)
      .map(([name, value]) => `${name} = ${value}`)
      .join(', ')}), ${epochs} epochs${ending}`,
    '',
    ...outcome(runs),
    ...learned(runs),
    '',
    `${msPerStep?.toFixed(1) ?? '-'} ms per step, ${dispatchesPerStep} dispatches, ${adapter}`,
    memoryText(memory),
    `${out}/: picture.svg, metrics.jsonl, summary.json, weights.safetensors`,
  ].join('\n');
}

/** Errors of each run, or loss terms where there is no reference solution. */
function outcome(runs: readonly Pick<TrainSummary, 'seed' | 'final' | 'best' | 'losses'>[]): string[] {
  const fields = Object.keys(runs[0]!.final.l2);
  const terms = Object.keys(runs[0]!.losses);
  if (fields.length === 0) {
    const rows = runs.map(({ seed: own, losses }) => [String(own), ...terms.map((term) => scientific(losses[term]))]);
    return ['loss terms (there is no reference solution):', table(['seed', ...terms], rows)];
  }
  const rows = runs.map(({ seed: own, final, best }) => [
    String(own),
    ...fields.map((field) => scientific(final.l2[field])),
    scientific(final.mean),
    `${scientific(best.mean)} at ${best.epoch}`,
  ]);
  return [
    'relative L2 error of each field against the exact solution:',
    table(['seed', ...fields, 'mean', 'best mean'], rows),
  ];
}

/** The parameters that were learned, of each run. */
function learned(runs: readonly Pick<TrainSummary, 'seed' | 'learned'>[]): string[] {
  const names = Object.keys(runs[0]!.learned ?? {});
  if (names.length === 0) return [];
  const rows = runs.map(({ seed: own, learned: values }) => [
    String(own),
    ...names.map((name) => String(Number(values?.[name]?.toPrecision(5)))),
  ]);
  return ['', 'learned parameters:', table(['seed', ...names], rows)];
}

export function explainCommand(): Command {
  return systemOptions(
    new Command('explain')
      .argument('<system>')
      .argument('<subject>', subjects.join(', '), choice('the subject', subjects)),
    optimizers,
  )
    .description('print what is built for a training step')
    .action(async (system: string, subject: Subject, { kernel, untuned, ...chosen }: TrainOptions & Global) => {
      const settings = resolveSettings(await known(system), chosen);
      const text = await withDevice(async (device) =>
        explain(subject, {
          ...{ options: { ...settings, problem: problemFor(settings) }, device, library },
          versions: kernel ?? {},
          choices: tunedChoices(device, untuned),
        }),
      );
      say(text, {});
    });
}
