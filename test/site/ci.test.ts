/** `.ci/run` with npm, and what installs Chromium, played by scripts: which steps it takes, and what it counts. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const FAILED = { status: 'failed', assertionResults: [] };

let scratch: string;
let runs = 0;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'tapir-ci-'));
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

function program(folder: string, name: string, lines: readonly string[]): void {
  writeFileSync(join(folder, name), ['#!/bin/sh', ...lines].join('\n'));
  chmodSync(join(folder, name), 0o755);
}

interface Played {
  readonly install?: number;
  readonly chromium?: number;
  /** Exit status and report of a script. */
  readonly test?: readonly [status: number, report?: object];
  readonly site?: readonly [status: number, report?: object];
}

function run({ install = 0, chromium = 0, test = [0, counted(0, 0)], site = [0, counted(0, 0)] }: Played) {
  const folder = join(scratch, String(runs++));
  mkdirSync(folder);
  for (const [name, [, report]] of Object.entries({ 'test.json': test, 'test:site.json': site }))
    if (report) writeFileSync(join(folder, name), JSON.stringify(report));
  program(folder, 'npm', [
    `echo "npm $1 $2" >>"${folder}/steps"`,
    `[ "$1" = ci ] && exit ${install}`,
    `for word in "$@"; do case $word in --outputFile.json=*) into=\${word#--outputFile.json=} ;; esac; done`,
    `[ -e "${folder}/$2.json" ] && cp "${folder}/$2.json" "$into"`,
    `[ "$2" = test ] && exit ${test[0]}`,
    `exit ${site[0]}`,
  ]);
  program(folder, 'node', [
    `[ "$1" = scripts/chromium.mjs ] && { echo "$*" >>"${folder}/steps"; exit ${chromium}; }`,
    `exec "${process.execPath}" "$@"`,
  ]);
  const env = { ...process.env, PATH: `${folder}:${process.env['PATH']}` };
  const { status, stdout, stderr } = spawnSync(join(root, '.ci/run'), { encoding: 'utf8', env });
  expect(stderr).toBe('');
  const steps = readFileSync(join(folder, 'steps'), 'utf8').trim().split(/ *\n/);
  return { status, stdout, last: stdout.trimEnd().split('\n').at(-1), steps };
}

const counted = (passed: number, failed: number, testResults: readonly object[] = []) => ({
  numPassedTests: passed,
  numFailedTests: failed,
  testResults,
});

it('adds the tests of the page to all others', () => {
  const { status, last, steps } = run({ test: [0, counted(1000, 0)], site: [0, counted(30, 0)] });
  expect(last).toBe('1030 passed, 0 failed');
  expect(status).toBe(0);
  expect(steps).toEqual(['npm ci', 'npm run test', 'scripts/chromium.mjs --install', 'npm run test:site']);
});

it('tests the page also where other tests fail, and counts files that do not load', () => {
  const { status, last } = run({ test: [1, counted(9, 2, [FAILED])], site: [1, counted(3, 1)] });
  expect(last).toBe('12 passed, 4 failed');
  expect(status).toBe(1);
});

it('counts a step that breaks before its tests as a failure', () => {
  expect(run({ test: [2], site: [0, counted(3, 0)] }).last).toBe('3 passed, 1 failed');
  expect(run({ test: [0, counted(3, 0)], site: [2] }).last).toBe('3 passed, 1 failed');
  expect(run({ test: [0, counted(3, 0)], chromium: 2 }).last).toBe('3 passed, 1 failed');
  expect(run({}).last).toBe('0 passed, 1 failed');
});

it('runs nothing where the installation fails', () => {
  const { last, steps } = run({ install: 1 });
  expect(last).toBe('0 passed, 1 failed');
  expect(steps).toEqual(['npm ci']);
});

it('says that the page is left out where the distribution has no Chromium', () => {
  const { status, stdout, last, steps } = run({ test: [0, counted(5, 0)], chromium: 3 });
  expect(stdout).toContain('the tests of the web page are left out');
  expect(last).toBe('5 passed, 0 failed');
  expect(status).toBe(0);
  expect(steps).not.toContain('npm run test:site');
});
