import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/site/browser/*.chromium.ts'],
    testTimeout: 600_000,
    hookTimeout: 120_000,
    globalSetup: ['test/site/browser/served.ts'],
    // Chromium and the interpreter leave one thread idle now and then.
    maxWorkers: 2,
    pool: 'forks',
  },
});
