/** The README's programs run against the built package and print what the README says; its paths and commands exist. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { benchCommand, tuneCommand } from '../bench/index.ts';
import { tapir } from '../experiments/command/main.ts';

const root = resolve(import.meta.dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');

/** Programs marked `<!-- example -->`, each with the `text` block that follows it. */
function examplesIn(text: string): { code: string; prints: string }[] {
  const example = /<!-- example -->\s*```js\n(.*?)```(.*?)```text\n(.*?)```/gs;
  return [...text.matchAll(example)].map(([, code, , prints]) => ({ code: code!, prints: prints! }));
}

describe('the programs in the README', () => {
  const examples = examplesIn(readme);
  let folder: string;

  beforeAll(() => {
    execFileSync(process.execPath, [join(root, 'scripts', 'build.mjs')]);
    // Inside the package, so that its own name resolves to it.
    folder = mkdtempSync(join(root, 'dist', 'readme-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('are found, every js block among them', () => {
    expect(examples.length).toBeGreaterThanOrEqual(2);
    expect(readme.match(/```js\n/g)).toHaveLength(examples.length);
  });

  it.each(examples.map((example, k) => ({ ...example, name: `program ${k + 1}` })))(
    '$name prints what is shown',
    ({ code, prints }) => {
      const file = join(folder, 'example.mjs');
      writeFileSync(file, code);
      const { stdout, stderr, status } = spawnSync(process.execPath, [file], { encoding: 'utf8' });
      expect({ stdout, status, stderr: status === 0 ? '' : stderr }).toEqual({ stdout: prints, status: 0, stderr: '' });
    },
  );
});

describe('the README', () => {
  const commands = tapir(benchCommand(), tuneCommand()).commands;

  it('shows every command, and only options that the command has', () => {
    for (const command of commands) expect(readme).toContain(`tapir ${command.name()}`);
    for (const [, name, rest] of readme.matchAll(/`tapir ([a-z]+) ([^`]*)`/g)) {
      const command = commands.find((each) => each.name() === name);
      expect(command, `tapir ${name}`).toBeDefined();
      const known = [...command!.options.map(({ long }) => long), '--help'];
      for (const option of rest!.match(/--[a-z]+/g) ?? []) expect(known, `tapir ${name} ${option}`).toContain(option);
    }
  });

  it('lists the options of train that there are', () => {
    const options = commands.find((each) => each.name() === 'train')!.options.map(({ long }) => long!);
    for (const option of options) expect(readme).toContain(option);
  });

  it('points at files that exist', () => {
    const links = [...readme.matchAll(/\]\((?!https?:|#)([^)]+)\)/g)].map(([, path]) => path!);
    expect(links.length).toBeGreaterThan(1);
    for (const path of links) expect(existsSync(join(root, path)), path).toBe(true);
    for (const [path] of readme.matchAll(
      /\b(?:engine|kernels|optim|systems|experiments|bench|test|scripts)\/[\w./-]+\.(?:ts|mjs|json|md)\b/g,
    ))
      expect(existsSync(join(root, path)) || !existsSync(dirname(join(root, path))), path).toBe(true);
  });
});
