// The measuring campaign: checks, tuning, benchmarks, other programs and the paper's runs, in calls of bounded length.
// Each call goes on where the one before ended: bench/campaign.sh [options], until it says that all is done.
import { spawn, spawnSync } from 'node:child_process';
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { campaignMarkdown } from './campaign-page.mjs';

const HELP = `bench/campaign.sh: measure everything on this machine, a call of bounded length at a time

  --out DIR         where results go, and what is done so far (campaign)
  --minutes X       how long this call may take (9.5)
  --small           a rehearsal: the same steps with small sizes
  --python PROGRAM  the Python that has PyTorch and JAX (python3)
  --authors DIR     a checkout of the authors' code with soap.py in it
  --adapter NAME    a part of the adapter's name
  --retry           run again what failed or took too long
`;

/** Seconds kept back at the end of a call for what is under way to be written. */
const MARGIN_S = 20;
/** How often a step that cannot be continued may run out of a call before it is given up. */
const TRIES = 2;

const options = parsed();
const { out, small } = options;
const deadline = Date.now() + 60_000 * Number(options.minutes);
const secondsLeft = () => (deadline - Date.now()) / 1000 - MARGIN_S;

function parsed() {
  try {
    return parseArgs({
      options: {
        out: { type: 'string', default: 'campaign' },
        minutes: { type: 'string', default: '9.5' },
        small: { type: 'boolean', default: false },
        python: { type: 'string', default: 'python3' },
        authors: { type: 'string' },
        adapter: { type: 'string' },
        retry: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    process.stderr.write(`campaign: ${error.message}; see --help\n`);
    process.exit(2);
  }
}

const tapir = (...args) => [process.execPath, 'bin/tapir.mjs', ...args];
const file = (name) => join(out, name);

/** A sweep goes on from its checkpoints; one call of it may be as long as there is time. */
const sweepStep = (name, least, ...only) => ({
  name,
  least,
  continues: true,
  command: tapir(
    ...['sweep', 'paper', '--out', file('paper'), '--checkpoint', '30'],
    ...only.flatMap((each) => ['--only', each]),
    ...(small ? ['--epochs', '50', '--width', '8', '--depth', '1', '--seeds', '42'] : []),
  ),
});

/** In this order. `least`: seconds below which a call does not begin it. */
function steps() {
  const golden = readdirSync('test/golden').filter((name) => name.endsWith('.json'));
  const cases = (small ? golden.filter((name) => /^(torch-init|thermoelasticity-small)/.test(name)) : golden).map(
    (name) => join('test/golden', name),
  );
  const quick = small ? ['--quick'] : [];
  const bench = (part, least, ...args) => ({
    name: `bench-${part}`,
    least,
    command: tapir(
      'bench',
      part,
      ...args,
      ...quick,
      '--out',
      file(`bench-${part}.json`),
      '--markdown',
      file(`bench-${part}.md`),
    ),
  });
  const { python, authors } = options;
  return [
    { name: 'doctor', least: 20, json: 'doctor.json', command: tapir('doctor', '--json') },
    {
      name: 'check',
      least: 120,
      json: 'check.json',
      command: tapir('check', '--json', ...(small ? ['--only', 'reorder'] : [])),
    },
    { name: 'verify', least: 120, json: 'verify.json', command: tapir('verify', '--json', ...cases) },
    {
      name: 'tune',
      least: 180,
      command: tapir('tune', ...(small ? ['thermoelasticity', '--width', '8', '--depth', '1'] : []), ...quick),
    },
    bench('roofline', 60),
    bench(
      'kernels',
      180,
      ...(small ? ['--only', 'matmul'] : ['--picture', file('roofline.svg'), '--csv', file('kernels.csv')]),
    ),
    bench('steps', 180),
    bench('stack', 120),
    {
      name: 'product',
      least: 60,
      json: 'product.json',
      command: [python, 'bench/peers/product.py', small ? '256' : '2048'],
    },
    bench(
      'peers',
      300,
      '--python',
      python,
      ...(authors ? ['--authors', authors] : []),
      ...(small ? ['--only', 'thermoelasticity'] : []),
    ),
    ...['thermoelasticity', 'reaction-diffusion', 'nernst-planck-poisson'].map((system) =>
      sweepStep(`paper-${system}`, 60, `system=${system}`, ...(small ? ['method=SOAP+GN'] : [])),
    ),
    ...(small ? [] : [sweepStep('paper-electroosmotic-flow', 60, 'system=electroosmotic-flow')]),
    { name: 'report', least: 30, command: tapir('report', file('paper'), '--out', file('report')) },
  ];
}

function load() {
  const path = file('campaign.json');
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : { small, steps: {} };
}

function save(state) {
  const replace = (name, text) => {
    writeFileSync(file(`${name}.new`), text);
    renameSync(file(`${name}.new`), file(name));
  };
  replace('campaign.json', `${JSON.stringify(state, null, 1)}\n`);
  replace('campaign.md', campaignMarkdown(out, state));
}

/** Runs a command, interrupted once its time is over. Its output goes to a log, or its stdout to a file of its own. */
function run({ name, command, json, continues }, seconds) {
  const log = createWriteStream(file(`${name}.log`), { flags: 'a' });
  log.write(`\n$ ${command.map((word) => (word === process.execPath ? 'node' : word)).join(' ')}\n`);
  const env = { ...process.env, PYTHONUNBUFFERED: '1', ...(options.adapter ? { TAPIR_ADAPTER: options.adapter } : {}) };
  const child = spawn(command[0], command.slice(1), { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  const answer = [];
  child.stdout.on('data', (data) => (json ? answer.push(data) : log.write(data)));
  child.stderr.on('data', (data) => {
    said = `${said}${data}`.slice(-2000);
    log.write(data);
  });
  return new Promise((resolve) => {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill(continues ? 'SIGINT' : 'SIGTERM');
    }, 1000 * seconds);
    const end = (code, why) => {
      clearTimeout(timer);
      log.end();
      if (json && answer.length > 0) writeFileSync(file(json), Buffer.concat(answer));
      const last = said.trim().split('\n').at(-1) ?? '';
      resolve({ code, late, last: why ?? last.slice(0, 300) });
    };
    child.on('error', (error) => end(-1, error.message));
    child.on('close', (code) => end(code ?? -1));
  });
}

const settled = ({ status } = {}) => status === 'done' || (!options.retry && ['failed', 'given up'].includes(status));

async function main() {
  if (options.help) return void process.stdout.write(HELP);
  if (!(Number(options.minutes) > 0)) {
    process.stderr.write(`campaign: --minutes must be a positive number, not ${options.minutes}\n`);
    process.exit(2);
  }
  mkdirSync(out, { recursive: true });
  const state = load();
  if (state.small !== small) {
    process.stderr.write(
      `campaign: ${out} holds a campaign ${state.small ? 'with' : 'without'} --small; choose another --out\n`,
    );
    process.exit(2);
  }
  state.commit ??= spawnSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).stdout?.trim() || 'unknown';
  let left = 0;
  for (const step of steps()) {
    const before = state.steps[step.name];
    if (settled(before)) continue;
    if (secondsLeft() < (small ? 10 : step.least)) {
      left++;
      continue;
    }
    process.stderr.write(`campaign: ${step.name}, ${Math.round(secondsLeft())} s left\n`);
    const from = Date.now();
    const { code, late, last } = await run(step, secondsLeft());
    const seconds = (before?.seconds ?? 0) + (Date.now() - from) / 1000;
    const calls = (before?.calls ?? 0) + 1;
    const status =
      code === 0 ? 'done' : !late ? 'failed' : step.continues ? 'under way' : calls < TRIES ? 'too long' : 'given up';
    state.steps[step.name] = {
      status,
      calls,
      seconds: Math.round(10 * seconds) / 10,
      ...(code === 0 ? {} : { code, last }),
    };
    if (!settled(state.steps[step.name])) left++;
    save(state);
    process.stderr.write(`campaign: ${step.name}: ${status}${code === 0 ? '' : ` (${last})`}\n`);
  }
  save(state);
  const lost = Object.entries(state.steps).filter(([, { status }]) => status === 'failed' || status === 'given up');
  const failed = lost.length === 0 ? '' : `, ${lost.map(([name]) => name).join(', ')} failed: --retry runs them again`;
  const next = left === 0 ? `all is done${failed}` : `steps left: ${left}; the same command goes on${failed}`;
  process.stdout.write(`campaign: ${next}; ${file('campaign.md')}\n`);
  process.exitCode = left > 0 ? 75 : lost.length > 0 ? 1 : 0;
}

await main();
