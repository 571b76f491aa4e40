import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

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
  {
    folder: dist,
    entries: { ...LIBRARY, index: 'experiments/library/index.ts', main: 'tapir.ts' },
    platform: 'node',
    target: 'node20',
  },
  { folder: join(dist, 'browser'), entries: LIBRARY, platform: 'browser', target: 'es2022' },
];

function stop(text) {
  process.stderr.write(`build: ${text}\n`);
  process.exit(2);
}

async function esbuild() {
  const { build } = await import('esbuild').catch(() =>
    stop('esbuild is missing; it is a development dependency: npm ci, without --omit=dev'),
  );
  return build;
}

/** `require('events')` of a CommonJS package as an import, since an ES module has no `require`. */
const builtins = {
  name: 'builtins',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^[a-z:_/]+$/ }, ({ path, kind }) =>
      kind === 'require-call' && isBuiltin(path) ? { path, namespace: 'builtin' } : undefined,
    );
    onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: `import value from '${path}';\nmodule.exports = value;`,
    }));
  },
};

/** All packages that the manifest does not list as dependencies become part of dist. */
const { dependencies, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

function bundle(build, { folder, entries, platform, target }) {
  return build({
    absWorkingDir: root,
    entryPoints: entries,
    outdir: folder,
    bundle: true,
    splitting: true,
    platform,
    format: 'esm',
    target,
    external: Object.keys(dependencies),
    plugins: [builtins],
    sourcemap: true,
    sourcesContent: false,
    legalComments: 'none',
    chunkNames: 'shared-[hash]',
    logLevel: 'warning',
    metafile: true,
    write: false,
  }).catch((error) =>
    stop(`esbuild failed: ${error.errors ? `${error.errors.length} error(s), above` : error.message}`),
  );
}

/** The folder of the package that a file belongs to. */
const packageOf = (path) => path.match(/^.*node_modules\/(?:@[^/]+\/)?[^/]+/)?.[0];

const LEGAL = /^(licen[cs]es?|notice|copyright)/i;

/** Files with licences, notices and copyrights in a package, also in a folder of that name. */
function legalFiles(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => LEGAL.test(name))
    .map(({ name }) => join(folder, name))
    .sort()
    .flatMap((path) => (statSync(path).isDirectory() ? legalFiles(path) : [path]));
}

/** Name, version and the full texts of licence and notice of every package that `inputs` come from. */
function licences(inputs) {
  const folders = [...new Set(inputs.map(packageOf).filter(Boolean))].sort();
  return folders.map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
    const texts = legalFiles(join(root, folder));
    if (!texts.some((path) => /^licen[cs]e/i.test(basename(path)))) stop(`${folder} has no file with its licence`);
    const read = (path) => readFileSync(path, 'utf8').replaceAll('\r', '').trim();
    return [`${name} ${version} (${license})`, ...texts.map(read)].join('\n\n');
  });
}

function licenceFile(built) {
  const outputs = built.flatMap(({ metafile }) => Object.values(metafile.outputs));
  const inputs = outputs.flatMap((output) => Object.keys(output.inputs));
  const rule = `\n\n${'-'.repeat(80)}\n\n`;
  const head = 'Parts of these packages are contained in the JavaScript files of this folder.';
  const contents = `${[head, ...licences(inputs)].join(rule)}\n`;
  return { path: join(dist, 'THIRD-PARTY-LICENCES.txt'), contents };
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
  const reached = new Set();
  for (const entry of Object.values(exports)) reach(join(root, entry.types), reached);
  for (const name of readdirSync(join(dist, 'types'), { recursive: true })) {
    const path = join(dist, 'types', name);
    if (path.endsWith('.d.ts') && !reached.has(path)) rmSync(path);
  }
}

/** Declarations that an entry point leads to: what nobody can import may name packages that nobody has. */
function reach(path, reached) {
  if (reached.has(path)) return;
  reached.add(path);
  for (const [, name] of readFileSync(path, 'utf8').matchAll(/(?:\bfrom|\bimport)\s*\(?\s*['"](\.[^'"\n]+)['"]/g))
    reach(join(dirname(path), name.replace(/\.[jt]s$/, '.d.ts')), reached);
}

const unknown = process.argv.slice(2).find((arg) => arg !== '--types');
if (unknown) stop(`unknown option ${unknown}; the only option is --types`);
for (const entry of BUILDS.flatMap(({ entries }) => Object.values(entries)))
  if (!existsSync(join(root, entry))) stop(`${entry} is missing`);

const build = await esbuild();
const built = await Promise.all(BUILDS.map((each) => bundle(build, each)));
BUILDS.forEach((each, k) => {
  write(each, built[k].outputFiles);
});
place(licenceFile(built));
if (process.argv.includes('--types')) types();
