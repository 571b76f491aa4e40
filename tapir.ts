import { benchCommand, tuneCommand } from './bench/index.ts';
import { main, tapir } from './experiments/command/main.ts';

await main(tapir(benchCommand(), tuneCommand()), process.argv.slice(2));
