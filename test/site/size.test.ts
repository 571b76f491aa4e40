/** The folder that `npm run site` writes: small, and complete without a server of its own. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildSite } from '../../scripts/site.mjs';
import type { GoldenFile } from '../../site/measure/messages.ts';

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tapir-site-'));
  await buildSite(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A module and all that it imports. */
function modulesFrom(path: string, found = new Set<string>()): Set<string> {
  if (found.has(path)) return found;
  found.add(path);
  const code = readFileSync(join(folder, path), 'utf8');
  for (const [, name] of code.matchAll(/(?:from|import)\s*["'](\.\/[^"']+)["']/g))
    modulesFrom(join(dirname(path), name!), found);
  return found;
}

it('loads less than 300 KB compressed for the first page, its worker included', () => {
  const modules = modulesFrom('assets/train-worker.js', modulesFrom('assets/train.js'));
  expect(modules.size).toBeGreaterThan(3);
  const files = ['index.html', 'style.css', 'icon.svg', ...modules];
  const bytes = files.map((file) => gzipSync(readFileSync(join(folder, file))).length).reduce((a, b) => a + b, 0);
  expect(bytes).toBeGreaterThan(30_000);
  expect(bytes).toBeLessThan(300_000);
});

it('has relative addresses only, and every one of them leads to a file', () => {
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.html'))) {
    const links = [...readFileSync(join(folder, file), 'utf8').matchAll(/(?:href|src)="([^"#][^"]*)"/g)];
    expect(links.length).toBeGreaterThan(4);
    for (const [, link] of links) {
      expect(link).not.toMatch(/^\/|:/);
      expect(existsSync(join(folder, link!)), `${file}: ${link}`).toBe(true);
    }
  }
});

it('carries the sources and golden cases that it speaks of', () => {
  for (const file of ['source/engine/tape/derive.ts.txt', 'source/systems/expression.ts.txt', 'golden/torch-init.json'])
    expect(existsSync(join(folder, file)), file).toBe(true);
  const cases = JSON.parse(readFileSync(join(folder, 'golden/cases.json'), 'utf8')) as readonly GoldenFile[];
  const listed = cases.flatMap(({ name, tensors }) => [`${name}.json`, ...(tensors ? [`${name}.safetensors`] : [])]);
  expect(listed.sort()).toEqual(readdirSync(join(import.meta.dirname, '../golden')).sort());
});

it('is the folder that the workflow publishes', () => {
  const root = join(import.meta.dirname, '../..');
  const workflow = readFileSync(join(root, '.github/workflows/pages.yml'), 'utf8');
  expect(workflow).toContain('- run: npm run site -- --build\n');
  expect(workflow).toMatch(/uses: actions\/upload-pages-artifact@v3\n\s+with:\n\s+path: dist-site\n/);
  const { status, stdout } = spawnSync(process.execPath, [join(root, 'scripts/site.mjs'), '--build'], {
    encoding: 'utf8',
  });
  expect({ status, stdout }).toEqual({
    status: 0,
    stdout: `the page is in ${join(root, 'dist-site')}: any web server serves it\n`,
  });
  expect(readdirSync(join(root, 'dist-site')).sort()).toEqual(readdirSync(folder).sort());
});
