/** What a command left in a folder, to be held against what it leaves undisturbed. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** What differs from one time to the next: when, where, how fast and in what company. */
const PASSING = new Set(['msPerStep', 'finished', 'out', 'created', 'stackedWith']);

/** Every file, as text without what tells when, where, how fast and in what company it was made. */
export function contents(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  const files = names.filter((name) => statSync(join(folder, name)).isFile());
  return Object.fromEntries(
    files.map((name) => {
      const text = readFileSync(join(folder, name), 'latin1');
      // The drawing library numbers its pictures.
      if (!name.endsWith('.json')) return [name, text.replaceAll(/\bzr\d+-/g, '')];
      const kept = Object.entries(JSON.parse(text) as Record<string, unknown>).filter(([key]) => !PASSING.has(key));
      // A run that is resumed may write its settings in another order.
      return [name, JSON.stringify(Object.fromEntries(kept.toSorted(([a], [b]) => (a < b ? -1 : 1))))];
    }),
  );
}
