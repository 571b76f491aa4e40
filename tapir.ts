import { main, tapir } from './experiments/main.ts';

await main(tapir(), process.argv.slice(2));
