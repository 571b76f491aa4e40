/** `npm run test:cluster`: a sweep on a Slurm cluster of this machine. Exit 2, with one line, where it cannot be started. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

function stop(text) {
  process.stderr.write(`test:cluster: ${text}\n`);
  process.exit(2);
}

const absent = ['slurmctld', 'slurmd', 'sbatch', 'srun'].filter((name) => spawnSync('which', [name]).status !== 0);
if (absent.length > 0) stop(`there is no ${absent.join(', ')}; run: apt-get install --no-install-recommends slurm-wlm`);
if (process.getuid?.() !== 0) stop("it starts Slurm's daemons: run it as root, in a container say");
const root = fileURLToPath(new URL('..', import.meta.url));
const steps = [
  ['scripts/setup.mjs'],
  ['scripts/build.mjs'],
  ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/cluster/vitest.config.ts', ...process.argv.slice(2)],
];
for (const step of steps) {
  const { status } = spawnSync(process.execPath, step, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
