// Measures how the time of each pass over a tape grows with its length: node scripts/scaling.mjs [--most OPERATIONS]
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(root, 'dist-scaling-'));
try {
  const outfile = join(folder, 'scaling.mjs');
  await build({
    entryPoints: [join(root, 'bench', 'scaling-report.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    outfile,
    logLevel: 'warning',
  });
  const { report } = await import(pathToFileURL(outfile).href);
  const at = process.argv.indexOf('--most');
  report(join(root, 'bench', 'results'), at < 0 ? undefined : Number(process.argv[at + 1]));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
