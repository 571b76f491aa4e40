/** `npm run test:site` where there is no Chromium. */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';

it('says how to install one and ends with 2', () => {
  const { status, stderr, stdout } = spawnSync(
    process.execPath,
    [resolve(import.meta.dirname, '../../scripts/test-site.mjs')],
    {
      encoding: 'utf8',
      env: { ...process.env, CHROMIUM: '/nowhere/chromium' },
    },
  );
  expect(status).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toMatch(
    /^test:site: there is no \/nowhere\/chromium; (?:run: .*apt-get install -y chromium; or|install it and) set CHROMIUM to the path of one\n$/,
  );
});
