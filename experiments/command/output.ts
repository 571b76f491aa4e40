/** What the commands share: output, the device, common options. */
import { Option } from 'commander';
import { type Device, type DeviceOptions, openDevice, TRY_AGAIN } from '../../engine/index.ts';
import { versionPin } from './options.ts';

export interface Global {
  readonly json?: boolean;
  readonly kernel?: Readonly<Record<string, string>>;
  readonly untuned?: boolean;
}

/** Prose to stderr where stdout is for JSON, to stdout otherwise. */
export function say(text: string, { json }: Global): void {
  (json ? process.stderr : process.stdout).write(`${text}\n`);
}

export function putJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 1)}\n`);
}

/** Opens the device, hands it over, closes it whatever happens. */
export async function withDevice<T>(use: (device: Device) => Promise<T>, options: DeviceOptions = {}): Promise<T> {
  const device = await openDevice(options);
  try {
    return await use(device);
  } finally {
    await device.close();
  }
}

export const jsonOption = () => new Option('--json', 'one JSON document on stdout, prose on stderr');
export const pinOption = () =>
  new Option('--kernel <name=version>', 'pin the version of a kernel (repeatable)')
    .argParser(versionPin)
    .default({}, 'the fastest that fits');

export const untunedOption = () => new Option('--untuned', 'kernel versions as if tapir tune had never run');

/** npm and `timeout` pass on what the terminal sends as well: one interrupt may come twice. */
const SAME_INTERRUPT_MS = 1000;

/** Slurm sends it before it ends a job: what is kept then goes on when the job is started again. */
const LAST_CALL = 'SIGUSR2';
const stops: readonly NodeJS.Signals[] = [
  'SIGINT',
  'SIGTERM',
  'SIGHUP',
  ...('SLURM_JOB_ID' in process.env ? ([LAST_CALL] as const) : []),
];

let asked: NodeJS.Signals | undefined;
/** The exit code of what was asked to stop, and did. */
export const stoppedCode = (): number => (asked === LAST_CALL ? TRY_AGAIN : 130);

/**
 * Ends the process at once by a signal. `process.exit` would wait for what the driver does at its end, and crash where that
 * still compiles.
 */
function endBy(signal: NodeJS.Signals): void {
  // Locks are given back.
  process.emit('exit', 130);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

/** Aborts at the first interrupt, ends the process at the second. */
export async function interruptible<T>(use: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController();
  let first = Number.NaN;
  const interrupted = (signal: NodeJS.Signals) => {
    asked = signal;
    if (!stop.signal.aborted) first = performance.now();
    else if (performance.now() - first > SAME_INTERRUPT_MS) endBy(signal);
    stop.abort();
  };
  for (const signal of stops) process.on(signal, interrupted);
  try {
    return await use(stop.signal);
  } finally {
    for (const signal of stops) process.off(signal, interrupted);
  }
}
