import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { PACKAGES, parseOsRelease, planInstall, shellText } from './setup-plan.mjs';

const PROBE_LIMIT = 60_000;
const STEP_LIMIT = 15 * 60_000;
const LOCK_WAIT = 120_000;
const LOCK_RETRY = 5_000;
const DRIVER_VARIABLES = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES', 'VK_LOADER_DRIVERS_DISABLE'];

const say = (text) => process.stderr.write(`setup: ${text}\n`);

function stop(text) {
  say(text);
  process.exit(2);
}

function probeIn(env) {
  const script = fileURLToPath(new URL('probe.mjs', import.meta.url));
  const child = spawnSync(process.execPath, [script], {
    env,
    encoding: 'utf8',
    timeout: PROBE_LIMIT,
    killSignal: 'SIGKILL',
  });
  const line = child.stdout?.split('\n').findLast((text) => text.startsWith('{'));
  if (line) return { ...JSON.parse(line), stderr: child.stderr };
  if (child.error?.code === 'ETIMEDOUT')
    return {
      failure: 'adapter',
      message: `the probe did not answer within ${PROBE_LIMIT / 1000} s`,
      stderr: child.stderr,
    };
  const end = child.error?.message ?? (child.signal ? `signal ${child.signal}` : `exit ${child.status}`);
  return { failure: 'adapter', message: `the probe died (${end})`, stderr: child.stderr };
}

function probe() {
  if (process.env.XDG_RUNTIME_DIR) return probeIn(process.env);
  const runtime = mkdtempSync(join(tmpdir(), 'tapir-runtime-'));
  try {
    return probeIn({ ...process.env, XDG_RUNTIME_DIR: runtime });
  } finally {
    rmSync(runtime, { recursive: true, force: true });
  }
}

function readIfThere(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function aptSources() {
  const folder = '/etc/apt/sources.list.d';
  let names = [];
  try {
    names = readdirSync(folder).filter((name) => /\.(list|sources)$/.test(name));
  } catch {}
  const paths = ['/etc/apt/sources.list', ...names.sort().map((name) => join(folder, name))];
  return paths.map((path) => ({ path, text: readIfThere(path) }));
}

function privilege() {
  if (process.getuid?.() === 0) return 'root';
  return spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0 ? 'sudo' : 'none';
}

const plan = () =>
  planInstall({
    platform: process.platform,
    osRelease: parseOsRelease(readIfThere('/etc/os-release') || readIfThere('/usr/lib/os-release')),
    sources: process.platform === 'linux' ? aptSources() : [],
    privilege: privilege(),
  });

const commandsOf = ({ steps, advice }) => [...steps.map(shellText), ...advice].join('\n');

function manual(install) {
  const commands = commandsOf(install);
  return commands ? `run:\n${commands}` : 'install a Vulkan driver for this machine (Mesa lavapipe needs no GPU)';
}

function blinders() {
  const set = DRIVER_VARIABLES.filter((name) => process.env[name]);
  return set.length
    ? `; ${set.map((name) => `${name}=${process.env[name]}`).join(' ')} limits the drivers it sees`
    : '';
}

async function runStep({ argv, input }) {
  const deadline = Date.now() + LOCK_WAIT;
  for (;;) {
    const child = spawnSync(argv[0], argv.slice(1), { input: input ?? '', encoding: 'utf8', timeout: STEP_LIMIT });
    const output = `${child.stdout ?? ''}${child.stderr ?? ''}${child.error ? `${child.error.message}\n` : ''}`;
    const locked = child.status !== 0 && output.includes('Could not get lock');
    if (!locked || Date.now() > deadline) return { ok: child.status === 0, output };
    await sleep(LOCK_RETRY);
  }
}

function undo(steps) {
  for (const step of steps) if (step.undo) spawnSync(step.undo[0], step.undo.slice(1));
}

async function install(planned) {
  say(`no Vulkan adapter; installing ${PACKAGES.join(' and ')} (about a minute, some 50 MB to fetch)`);
  let log = '';
  for (const step of planned.steps) {
    say(shellText({ argv: step.argv }));
    const { ok, output } = await runStep(step);
    // An offline update ends well and only warns, so a failure shows the earlier output too.
    log += output;
    if (ok) continue;
    process.stderr.write(log);
    undo(planned.steps);
    stop(`that command failed; see above. When it can succeed, run setup again or ${manual(planned)}`);
  }
}

function readOptions(args) {
  const unknown = args.find((arg) => arg !== '--dry-run');
  if (unknown) stop(`unknown option ${unknown}; the only option is --dry-run`);
  return { dryRun: args.includes('--dry-run') };
}

function stopOnLoadFailure({ failure, message }) {
  if (failure === 'load') stop(`the webgpu module does not load: ${message}\nRun npm ci; no driver would help.`);
}

async function main() {
  const { dryRun } = readOptions(process.argv.slice(2));
  const before = probe();
  stopOnLoadFailure(before);
  if (!before.failure) return say(`adapter ${before.name}`);

  const planned = plan();
  if (dryRun && planned.steps.length) return console.log(commandsOf(planned));
  if (planned.refusal) stop(`${before.message}${blinders()}, and ${planned.refusal}; ${manual(planned)}`);
  await install(planned);

  const after = probe();
  stopOnLoadFailure(after);
  if (!after.failure) return say(`adapter ${after.name}`);
  process.stderr.write(after.stderr);
  stop(`${after.message} even with the drivers installed${blinders()}. What was run:\n${commandsOf(planned)}`);
}

await main();
