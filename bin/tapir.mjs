#!/usr/bin/env node
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const main = join(root, 'dist', 'main.js');
const builder = join(root, 'scripts', 'build.mjs');
const folders = ['engine', 'kernels', 'optim', 'systems', 'experiments', 'bench'].map((name) => join(root, name));

function newest(folder) {
  const times = readdirSync(folder, { withFileTypes: true }).map((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return newest(path);
    return /\.(ts|json)$/.test(entry.name) ? statSync(path).mtimeMs : 0;
  });
  // A folder's own time tells of a removed or renamed file.
  return Math.max(statSync(folder).mtimeMs, ...times);
}

function stop(text) {
  process.stderr.write(`${text}\n`);
  process.exit(2);
}

if (!existsSync(main)) stop('run: npm run build');
if (
  existsSync(builder) &&
  folders.every((folder) => existsSync(folder)) &&
  Math.max(...folders.map(newest)) > statSync(main).mtimeMs
) {
  const { status } = spawnSync(process.execPath, [builder], { stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) stop('tapir: the sources changed and do not build; see above');
}
process.setSourceMapsEnabled(true);
await import('../dist/main.js');
