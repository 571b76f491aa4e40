/**
 * Random tapes for as long as asked: `npm run fuzz -- --minutes 10 --seed 1`. Another seed draws other tapes; without one
 * the clock gives it.
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '1' }, seed: { type: 'string', default: `${Date.now()}` } },
});
const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
if (!(minutes > 0) || !Number.isSafeInteger(seed)) {
  console.error('fuzz: --minutes takes a number above 0, --seed a whole number');
  process.exit(2);
}
const env = { ...process.env, FUZZ_MINUTES: String(minutes), FUZZ_SEED: String(seed) };
const { status } = spawnSync('npx', ['vitest', 'run', 'test/fuzz'], { stdio: 'inherit', env });
process.exit(status ?? 1);
