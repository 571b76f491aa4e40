import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/site/browser/*.chromium.ts'],
    testTimeout: 240_000,
    hookTimeout: 120_000,
    globalSetup: ['test/site/browser/served.ts'],
    fileParallelism: false,
    pool: 'forks',
  },
});
