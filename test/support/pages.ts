/** Pages for readers and the examples on them. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '../..');

export const page = (path: string): string => readFileSync(join(root, path), 'utf8');

export interface Example {
  readonly code: string;
  readonly prints: string;
}

/** Programs marked `<!-- example -->`, each with the `text` block that follows it. */
export function programsIn(text: string): Example[] {
  const example = /<!-- example -->\s*```js\n(.*?)```(.*?)```text\n(.*?)```/gs;
  return [...text.matchAll(example)].map(([, code, , prints]) => ({ code: code!, prints: prints! }));
}
