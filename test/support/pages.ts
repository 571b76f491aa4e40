/** Pages for readers and the examples on them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '../..');

/** Pages by path from the root, those about results and changes included. */
export const pages: readonly string[] = [
  ...['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md', 'engine/README.md', 'results/README.md'],
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

export const page = (path: string): string => readFileSync(join(root, path), 'utf8');

export interface Block {
  readonly language: string;
  readonly text: string;
}

/** Code blocks, in order. */
export function blocksIn(text: string): Block[] {
  const block = /^```(\w*)\n(.*?)^```$/gms;
  return [...text.matchAll(block)].map(([, language, text]) => ({ language: language!, text: text! }));
}

export interface Program {
  readonly page: string;
  readonly code: string;
  readonly prints: string;
}

/** Programs marked `<!-- example -->`, each with the `text` block that follows it. */
export function programsIn(path: string): Program[] {
  const example = /<!-- example -->\s*```js\n(.*?)```(.*?)```text\n(.*?)```/gs;
  return [...page(path).matchAll(example)].map(([, code, , prints]) => ({ page: path, code: code!, prints: prints! }));
}

/** Lines to type into a shell, without their comments; a line that ends in a backslash goes on in the next. */
export function shellLinesIn(path: string): string[] {
  return blocksIn(page(path))
    .filter(({ language }) => language === 'sh')
    .flatMap(({ text }) => text.replace(/\\\n\s*/g, '').split('\n'))
    .map((line) => line.replace(/\s+#.*$/, '').trim())
    .filter((line) => line !== '');
}
