/** The command `tapir bench`. */
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Command } from 'commander';
import type { Library } from '../engine/index.ts';
import { type Global, jsonOption, pinOption, putJson, say, withDevice } from '../experiments/command-io.ts';
import { UsageError } from '../experiments/settings.ts';
import { library as shipped } from '../kernels/index.ts';
import { bench, parts, select } from './bench.ts';
import { report } from './report.ts';

interface Options extends Global {
  readonly out?: string;
  readonly quick?: boolean;
  readonly only?: string;
}

export function benchCommand(library: Library = shipped): Command {
  return new Command('bench')
    .argument('[part...]', `${parts.join(', ')}; all unless named`)
    .description('time kernels and training steps on this adapter, each kernel validated first, against a roofline')
    .option('--only <name>', 'kernels or systems whose name contains this')
    .option('--quick', 'few samples, the first system only: about ten seconds')
    .option('--out <file>', 'write everything that was measured, as JSON with the machine, to a file')
    .addOption(pinOption())
    .addOption(jsonOption())
    .action(async (names: string[], { out, quick = false, only, json, kernel }: Options) => {
      const selection = select(library, { names, quick, ...(only === undefined ? {} : { only }) });
      if (out !== undefined) demandWritable(out);
      const status = statusLine();
      const result = await withDevice((device) =>
        bench(device, { library, selection, quick, versions: kernel ?? {}, onStart: status.show }),
      ).finally(status.clear);
      if (out !== undefined) writeFileSync(out, `${JSON.stringify(result, null, 1)}\n`);
      say(report(result), { json: json ?? false });
      if (json) putJson(result);
      if (result.kernels?.some(({ refused }) => refused)) process.exitCode = 1;
    });
}

/** Throws {@link UsageError} before minutes are spent on what cannot be kept. */
function demandWritable(file: string): void {
  const folder = dirname(file);
  if (!existsSync(folder) || !statSync(folder).isDirectory())
    throw new UsageError(`--out ${file}: there is no folder ${folder}; create it first`);
  if (existsSync(file) && !statSync(file).isFile()) throw new UsageError(`--out ${file} is a folder; name a file`);
}

/** What is being measured, on one line of a terminal; nothing where stderr is none. */
function statusLine(): { show: (text: string) => void; clear: () => void } {
  const { stderr } = process;
  const write = (text: string) => {
    if (stderr.isTTY) stderr.write(`\r\x1b[K${text.slice(0, (stderr.columns || 80) - 1)}`);
  };
  return { show: (text) => write(`measuring ${text}`), clear: () => write('') };
}
