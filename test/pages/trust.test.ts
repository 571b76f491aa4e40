/** What is installed and published: each package with a checksum, a licence and a reason, and no script beyond what is known. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { page, root } from '../support/pages.ts';

interface Locked {
  readonly version: string;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
  readonly license?: string;
}
const locked = (path: string) =>
  Object.entries((JSON.parse(page(path)) as { packages: Record<string, Locked> }).packages).filter(
    ([name]) => name !== '',
  );
const manifest = JSON.parse(page('package.json')) as Record<string, Record<string, string>>;
const names = [...Object.keys(manifest['dependencies']!), ...Object.keys(manifest['devDependencies']!)];
const rows = [...page('docs/dependencies.md').matchAll(/^\| `(.+?)` +\| (.+?) +\| (.+?) +\| (.+?) +\|$/gm)].map(
  ([, name, licence, used, why]) => ({ name: name!, licence: licence!, used: used!, why: why! }),
);

describe('the lockfiles', () => {
  it.each(['package-lock.json', 'docs/api/package-lock.json'])('%s holds a checksum of every package', (path) => {
    const all = locked(path);
    expect(all.length).toBeGreaterThan(10);
    expect(
      all.filter(([, { integrity }]) => !/^sha512-[\w+/]{86}==$/.test(integrity ?? '')).map(([name]) => name),
    ).toEqual([]);
  });

  it('have install scripts of two packages, which are allowed by name', () => {
    const scripts = locked('package-lock.json').filter(([, { hasInstallScript }]) => hasInstallScript);
    expect(scripts.map(([name]) => name)).toEqual(['node_modules/esbuild', 'node_modules/webgpu']);
    expect(manifest['allowScripts']).toEqual({ esbuild: true, webgpu: true });
    expect(locked('docs/api/package-lock.json').filter(([, { hasInstallScript }]) => hasInstallScript)).toEqual([]);
  });
});

describe('docs/dependencies.md', () => {
  it('lists the packages of package.json, each once', () => {
    expect(rows.map(({ name }) => name).sort()).toEqual(names.sort());
  });

  it('says which one is installed with Tapir, and gives a reason for each', () => {
    expect(rows.filter(({ used }) => used === 'run').map(({ name }) => name)).toEqual(
      Object.keys(manifest['dependencies']!),
    );
    for (const { why } of rows) expect(why).toMatch(/\w{4}/);
  });

  it('names the licence that each package names itself', () => {
    const named = new Map(locked('package-lock.json').map(([path, { license }]) => [path, license]));
    for (const { name, licence } of rows) expect([name, licence]).toEqual([name, named.get(`node_modules/${name}`)]);
  });

  it('says what is bundled: what has its licence in dist', () => {
    const bundled = rows.filter(({ used }) => used === 'built').map(({ name }) => name);
    const licences = page('dist/THIRD-PARTY-LICENCES.txt');
    for (const name of bundled) expect(licences).toMatch(new RegExp(`^${name} \\d`, 'm'));
  });
});

it('a release is published with provenance, by the identity of the workflow', () => {
  const workflow = page('.github/workflows/release.yml');
  expect(workflow).toContain('npm publish --provenance');
  expect(workflow).toContain('id-token: write');
  expect(workflow).not.toMatch(/NODE_AUTH_TOKEN|NPM_TOKEN/);
});

it('SECURITY.md is there, and names tests that are', () => {
  for (const [path] of page('SECURITY.md').matchAll(/test\/[\w/.-]+\.ts/g))
    expect(existsSync(join(root, path))).toBe(true);
});
