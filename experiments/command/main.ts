/** The command line: what a user types, in, and errors with a remedy, out. */
import { Command, CommanderError, Option } from 'commander';
import { hasStalled, UserError } from '../../engine/index.ts';
import { doctorCommand } from './doctor.ts';
import { checkCommand, listCommand, verifyCommand } from './look.ts';
import { ntkCommand } from './ntk.ts';
import { seconds } from './options.ts';
import { predictCommand } from './predict.ts';
import { reportCommand } from './report.ts';
import { sweepCommand } from './sweep.ts';
import { explainCommand, trainCommand } from './train.ts';

/** The command with everything but what looks on (bench). */
export function tapir(...further: readonly Command[]): Command {
  const program = new Command('tapir').description(
    'train coupled physics-informed networks on WebGPU, by a handwritten tape',
  );
  const commands = [
    trainCommand(),
    predictCommand(),
    sweepCommand(),
    reportCommand(),
    ntkCommand(),
    verifyCommand(),
    checkCommand(),
    explainCommand(),
    ...further,
    listCommand(),
    doctorCommand(),
  ];
  for (const command of commands) program.addCommand(quiet(command));
  program.addOption(adapterOption()).addOption(patienceOption());
  return quiet(program).showSuggestionAfterError(true);
}

/** Chosen for this process and those that it starts. */
const adapterOption = () =>
  new Option(
    '--adapter <name>',
    'of any command: use the adapter with this in its name; doctor --all lists them',
  ).argParser((name) => {
    process.env['TAPIR_ADAPTER'] = name;
    return name;
  });

const patienceOption = () =>
  new Option(
    '--patience <s>',
    'of any command: seconds without progress of the GPU after which it is given up, 0 for never (default: as measured)',
  ).argParser((text) => {
    const value = seconds('--patience')(text);
    process.env['TAPIR_PATIENCE'] = String(value);
    return value;
  });

/** Commander throws, and prints nothing of its own about errors. */
function quiet(command: Command): Command {
  for (const below of command.commands) quiet(below);
  return command
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .helpOption('-h, --help', 'show this help');
}

/** Runs a command line; sets the exit code and prints one line about a mistake. */
export async function main(program: Command, args: readonly string[]): Promise<void> {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    process.stderr.write(`tapir: stdout cannot be written: ${error.message}\n`);
    process.exit(1);
  });
  // Nobody reads the progress any more; the work goes on.
  process.stderr.on('error', () => {});
  try {
    if (args.length === 0) {
      program.outputHelp();
      return;
    }
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    fail(error as Error);
  }
  if (hasStalled()) process.exit();
}

/** One line: what a user can mend with its remedy, anything else as what it is, an internal error. */
export function errorText(error: Error, debug = false): string {
  const remedy =
    error instanceof UserError ? error.remedy : debug ? undefined : 'TAPIR_DEBUG=1 shows where; please report it';
  const what = error instanceof UserError ? error.message : `internal error: ${error.message || error.name}`;
  return oneLine(remedy ? `${what}; ${remedy}` : what);
}

/** Names and messages longer than these are cut: a line is to be read. */
const LONGEST = { word: 200, line: 1000 } as const;

/** Text as a line that a terminal shows and does not obey: no control characters, and what is too long without its middle. */
function oneLine(text: string): string {
  const plain = text
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]+/gu, ' ')
    .replace(/ {2,}/g, ' ')
    .trim();
  const cut = (long: string, most: number) =>
    long.length <= most ? long : `${long.slice(0, most / 2)} .. ${long.slice(-most / 4)}`;
  return cut(
    plain.replace(/\S+/g, (word) => cut(word, LONGEST.word)),
    LONGEST.line,
  );
}

function fail(error: Error): void {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return;
    process.stderr.write(`tapir: ${oneLine(error.message.replace(/^error: /, ''))}; see tapir --help\n`);
    process.exitCode = 2;
    return;
  }
  const debug = process.env['TAPIR_DEBUG'];
  process.stderr.write(`tapir: ${errorText(error, Boolean(debug))}\n`);
  if (debug) process.stderr.write(`${error.stack}\n`);
  process.exitCode = error instanceof UserError ? error.exitCode : 1;
}
