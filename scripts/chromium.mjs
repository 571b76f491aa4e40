/** Where Chromium is and how this machine gets one; `node scripts/chromium.mjs --install` gets it. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { aptGet, parseOsRelease, shellText } from './setup-plan.mjs';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/snap/bin/chromium'];
/** Without fonts a page has no letters. */
const PACKAGES = ['chromium', 'fonts-liberation'];
const STEP_LIMIT = 10 * 60_000;

/** Exit statuses: what is missing can be installed by hand; this distribution has no package of it. */
const MISSING = 2;
const NOT_PACKAGED = 3;

/** The path of a Chromium or Chrome, or nothing. `CHROMIUM` names another one. */
export function findChromium(env = process.env) {
  const path = env.CHROMIUM ?? PLACES.find(existsSync);
  return path !== undefined && existsSync(path) ? path : undefined;
}

/** What to do where there is none: `steps` through apt, `refusal` where they may not be run or there are none. */
export function planChromium({ platform, osRelease, privilege }) {
  const none = (refusal, packaged = true) => ({ steps: [], refusal, packaged });
  if (platform !== 'linux') return none('install it');
  if (osRelease.ID === 'ubuntu')
    return none('Ubuntu has it as a snap alone, which no container runs: install Chrome', false);
  if (osRelease.ID !== 'debian') return none('install it with the package manager of this system');
  const prefix = privilege === 'root' ? [] : privilege === 'sudo' ? ['sudo', '-n'] : ['sudo'];
  const steps = [aptGet('update'), aptGet('install', '-y', '--no-install-recommends', ...PACKAGES)].map((argv) => ({
    argv: [...prefix, ...argv],
  }));
  return { steps, refusal: privilege === 'none' ? 'neither root nor passwordless sudo' : undefined, packaged: true };
}

function privilege() {
  if (process.getuid?.() === 0) return 'root';
  return spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0 ? 'sudo' : 'none';
}

function thisMachine() {
  const osRelease = existsSync('/etc/os-release') ? parseOsRelease(readFileSync('/etc/os-release', 'utf8')) : {};
  return { platform: process.platform, osRelease, privilege: privilege() };
}

/** In a line: what is not there, and what would put it there. */
export function remedyFor({ steps, refusal }, env = process.env) {
  const run = steps.length > 0 ? `run: ${steps.map(shellText).join(' && ')}` : refusal;
  return `there is no ${env.CHROMIUM ?? 'Chromium'}; ${run}; or set CHROMIUM to the path of one`;
}

export const remedyHere = () => remedyFor(planChromium(thisMachine()));

function main([option]) {
  const stop = (status, text) => {
    process.stderr.write(`chromium: ${text}\n`);
    process.exit(status);
  };
  if (option !== '--install') stop(MISSING, 'the option is --install');
  if (findChromium()) return;
  const plan = planChromium(thisMachine());
  if (!plan.packaged) stop(NOT_PACKAGED, remedyFor(plan));
  if (plan.refusal || process.env.CHROMIUM) stop(MISSING, remedyFor(plan));
  for (const step of plan.steps) {
    process.stderr.write(`chromium: ${shellText(step)}\n`);
    const { status } = spawnSync(step.argv[0], step.argv.slice(1), {
      stdio: ['ignore', 'ignore', 'inherit'],
      timeout: STEP_LIMIT,
    });
    if (status !== 0) stop(MISSING, `that failed; ${remedyFor(plan)}`);
  }
  if (!findChromium()) stop(MISSING, `it is installed, and not where it is looked for: ${PLACES.join(', ')}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv.slice(2));
