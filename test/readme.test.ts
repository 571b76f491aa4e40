/** The README's paths and commands exist; `test/pages/package.test.ts` runs its programs. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { benchCommand, tuneCommand } from '../bench/index.ts';
import { tapir } from '../experiments/command/main.ts';

const root = resolve(import.meta.dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');

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
