/** The page, built and served while the tests of this folder run. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { buildSite, serve } from '../../../scripts/site.mjs';

declare module 'vitest' {
  interface ProvidedContext {
    /** Ends with a slash. */
    address: string;
    folder: string;
  }
}

export default async function served(project: TestProject): Promise<() => void> {
  const folder = mkdtempSync(join(tmpdir(), 'tapir-site-'));
  await buildSite(folder);
  const { port, close } = await serve(folder, 0);
  project.provide('address', `http://localhost:${port}/`);
  project.provide('folder', folder);
  return () => {
    close();
    rmSync(folder, { recursive: true, force: true });
  };
}
