/** The command `tapir bench`. */
import { basename, dirname } from 'node:path';
import { Command } from 'commander';
import type { Library } from '../engine/index.ts';
import { tunedChoices } from '../experiments/adapter/tune-cache.ts';
import { known } from '../experiments/command/known.ts';
import { integer, path } from '../experiments/command/options.ts';
import {
  type Global,
  jsonOption,
  pinOption,
  putJson,
  say,
  untunedOption,
  withDevice,
} from '../experiments/command/output.ts';
import { replaceFile } from '../experiments/disk/atomic.ts';
import { exists, isFolder } from '../experiments/disk/files.ts';
import { checkPlaces } from '../experiments/disk/run-folder.ts';
import { UsageError } from '../experiments/training/settings.ts';
import { library as shipped } from '../kernels/index.ts';
import { systemNamed } from '../systems/index.ts';
import { across, acrossText } from './across.ts';
import { bench, parts, select } from './bench.ts';
import { compare, comparisonText } from './compare.ts';
import { kernelsCsv } from './csv.ts';
import { withKernelFile } from './kernel-file.ts';
import { markdown } from './markdown.ts';
import { type PeerSpec, peersOf } from './peers.ts';
import { rooflinePage, rooflinePicture } from './picture.ts';
import { report } from './report.ts';
import { readResult } from './result.ts';
import { statusLine } from './status.ts';

interface Options extends Global {
  readonly out?: string;
  readonly quick?: boolean;
  readonly only?: string;
  readonly system?: string;
  readonly markdown?: string;
  readonly python: string;
  readonly authors?: string;
  readonly threads: number;
  readonly sizes?: readonly number[];
  readonly csv?: string;
  readonly cold?: boolean;
  readonly picture?: string;
  readonly kernelFile?: string;
}

/** `peers` replaces the programs to compare with, for tests. */
export function benchCommand(builtIn: Library = shipped, peers?: readonly PeerSpec[]): Command {
  return new Command('bench')
    .argument('[part...]', `${parts.join(', ')}; all but peers by default`)
    .description(
      'time kernels, training steps, batches and other programs on this adapter; everything is validated before it is timed',
    )
    .option('--only <name>', 'kernels or systems whose name contains this')
    .option('--system <name>', 'steps, kernels and batches of this system, by name or as a file', path('--system'))
    .option('--quick', 'few samples, the first system only: about fifteen seconds')
    .option('--out <file>', 'write everything that was measured, as JSON with the machine, to a file', path('--out'))
    .option('--markdown <file>', 'write the tables, as Markdown, to a file', path('--markdown'))
    .option('--sizes <list>', 'kernels in networks of these widths and at square matrices: 64,128,256', sizes)
    .option('--cold', 'kernels also with caches that hold none of their data; needs timestamps')
    .option('--csv <file>', 'write the kernels as comma-separated values to a file', path('--csv'))
    .option('--picture <file>', 'draw every kernel on the roofline, to a .svg or .html file', path('--picture'))
    .option(
      '--kernel-file <file>',
      'a module with a version of your own, measured beside the built-in ones',
      path('--kernel-file'),
    )
    .option('--python <program>', 'the Python that has PyTorch or JAX, for peers', 'python3')
    .option('--authors <dir>', "a checkout of the authors' code with soap.py in it, for peers", path('--authors'))
    .option('--threads <count>', 'threads that peers on the CPU may use', integer('--threads', 1), 1)
    .addOption(pinOption())
    .addOption(untunedOption())
    .addOption(jsonOption())
    .addCommand(compareCommand())
    .action(async (names: string[], options: Options) => {
      const { out, quick = false, only, json, kernel, untuned, python, authors, threads } = options;
      const { csv, picture, kernelFile } = options;
      const library = kernelFile === undefined ? builtIn : await withKernelFile(builtIn, kernelFile);
      const chosen = {
        ...(only === undefined ? {} : { only }),
        ...(options.sizes ? { sizes: options.sizes } : {}),
        ...(options.system === undefined ? {} : { system: systemNamed(await known(options.system)).name }),
      };
      const selection = select(library, { names, quick, ...chosen });
      for (const [option, file] of Object.entries({ out, markdown: options.markdown, csv, picture }))
        if (file !== undefined) demandWritable(`--${option}`, file);
      if (picture !== undefined && !/\.(svg|html)$/.test(picture))
        throw new UsageError(`--picture ${picture}: name a file that ends in .svg or .html`);
      const missing = csv ?? picture;
      if (missing !== undefined && !(selection.parts.includes('kernels') && selection.origins.length > 0))
        throw new UsageError(`${missing} takes kernels that were timed: measure kernels`);
      if (authors !== undefined && !exists(authors))
        throw new UsageError(`--authors ${authors}: there is no such folder; name a checkout of the authors' code`);
      const status = statusLine('measuring');
      const result = await withDevice((device) =>
        bench(device, {
          library,
          selection,
          quick,
          cold: options.cold ?? false,
          versions: kernel ?? {},
          choices: tunedChoices(device, untuned),
          peers: peers ?? peersOf({ python, threads, ...(authors === undefined ? {} : { authors }) }),
          onStart: status.show,
        }),
      ).finally(status.clear);
      if (out !== undefined) replaceFile(out, `${JSON.stringify(result, null, 1)}\n`);
      if (options.markdown !== undefined) replaceFile(options.markdown, markdown(result));
      if (csv !== undefined) replaceFile(csv, kernelsCsv(result.kernels ?? []));
      if (picture !== undefined)
        replaceFile(picture, picture.endsWith('.svg') ? rooflinePicture(result) : rooflinePage(result));
      say(report(result), { json: json ?? false });
      if (json) putJson(result);
      const validated = [...(result.kernels ?? []), ...(result.laplacian ?? [])];
      if (validated.some(({ refused }) => refused)) process.exitCode = 1;
    });
}

function sizes(text: string): number[] {
  return [...new Set(text.split(',').map(integer('--sizes', 1, 16_384)))];
}

function compareCommand(): Command {
  return new Command('compare')
    .argument('<before>', 'what --out wrote: A')
    .argument('<after>', 'what --out wrote: B')
    .option('--across', 'of two adapters or machines: a table, no verdict')
    .description('exit 1 where AFTER is slower than BEFORE beyond noise, and say where')
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .action((before: string, after: string, _: unknown, command: Command) => {
      const { json = false } = command.optsWithGlobals<Global>();
      const [a, b] = [readResult(before), readResult(after)];
      if (command.opts<{ across?: boolean }>().across) {
        const figures = across(a, b);
        say(acrossText(a, b, figures), { json });
        if (json) putJson(figures);
        return;
      }
      const comparison = compare(a, b);
      say(comparisonText(a, b, comparison), { json });
      if (json) putJson(comparison);
      if (!comparison.ok) process.exitCode = 1;
    });
}

/** Throws {@link UsageError} before minutes are spent on what cannot be kept. */
function demandWritable(option: string, file: string): void {
  const folder = dirname(file);
  if (!isFolder(folder)) throw new UsageError(`${option} ${file}: there is no folder ${folder}; create it first`);
  if (isFolder(file)) throw new UsageError(`${option} ${file} is a folder; name a file`);
  checkPlaces(folder, [basename(file)]);
}
