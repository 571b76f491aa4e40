import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');

const ENTRIES = {
  engine: 'engine/index.ts',
  kernels: 'kernels/index.ts',
  optim: 'optim/index.ts',
  systems: 'systems/index.ts',
  main: 'tapir.ts',
};

function stop(text) {
  process.stderr.write(`build: ${text}\n`);
  process.exit(2);
}

function bundle() {
  return build({
    absWorkingDir: root,
    entryPoints: ENTRIES,
    outdir: dist,
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    sourcemap: true,
    chunkNames: 'shared-[hash]',
    logLevel: 'warning',
    write: false,
  }).catch((error) =>
    stop(`esbuild failed: ${error.errors ? `${error.errors.length} error(s), above` : error.message}`),
  );
}

const isEntry = ({ path }) => basename(path).replace(/\.js(\.map)?$/, '') in ENTRIES;

function place({ path, contents }) {
  const draft = `${path}.${process.pid}.tmp`;
  writeFileSync(draft, contents);
  renameSync(draft, path);
}

/** Chunks first and whole files only, so a program that starts meanwhile finds a working dist. */
function write(files) {
  mkdirSync(dist, { recursive: true });
  for (const file of files.filter((each) => !isEntry(each))) place(file);
  for (const file of files.filter(isEntry)) place(file);
  const names = new Set(files.map(({ path }) => basename(path)));
  for (const name of readdirSync(dist))
    if (/\.js(\.map)?$/.test(name) && !names.has(name)) rmSync(join(dist, name), { force: true });
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
for (const entry of Object.values(ENTRIES)) if (!existsSync(join(root, entry))) stop(`${entry} is missing`);

const { outputFiles } = await bundle();
write(outputFiles);
if (process.argv.includes('--types')) types();
