import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

const folder = join(import.meta.dirname, 'test');

/** What opens an adapter: a device, a training, the surfaces of a report, the command in a process of its own. */
const OPENS_ADAPTER = /\bopenDevice\b|\btrain\(|\bwriteReport\b|support\/command\.ts/;

const tests = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  // Those of the cluster need Slurm, and have a script of their own.
  .filter((path) => path.endsWith('.test.ts') && !path.startsWith('cluster/'))
  .map((path) => ({ path: `test/${path}`, gpu: OPENS_ADAPTER.test(readFileSync(join(folder, path), 'utf8')) }));

const pathsOf = (gpu: boolean) => tests.filter((each) => each.gpu === gpu).map(({ path }) => path);

const noDriver = { VK_DRIVER_FILES: '/nonexistent', VK_ICD_FILENAMES: '/nonexistent' };

export default defineConfig({
  test: {
    testTimeout: 120_000,
    hookTimeout: 120_000,
    globalSetup: ['test/support/cache.ts'],
    pool: 'forks',
    maxWorkers: 2,
    projects: [
      // Without a driver, so that a test which needs one fails here on every machine.
      { extends: true, test: { name: 'cpu', include: pathsOf(false), env: noDriver } },
      { extends: true, test: { name: 'gpu', include: pathsOf(true) } },
    ],
    coverage: {
      provider: 'v8',
      include: ['{engine,kernels,optim,systems,experiments,bench}/**/*.ts'],
      reporter: ['text-summary', 'html'],
    },
  },
});
