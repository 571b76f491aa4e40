import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');

const LIBRARY = {
  engine: 'engine/index.ts',
  kernels: 'kernels/index.ts',
  optim: 'optim/index.ts',
  systems: 'systems/index.ts',
};

/** What is built, by folder: for Node, and the library once more for a browser's bundler. */
const BUILDS = [
  { folder: dist, entries: { ...LIBRARY, main: 'tapir.ts' }, platform: 'node', target: 'node20' },
  { folder: join(dist, 'browser'), entries: LIBRARY, platform: 'browser', target: 'es2022' },
];

function stop(text) {
  process.stderr.write(`build: ${text}\n`);
  process.exit(2);
}

function bundle({ folder, entries, platform, target }) {
  return build({
    absWorkingDir: root,
    entryPoints: entries,
    outdir: folder,
    bundle: true,
    splitting: true,
    platform,
    format: 'esm',
    target,
    packages: 'external',
    sourcemap: true,
    chunkNames: 'shared-[hash]',
    logLevel: 'warning',
    write: false,
  }).catch((error) =>
    stop(`esbuild failed: ${error.errors ? `${error.errors.length} error(s), above` : error.message}`),
  );
}

function place({ path, contents }) {
  const draft = `${path}.${process.pid}.tmp`;
  writeFileSync(draft, contents);
  renameSync(draft, path);
}

/** Chunks first and whole files only, so a program that starts meanwhile finds a working dist. */
function write({ folder, entries }, files) {
  const isEntry = ({ path }) => basename(path).replace(/\.js(\.map)?$/, '') in entries;
  mkdirSync(folder, { recursive: true });
  for (const file of files.filter((each) => !isEntry(each))) place(file);
  for (const file of files.filter(isEntry)) place(file);
  const names = new Set(files.map(({ path }) => basename(path)));
  for (const name of readdirSync(folder))
    if (/\.js(\.map)?$/.test(name) && !names.has(name)) rmSync(join(folder, name), { force: true });
}

function types() {
  const manifest = createRequire(import.meta.url).resolve('typescript/package.json');
  rmSync(join(dist, 'types'), { recursive: true, force: true });
  const args = [join(dirname(manifest), 'bin', 'tsc'), '-p', 'tsconfig.build.json'];
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) stop('tsc failed on tsconfig.build.json');
}

const unknown = process.argv.slice(2).find((arg) => arg !== '--types');
if (unknown) stop(`unknown option ${unknown}; the only option is --types`);
for (const entry of BUILDS.flatMap(({ entries }) => Object.values(entries)))
  if (!existsSync(join(root, entry))) stop(`${entry} is missing`);

const built = await Promise.all(BUILDS.map(bundle));
BUILDS.forEach((each, k) => {
  write(each, built[k].outputFiles);
});
if (process.argv.includes('--types')) types();
