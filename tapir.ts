import { benchCommand } from './bench/index.ts';
import { main, tapir } from './experiments/main.ts';

await main(tapir(benchCommand()), process.argv.slice(2));
