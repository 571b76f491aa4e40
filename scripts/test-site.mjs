/** Runs the tests of the web page in Chromium, or says how to install it. Arguments go to vitest. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/snap/bin/chromium'];
const chromium = process.env.CHROMIUM ?? places.find(existsSync);

if (!chromium || !existsSync(chromium)) {
  const install = `${process.getuid?.() === 0 ? '' : 'sudo '}apt-get install -y chromium`;
  const remedy = process.platform === 'linux' ? `run: ${install}; or set` : 'install it and set';
  process.stderr.write(`test:site: there is no ${chromium ?? 'Chromium'}; ${remedy} CHROMIUM to the path of one\n`);
  process.exit(2);
}

const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
const { status } = spawnSync(
  process.execPath,
  [vitest, 'run', '--config', 'vitest.site.config.ts', ...process.argv.slice(2)],
  { cwd: root, stdio: 'inherit', env: { ...process.env, CHROMIUM: chromium } },
);
process.exit(status ?? 1);
