/** What pages say exists: commands and options, scripts, files, links; `package.test.ts` runs their programs. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { benchCommand, tuneCommand } from '../../bench/index.ts';
import { tapir } from '../../experiments/command/main.ts';
import { blocksIn, page, pages, programsIn, root, shellLinesIn } from '../support/pages.ts';

const commands = tapir(benchCommand(), tuneCommand()).commands;
const commandLine = page('docs/command-line.md');

/** Calls of the command on a page: in running text, in tables and in shell blocks. */
function callsIn(path: string): { name: string; rest: string }[] {
  const inline = [...page(path).matchAll(/`(?:npx )?tapir ([a-z]+)([^`]*)`/g)];
  const typed = shellLinesIn(path).flatMap((line) => [...line.matchAll(/\btapir (?:-- )?([a-z]+)(.*)/g)]);
  return [...inline, ...typed].map(([, name, rest]) => ({ name: name!, rest: rest! }));
}

/** Headings as anchors, the way GitHub makes them. */
const anchorsOf = (text: string): string[] =>
  [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );

describe('commands on pages', () => {
  it('are all shown on the page of the command line, and every option of train', () => {
    for (const command of commands) expect(commandLine).toContain(`tapir ${command.name()}`);
    const options = commands.find((each) => each.name() === 'train')!.options.map(({ long }) => long!);
    for (const option of options) expect(commandLine).toContain(option);
  });

  it('are found, in text and in blocks', () => {
    expect(pages.flatMap(callsIn).length).toBeGreaterThan(40);
    expect(callsIn('README.md')).toContainEqual({ name: 'report', rest: ' sweeps/quick' });
  });

  it.each(pages)('exist with their options: %s', (path) => {
    for (const { name, rest } of callsIn(path)) {
      const command = commands.find((each) => each.name() === name);
      expect(command, `tapir ${name}`).toBeDefined();
      const options = [command!, ...command!.commands].flatMap((each) => each.options);
      const known = [...options.map(({ long }) => long), '--help'];
      for (const option of rest.match(/--[a-z-]+/g) ?? []) expect(known, `tapir ${name} ${option}`).toContain(option);
    }
  });

  it.each(pages)('of npm name scripts that there are: %s', (path) => {
    const { scripts } = JSON.parse(page('package.json')) as { scripts: Record<string, string> };
    for (const [, name] of page(path).matchAll(/npm run (?:-s )?([\w:]+)/g)) expect(scripts).toHaveProperty(name!);
  });
});

describe('pages', () => {
  it.each(pages)('link to files and headings that exist: %s', (path) => {
    for (const [, link] of page(path).matchAll(/\]\((?!https?:)([^)]+)\)/g)) {
      const [file, anchor] = link!.split('#') as [string, string | undefined];
      const target = file === '' ? path : join(dirname(path), file);
      expect(existsSync(join(root, target)), `${path} -> ${link}`).toBe(true);
      if (anchor !== undefined) expect(anchorsOf(page(target)), `${path} -> ${link}`).toContain(anchor);
    }
  });

  it.each(pages)('name files that exist, but for those that commands write: %s', (path) => {
    for (const [name] of page(path)
      .replace(/^```sh$.*?^```$/gms, '')
      .matchAll(
        /\b(?:engine|kernels|optim|systems|experiments|bench|test|scripts|docs)\/[\w./-]+\.(?:ts|mjs|json|md)\b/g,
      ))
      expect(existsSync(join(root, name)) || existsSync(join(root, dirname(path), name)), `${path}: ${name}`).toBe(
        true,
      );
  });

  it('show no program that is not run', () => {
    for (const path of pages)
      expect([path, blocksIn(page(path)).filter(({ language }) => /^[jt]s$/.test(language)).length]).toEqual([
        path,
        programsIn(path).length,
      ]);
  });

  it('are all on the index of docs', () => {
    const index = page('docs/README.md');
    const own = pages.filter((path) => path.startsWith('docs/') && path !== 'docs/README.md');
    for (const path of own) expect(index).toContain(`(${path.slice('docs/'.length)})`);
  });

  it('begin with a README of at most 130 lines', () => {
    expect(page('README.md').trimEnd().split('\n').length).toBeLessThanOrEqual(130);
  });

  it('cite the version that package.json has', () => {
    const { version } = JSON.parse(page('package.json')) as { version: string };
    expect(page('CITATION.cff')).toContain(`\nversion: ${version}\n`);
    expect(page('CHANGELOG.md')).toContain(`\n## ${version}\n`);
  });
});
