// Whether long use costs memory or handles: npm run endurance [-- --only epochs|programs|devices] [--count N]
// Exit 1 where something grew. Each trial has a process of its own, in which garbage can be collected before a look.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const TRIALS = ['epochs', 'programs', 'devices'];
const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'bench', 'results');

const option = (name) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
};
const only = option('--only');
const count = option('--count');
if ((only && !TRIALS.includes(only)) || (count && !/^[1-9]\d*$/.test(count))) {
  process.stderr.write(`endurance: --only takes one of ${TRIALS.join(', ')}, --count a number above 0\n`);
  process.exit(2);
}

async function trial() {
  const bundled = mkdtempSync(join(root, 'dist-endurance-'));
  try {
    const outfile = join(bundled, 'endurance.mjs');
    await build({
      entryPoints: [join(root, 'bench', 'endurance-report.ts')],
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      packages: 'external',
      outfile,
      logLevel: 'warning',
    });
    const { report } = await import(pathToFileURL(outfile).href);
    const grown = await report(folder, only, count && Number(count));
    for (const line of grown) process.stderr.write(`endurance: ${line}\n`);
    process.exitCode = grown.length > 0 ? 1 : 0;
  } finally {
    rmSync(bundled, { recursive: true, force: true });
  }
}

if (globalThis.gc && only) await trial();
else
  for (const name of only ? [only] : TRIALS) {
    const args = ['--expose-gc', fileURLToPath(import.meta.url), '--only', name, ...(count ? ['--count', count] : [])];
    const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
    if (status !== 0) process.exitCode = status ?? 1;
  }
