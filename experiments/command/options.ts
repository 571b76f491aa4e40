/** Values of options as they are typed: each parser throws UsageError, naming what would be right. */
import { UnknownVersionError } from '../../engine/index.ts';
import { library } from '../../kernels/index.ts';
import { FLOAT32_RANGE, inFloat32 } from '../../systems/index.ts';
import { UsageError } from '../training/settings.ts';

const INTEGER = /^[+-]?\d+$/;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** What decimal text says; NaN for anything else: `Number` takes 0x10, an empty text and every space of Unicode, too. */
function decimal(text: string, form = NUMBER): number {
  const bare = text.replace(/^ +| +$/g, '');
  return form.test(bare) ? Number(bare) : Number.NaN;
}

export function integer(name: string, low: number, high = Number.MAX_SAFE_INTEGER): (text: string) => number {
  const most = high === Number.MAX_SAFE_INTEGER ? '' : ` and at most ${high}`;
  return (text) => {
    const value = decimal(text, INTEGER);
    if (!Number.isSafeInteger(value) || value < low || value > high)
      throw new UsageError(`${name} must be a whole number of at least ${low}${most}, not ${text}`);
    return value;
  };
}

/** A number that float32 holds. */
export function number(name: string, positive = false): (text: string) => number {
  return (text) => {
    const value = decimal(text);
    if (!Number.isFinite(value) || (positive && value <= 0))
      throw new UsageError(`${name} must be a ${positive ? 'positive' : 'finite'} number, not ${text}`);
    const vanished = value === 0 && /[1-9]/.test(text.split(/e/i)[0]!);
    if (vanished || !inFloat32(value))
      throw new UsageError(`${name} must be a number that float32 holds, ${FLOAT32_RANGE}, not ${text}`);
    return value;
  };
}

/** A stretch of time. */
export function seconds(name: string): (text: string) => number {
  return (text) => {
    const value = number(name)(text);
    if (value < 0) throw new UsageError(`${name} must be at least 0 seconds, not ${text}`);
    return value;
  };
}

/** The name of a file or folder. */
export function path(name: string): (text: string) => string {
  return (text) => {
    if (text.trim() === '') throw new UsageError(`${name} must name a file or folder, not nothing`);
    return text;
  };
}

/** A share below one. */
export function share(name: string): (text: string) => number {
  return (text) => {
    const value = number(name)(text);
    if (value < 0 || value >= 1) throw new UsageError(`${name} must be at least 0 and below 1, not ${text}`);
    return value;
  };
}

/** A number of at least 0, at most `high`. */
export function upTo(name: string, high: number): (text: string) => number {
  return (text) => {
    const value = number(name)(text);
    if (value < 0 || value > high)
      throw new UsageError(
        `${name} must be ${high === Number.POSITIVE_INFINITY ? 'at least 0' : `from 0 to ${high}`}, not ${text}`,
      );
    return value;
  };
}

/** Two shares below one. */
export function betas(name: string): (text: string) => [number, number] {
  return (text) => {
    const values = text.split(',').map(number(name));
    const [first, second] = values;
    if (values.length !== 2 || values.some((value) => value < 0 || value >= 1))
      throw new UsageError(`${name} takes two numbers from 0 to below 1, such as 0.99,0.999, not ${text}`);
    return [first!, second!];
  };
}

/** Collects `TERM=weight,TERM=weight` of repeated `--weights`. */
export function weightsByTerm(text: string, sofar: Readonly<Record<string, number>> = {}): Record<string, number> {
  const found = { ...sofar };
  for (const part of text.split(',')) {
    const [, term, value] = /^(.+)=(.+)$/.exec(part) ?? [];
    if (!term || value === undefined) throw new UsageError(`--weights takes TERM=weight,.., not ${text}`);
    found[term.trim()] = number(`--weights ${term.trim()}`, true)(value);
  }
  return found;
}

/** A seed: what PyTorch's generator takes, as far as 32 bits. */
export function seed(text: string): number {
  const value = integer('--seed', 0)(text);
  if (value >= 2 ** 32) throw new UsageError(`--seed must be below 2^32, not ${text}`);
  return value;
}

export function seedList(text: string): number[] {
  return distinct('--seeds', text.split(',').map(seed));
}

/** Collects `name=value` of repeated `--set`. */
export function assignment(text: string, sofar: Record<string, number> = {}): Record<string, number> {
  const [, name, value] = /^([A-Za-z]\w*)=(.+)$/.exec(text) ?? [];
  if (!name || value === undefined) throw new UsageError(`--set takes name=value, not ${text}`);
  return { ...sofar, [name]: number(`--set ${name}`)(value) };
}

/** Collects `name=value,value` of repeated `--set`. */
export function assignments(
  text: string,
  sofar: Readonly<Record<string, readonly number[]>> = {},
): Record<string, readonly number[]> {
  const [, name, values] = /^([A-Za-z]\w*)=(.+)$/.exec(text) ?? [];
  if (!name || values === undefined) throw new UsageError(`--set takes name=value or name=value,value, not ${text}`);
  return { ...sofar, [name]: distinct(`--set ${name}`, values.split(',').map(number(`--set ${name}`))) };
}

/** A list of choices, none twice. */
export function choices<T extends string>(name: string, all: readonly T[]): (text: string) => T[] {
  return (text) => distinct(name, text.split(',').map(choice(name, all)));
}

function distinct<T>(name: string, values: readonly T[]): T[] {
  const twice = values.find((value, k) => values.indexOf(value) !== k);
  if (twice !== undefined) throw new UsageError(`${name} names ${twice} twice`);
  return [...values];
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
