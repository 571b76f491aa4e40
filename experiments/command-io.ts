/** What the commands share: output, the device, common options. */
import { Option } from 'commander';
import { type Device, openDevice } from '../engine/index.ts';
import { versionPin } from './settings.ts';

export interface Global {
  readonly json?: boolean;
  readonly kernel?: Readonly<Record<string, string>>;
}

/** Prose to stderr where stdout is for JSON, to stdout otherwise. */
export function say(text: string, { json }: Global): void {
  (json ? process.stderr : process.stdout).write(`${text}\n`);
}

export function putJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 1)}\n`);
}

/** Opens the device, hands it over, closes it whatever happens. */
export async function withDevice<T>(use: (device: Device) => Promise<T>): Promise<T> {
  const device = await openDevice();
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
