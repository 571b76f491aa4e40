/** The command line as a user meets it: a process with its output, in a folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { expect, vi } from 'vitest';
import { main, tapir as program } from '../../experiments/command/main.ts';

const root = resolve(import.meta.dirname, '../..');
export const command = resolve(root, 'bin/tapir.mjs');
export const builder = resolve(root, 'scripts/build.mjs');

/** An environment without any Vulkan driver. */
export const withoutDriver = { VK_DRIVER_FILES: '/nonexistent', VK_ICD_FILENAMES: '/nonexistent' };

export interface Outcome {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Options {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Called with all of stderr so far whenever there is more. */
  readonly watch?: (stderr: string, child: ChildProcess) => void;
}

export function runProcess(file: string, args: readonly string[], { cwd, env = {}, watch }: Options): Promise<Outcome> {
  return new Promise((done, fail) => {
    const child = spawn(file, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      watch?.(stderr, child);
    });
    child.on('error', fail).on('close', (status, signal) => done({ status, signal, stdout, stderr }));
  });
}

/** `tapir ARGS`. */
export const tapir = (args: readonly string[], options: Options): Promise<Outcome> =>
  runProcess(process.execPath, [command, ...args], options);

/** What Tapir itself wrote to stderr: Dawn warns on its own account, with a trace below. */
export const ownLines = ({ stderr }: Outcome): string[] =>
  stderr
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('Warning: ') && !/^\s+at .*\.cpp:\d+\)$/.test(line));

/** A refusal: one line of Tapir's own, exit 2, nothing on stdout. */
export function expectRefusal(outcome: Outcome, says: RegExp): void {
  const own = ownLines(outcome);
  expect(own.join('\n')).toMatch(says);
  expect(own, own.join('\n')).toHaveLength(1);
  expect(own[0]).toMatch(/^tapir: /);
  expect([outcome.status, outcome.stdout]).toEqual([2, '']);
}

/** A command line without a process of its own, which costs half a second. */
export async function within(cwd: string, args: readonly string[], ...further: readonly Command[]): Promise<Outcome> {
  const written = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      written[name] += String(text);
      return true;
    }),
  );
  const streams = [process.stdout, process.stderr].map((stream) => ({ stream, before: stream.listeners('error') }));
  const [home, code] = [process.cwd(), process.exitCode];
  try {
    process.chdir(cwd);
    await main(program(...further), args);
    return { ...written, status: Number(process.exitCode ?? 0), signal: null };
  } finally {
    process.chdir(home);
    process.exitCode = code;
    for (const spy of spies) spy.mockRestore();
    for (const { stream, before } of streams)
      for (const listener of stream.listeners('error'))
        if (!before.includes(listener)) stream.off('error', listener as () => void);
  }
}
