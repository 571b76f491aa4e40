/** Builds the web page into `dist-site`, a folder that any web server serves; serves it, too, unless told `--build`. */
import { spawn } from 'node:child_process';
import { cpSync, createReadStream, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const source = join(root, 'site');

/** The first one is shown first. */
const PAGES = [
  { file: 'index.html', script: 'train' },
  { file: 'look.html', script: 'look' },
  { file: 'measure.html', script: 'measure' },
];
/** What runs beside a page. */
const WORKERS = ['train', 'measure'];

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.png': 'image/png',
};

/** Writes the page into a folder, which is emptied first. */
export async function buildSite(folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await build({
    absWorkingDir: root,
    entryPoints: {
      ...Object.fromEntries(PAGES.map(({ script }) => [script, `site/${script}/main.ts`])),
      ...Object.fromEntries(WORKERS.map((name) => [`${name}-worker`, `site/${name}/worker.ts`])),
    },
    outdir: join(folder, 'assets'),
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    sourcemap: true,
    chunkNames: 'shared-[hash]',
    logLevel: 'warning',
  });
  for (const file of [...PAGES.map((page) => page.file), 'style.css', 'icon.svg'])
    cpSync(join(source, file), join(folder, file));
  copyGolden(join(root, 'test', 'golden'), join(folder, 'golden'));
  cpSync(join(root, 'bench', 'results', 'llvmpipe.json'), join(folder, 'recorded', 'bench-llvmpipe.json'));
  cpSync(join(root, 'results', 'couplings', 'thermoelasticity.svg'), join(folder, 'recorded', 'thermoelasticity.svg'));
  for (const room of ['engine', 'systems', 'test/walk']) copySources(join(root, room), join(folder, 'source', room));
}

/** The golden cases with a list of them, those that take longest last. */
function copyGolden(from, to) {
  cpSync(from, to, { recursive: true });
  const files = readdirSync(from).sort();
  const names = files.filter((file) => file.endsWith('.json')).map((file) => file.slice(0, -'.json'.length));
  const long = (name) => name.endsWith('-full');
  const cases = [...names.filter((name) => !long(name)), ...names.filter(long)].map((name) => ({
    name,
    tensors: files.includes(`${name}.safetensors`),
  }));
  writeFileSync(join(to, 'cases.json'), `${JSON.stringify(cases, null, 1)}\n`);
}

/** The code that the page speaks of, as text that every server gives and every browser shows. */
function copySources(from, to) {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const path = join(from, entry.name);
    if (entry.isDirectory()) copySources(path, join(to, entry.name));
    else cpSync(path, join(to, `${entry.name}.txt`));
  }
}

/** Serves a folder of files on localhost. Port 0 takes any that is free. */
export function serve(folder, port) {
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, 'http://localhost').pathname));
    const file = join(folder, path.endsWith('/') ? `${path}index.html` : path);
    if (!file.startsWith(folder) || !existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('not found\n');
      return;
    }
    response.writeHead(200, {
      'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
      'cache-control': 'no-cache',
    });
    createReadStream(file).pipe(response);
  });
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(port, 'localhost', () => resolve({ port: server.address().port, close: () => server.close() }));
  });
}

/** Shows an address in the user's browser where there is a desktop. */
function open(address) {
  const command = { darwin: 'open', win32: 'explorer' }[process.platform] ?? 'xdg-open';
  spawn(command, [address], { stdio: 'ignore', detached: true })
    .on('error', () => {})
    .unref();
}

function stop(text) {
  process.stderr.write(`site: ${text}\n`);
  process.exit(2);
}

async function main(options) {
  const unknown = options.find((option) => !/^--(build|port=\d+)$/.test(option));
  if (unknown) stop(`unknown option ${unknown}; there are --build (do not serve) and --port=NUMBER`);
  const folder = join(root, 'dist-site');
  await buildSite(folder);
  process.stdout.write(`the page is in ${folder}: any web server serves it\n`);
  if (options.includes('--build')) return;
  const wanted = Number(options.find((option) => option.startsWith('--port='))?.slice('--port='.length) ?? 8080);
  const { port } = await serve(folder, wanted).catch((error) => stop(`port ${wanted}: ${error.message}`));
  const address = `http://localhost:${port}/`;
  process.stdout.write(`${address} (end with Ctrl-C)\n`);
  open(address);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
