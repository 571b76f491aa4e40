/** Random tapes for as long as asked: `npm run fuzz -- --minutes 10`. */
import { spawnSync } from 'node:child_process';

const at = process.argv.indexOf('--minutes');
const minutes = at < 0 ? 1 : Number(process.argv[at + 1]);
if (!(minutes > 0)) {
  console.error('fuzz: --minutes takes a number above 0');
  process.exit(2);
}
const env = { ...process.env, FUZZ_MINUTES: String(minutes) };
const { status } = spawnSync('npx', ['vitest', 'run', 'test/fuzz'], { stdio: 'inherit', env });
process.exit(status ?? 1);
