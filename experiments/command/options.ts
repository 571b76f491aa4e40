/** Values of options as they are typed: each parser throws UsageError, naming what would be right. */
import { UnknownVersionError } from '../../engine/index.ts';
import { library } from '../../kernels/index.ts';
import { UsageError } from '../training/settings.ts';

export function integer(name: string, low: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < low)
      throw new UsageError(`${name} must be a whole number of at least ${low}, not ${text}`);
    return value;
  };
}

export function number(name: string, positive = false): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value) || (positive && value <= 0))
      throw new UsageError(`${name} must be a ${positive ? 'positive' : 'finite'} number, not ${text}`);
    return value;
  };
}

/** A share below one. */
export function share(text: string): number {
  const value = number('--momentum')(text);
  if (value < 0 || value >= 1) throw new UsageError(`--momentum must be at least 0 and below 1, not ${text}`);
  return value;
}

/** A seed: what PyTorch's generator takes, as far as 32 bits. */
export function seed(text: string): number {
  const value = integer('--seed', 0)(text);
  if (value >= 2 ** 32) throw new UsageError(`--seed must be below 2^32, not ${text}`);
  return value;
}

export function seedList(text: string): number[] {
  return text.split(',').map(seed);
}

/** Collects `name=value` of repeated `--set`. */
export function assignment(text: string, sofar: Record<string, number> = {}): Record<string, number> {
  const [, name, value] = /^([A-Za-z]\w*)=(.+)$/.exec(text) ?? [];
  if (!name || value === undefined) throw new UsageError(`--set takes name=value, not ${text}`);
  return { ...sofar, [name]: number(`--set ${name}`)(value) };
}

export function choice<T extends string>(name: string, all: readonly T[]): (text: string) => T {
  return (text) => {
    const found = all.find((candidate) => candidate === text);
    if (!found) throw new UsageError(`${name} must be one of ${all.join(', ')}, not ${text}`);
    return found;
  };
}

/** Collects `name=version` of repeated `--kernel`. */
export function versionPin(
  text: string,
  sofar: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const [, name, version] = /^(.+)=([\w-]+)$/.exec(text) ?? [];
  if (!name || !version) throw new UsageError(`--kernel takes name=version, not ${text}`);
  const known = library.find((kernel) => kernel.name === name);
  if (!known)
    throw new UsageError(`there is no kernel ${name}; there are ${library.map((kernel) => kernel.name).join(', ')}`);
  if (!known.versions.some((each) => each.name === version)) throw new UnknownVersionError(known, version);
  return { ...sofar, [name]: version };
}
