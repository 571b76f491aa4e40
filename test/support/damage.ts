/** Damage done to files, the same for the same seed: bits turned, bytes cut off, JSON that is well formed and lies. */
import { generator } from './tensors.ts';

/** Whole numbers from 0 to below n. */
const below = (random: () => number) => (n: number) => Math.floor(random() * n);

/** Every beginning of the bytes, at most `most` of them, evenly spread, the empty and the nearly whole one among them. */
export function* cuts(bytes: Uint8Array, most: number): Generator<Uint8Array> {
  const step = Math.max(1, Math.floor(bytes.length / most));
  for (let end = 0; end < bytes.length; end += step) yield bytes.slice(0, end);
  yield bytes.slice(0, -1);
}

/** The bytes with one to three bits turned. */
export function* flips(bytes: Uint8Array, count: number, seed: number): Generator<Uint8Array> {
  const random = below(generator(seed));
  for (let k = 0; k < count; k++) {
    const damaged = Uint8Array.from(bytes);
    for (let bit = 0; bit <= random(3); bit++) damaged[random(damaged.length)]! ^= 1 << random(8);
    yield damaged;
  }
}

type Path = readonly (string | number)[];

/** Paths to everything in a value that is an object, a list or neither. */
export function pathsIn(value: unknown, path: Path = []): Path[] {
  const inner = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  return [path, ...inner.flatMap(([key, own]) => pathsIn(own, [...path, Array.isArray(value) ? Number(key) : key]))];
}

/** A copy with another value at a path; undefined leaves it out. */
export function replaced(value: unknown, [key, ...rest]: Path, by: unknown): unknown {
  if (key === undefined) return by;
  if (Array.isArray(value)) return value.map((own, k) => (k === key ? replaced(own, rest, by) : own));
  return Object.fromEntries(
    Object.entries(value as object).map(([name, own]) => [name, name === key ? replaced(own, rest, by) : own]),
  );
}

/** Values that are hard to bear, as text in JSON. */
const HOSTILE: readonly string[] = [
  ...['null', 'true', '[]', '{}', '""', '-1', '0.5', '1e999', '-1e999', '1e15', '9007199254740993', '1e-320'],
  ...[
    '"NaN"',
    '"<script>alert(1)</script>"',
    '"__proto__"',
    '"../../x"',
    '"\\u0000\\u001b[2J"',
    '{"__proto__":{"a":1}}',
  ],
  `"${'x'.repeat(5000)}"`,
  `${'['.repeat(2000)}${']'.repeat(2000)}`,
];

/** JSON with something hostile in the place of one thing, or with that left out. */
export function* lies(json: unknown, count: number, seed: number): Generator<string> {
  const random = below(generator(seed));
  const paths = pathsIn(json);
  for (let k = 0; k < count; k++) {
    const path = paths[random(paths.length)]!;
    const left = random(8) === 0 && typeof path.at(-1) === 'string';
    const text = JSON.stringify(replaced(json, path, left ? undefined : '@@')) ?? '';
    yield text.replace('"@@"', () => HOSTILE[random(HOSTILE.length)]!);
  }
}
