/** How `npm run test:site` gets a Chromium, or says what would. */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findChromium, planChromium, remedyFor } from '../../scripts/chromium.mjs';

const script = (name: string) => resolve(import.meta.dirname, '../../scripts', name);
const debian = { platform: 'linux', osRelease: { ID: 'debian', VERSION_ID: '12' } };

describe('where there is no Chromium', () => {
  it('test:site says how to install one and ends with 2', () => {
    const { status, stderr, stdout } = spawnSync(process.execPath, [script('test-site.mjs')], {
      encoding: 'utf8',
      env: { ...process.env, CHROMIUM: '/nowhere/chromium' },
    });
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^test:site: there is no \/nowhere\/chromium; .*; or set CHROMIUM to the path of one\n$/);
  });

  it('Debian installs its own, as root or by sudo', () => {
    const install = 'env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120';
    const both = (prefix: string) =>
      `${prefix}${install} update && ${prefix}${install} install -y --no-install-recommends chromium fonts-liberation`;
    for (const [privilege, prefix] of [
      ['root', ''],
      ['sudo', 'sudo -n '],
      ['none', 'sudo '],
    ] as const) {
      const plan = planChromium({ ...debian, privilege });
      expect(remedyFor(plan, {})).toBe(
        `there is no Chromium; run: ${both(prefix)}; or set CHROMIUM to the path of one`,
      );
      expect(plan.refusal).toBe(privilege === 'none' ? 'neither root nor passwordless sudo' : undefined);
    }
  });

  it('Ubuntu says that it packages none, other systems that theirs is to be used', () => {
    const ubuntu = planChromium({ platform: 'linux', osRelease: { ID: 'ubuntu' }, privilege: 'root' });
    expect(ubuntu).toMatchObject({ steps: [], packaged: false });
    expect(remedyFor(ubuntu, {})).toContain('Ubuntu has it as a snap alone');
    for (const [platform, ID] of [
      ['darwin', ''],
      ['linux', 'fedora'],
    ] as const) {
      const plan = planChromium({ platform, osRelease: { ID }, privilege: 'root' });
      expect(plan.steps).toEqual([]);
      expect(remedyFor(plan, {})).toMatch(/^there is no Chromium; install it.*; or set CHROMIUM to the path of one$/);
    }
  });
});

it('CHROMIUM names the one that is taken', () => {
  expect(findChromium({ CHROMIUM: process.execPath })).toBe(process.execPath);
  expect(findChromium({ CHROMIUM: '/nowhere/chromium' })).toBeUndefined();
  const { status, stderr } = spawnSync(process.execPath, [script('chromium.mjs'), '--install'], {
    encoding: 'utf8',
    env: { ...process.env, CHROMIUM: process.execPath },
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

it('CHROMIUM that is not there installs nothing', () => {
  const { status, stderr } = spawnSync(process.execPath, [script('chromium.mjs'), '--install'], {
    encoding: 'utf8',
    env: { ...process.env, CHROMIUM: '/nowhere/chromium' },
  });
  expect([2, 3]).toContain(status);
  expect(stderr).toMatch(/^chromium: there is no \/nowhere\/chromium; .*\n$/);
});
