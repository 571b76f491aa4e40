/** Every line that a page tells its reader to type is typed here, shortened where it would take long. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { command, runProcess } from '../support/command.ts';
import { page, pages, root, shellLinesIn } from '../support/pages.ts';

const HELP = /^(?:bench|check|ntk|report|tune(?! --))\b/;

/** The same call in seconds. Where only a long run would do, the command's help: `pages.test.ts` checks the options. */
function shortened(call: string): string {
  const [name] = call.split(' ');
  if (HELP.test(call)) return `${name} --help`;
  // There is no folder of a sweep here; `cluster.test.ts` looks at one.
  if (call.startsWith('sweep status')) return 'sweep status --help';
  if (name === 'train') return `${call} --epochs 2 --width 8 --depth 1`;
  if (name === 'sweep' && !call.includes('--dry-run')) return `${call} --dry-run`;
  return call;
}

const lines = [...new Set(pages.flatMap(shellLinesIn))];
const callIn = (line: string): string | undefined => /^(?:npm run -s tapir -- |tapir )(.*)$/.exec(line)?.[1];
const calls = [...new Set(lines.flatMap((line) => callIn(line) ?? []).map(shortened))];
const others = lines.filter((line) => callIn(line) === undefined);

describe('lines of the command', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tapir-pages-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('are found', () => {
    expect(calls.length).toBeGreaterThan(12);
  });

  it.each(calls)('tapir %s', async (call) => {
    const args = call.split(' ').map((each) => (/^(?:test|examples)\//.test(each) ? join(root, each) : each));
    const { status, stderr } = await runProcess(process.execPath, [command, ...args], { cwd: folder });
    expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
  });
});

describe('other lines', () => {
  const { scripts } = JSON.parse(page('package.json')) as { scripts: Record<string, string> };

  it.each(others)('%s', (line) => {
    for (const part of line.split(' && ')) {
      const [, script] = /^npm (?:run )?([\w:]+)$/.exec(part) ?? [];
      const [, tests] = /^npx vitest run (\S+)$/.exec(part) ?? [];
      if (tests) expect(existsSync(join(root, tests)), part).toBe(true);
      // Without `npm ci` this test would not run.
      else if (script !== 'ci') expect(scripts, part).toHaveProperty(script ?? part);
    }
  });
});
