/** `tapir check`: kernels against their meaning, on all that the adapter offers and on the least that WebGPU promises. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { within } from '../../support/command.ts';

let cwd = '';
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'tapir-'));
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

interface Result {
  readonly limits: 'adapter' | 'least';
  readonly version: string;
  readonly ok: boolean;
  readonly skipped?: string;
}

describe('tapir check --least', () => {
  it('checks once with all limits and once with the least', async () => {
    const { status, stdout, stderr } = await within(cwd, ['check', '--only', 'reorder', '--least', '--json']);
    const { ok, results } = JSON.parse(stdout) as { ok: boolean; results: Result[] };
    expect({ status, ok }).toEqual({ status: 0, ok: true });
    expect(stderr).toContain('at the least limits of WebGPU');
    const ran = (limits: Result['limits']) =>
      results.filter((result) => result.limits === limits && result.version === 'simple' && !result.skipped).length;
    expect(ran('least')).toBeGreaterThan(2);
    expect(ran('adapter')).toBe(ran('least'));
  });
});
