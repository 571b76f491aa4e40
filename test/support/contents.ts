/** What a command left in a folder, to be held against what it leaves undisturbed. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Every file, as text without what tells when, where, how fast and in what company it was made. */
export function contents(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  const files = names.filter((name) => statSync(join(folder, name)).isFile());
  return Object.fromEntries(
    files.map((name) => {
      const text = readFileSync(join(folder, name), 'latin1');
      // The drawing library numbers its pictures.
      if (!name.endsWith('summary.json') && !name.endsWith('sweep.json'))
        return [name, text.replaceAll(/\bzr\d+-/g, '')];
      const {
        msPerStep: _,
        finished: __,
        out: ___,
        created: ____,
        stackedWith: _____,
        ...rest
      } = JSON.parse(text) as Record<string, unknown>;
      return [name, JSON.stringify(rest)];
    }),
  );
}
