/** The package as it is published: packed, installed into an empty project, type-checked and run there. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builder } from '../support/command.ts';
import { page, pages, programsIn, root } from '../support/pages.ts';

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly bin: Readonly<Record<string, string>>;
}

const manifest: Manifest = JSON.parse(page('package.json'));
const programs = pages.flatMap(programsIn);

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  /** Of a failure only: Dawn warns on its own account. */
  readonly stderr: string;
}

let project: string;
let packed: readonly string[];

function run(program: string, ...args: readonly string[]): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    cwd: project,
    encoding: 'utf8',
  });
  return { status, stdout, stderr: status === 0 ? '' : stderr };
}

const typescript = (...args: readonly string[]) => run(join(root, 'node_modules/typescript/bin/tsc'), ...args);

/** What a project has after `npm install tapir`: the package and its dependencies, nothing else. */
function install(): void {
  const npm = (args: readonly string[]) => execFileSync('npm', args, { cwd: root, encoding: 'utf8' });
  const [tarball] = JSON.parse(npm(['pack', '--json', '--ignore-scripts', '--pack-destination', project])) as [
    { filename: string; files: { path: string }[] },
  ];
  packed = tarball.files.map(({ path }) => path);
  const modules = join(project, 'node_modules');
  mkdirSync(modules);
  execFileSync('tar', ['xzf', join(project, tarball.filename)], { cwd: project });
  cpSync(join(project, 'package'), join(modules, 'tapir'), { recursive: true });
  for (const name of Object.keys(manifest.dependencies)) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
}

/** The compiler options that `tsc --init` writes, but with declaration files checked too. */
function initTypeScript(): void {
  expect(typescript('--init').status).toBe(0);
  const path = join(project, 'tsconfig.json');
  const options = readFileSync(path, 'utf8');
  const strict = options.replace(/"skipLibCheck": true/, '"skipLibCheck": false');
  expect(strict).not.toBe(options);
  writeFileSync(path, strict);
}

beforeAll(() => {
  execFileSync(process.execPath, [builder, '--types']);
  project = mkdtempSync(join(tmpdir(), 'tapir-package-'));
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'project', type: 'module', private: true }));
  install();
  initTypeScript();
}, 600_000);
afterAll(() => rmSync(project, { recursive: true, force: true }));

describe('the tarball', () => {
  it('holds what runs and what its reader needs, no sources and no tests', () => {
    for (const path of ['LICENSE', 'README.md', 'bin/tapir.mjs', 'dist/main.js', 'dist/types/engine/index.d.ts'])
      expect(packed).toContain(path);
    expect(packed.filter((path) => /^(test|results|docs|experiments|engine|kernels)\//.test(path))).toEqual([]);
    expect(packed.filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))).toEqual([]);
  });

  it('needs Dawn and no other package', () => {
    expect(Object.keys(manifest.dependencies)).toEqual(['webgpu']);
    const scripts = packed.filter((path) => /^(dist|scripts)\/.*\.m?js$/.test(path));
    const imports = scripts.flatMap((path) =>
      [...page(path).matchAll(/^(?:import|export)\b[^'"]*?["']([a-z@][^'"\n]*)["'];?$/gm)].map(([, name]) => name!),
    );
    const builtin = new Set(process.getBuiltinModule('node:module').builtinModules);
    const foreign = imports.filter((name) => !name.startsWith('node:') && !builtin.has(name));
    expect(imports.length).toBeGreaterThan(10);
    expect(foreign).toEqual([]);
  });

  it('names the licence of every package that is part of its code', () => {
    const licences = page('dist/THIRD-PARTY-LICENCES.txt');
    const named = [...licences.matchAll(/^((?:@[a-z-]+\/)?[a-z-]+) \d+\.\d+\.\d+ \((.+)\)$/gm)].map(
      ([, name]) => name!,
    );
    const code = packed.filter((path) => /^dist\/.*\.js$/.test(path)).map(page);
    const bundled = code.flatMap((text) =>
      [...text.matchAll(/^\s*\/\/ node_modules\/((?:@[^/\n]+\/)?[^/\n]+)\//gm)].map(([, name]) => name!),
    );
    expect(named).toContain('echarts');
    expect(named).toEqual([...new Set(bundled)].sort());
    expect(licences).toContain('Apache License');
    expect(licences).toContain('This product includes software developed at');
    expect(packed).toContain('dist/THIRD-PARTY-LICENCES.txt');
  });
});

describe('in an empty project', () => {
  it('the command trains and draws', () => {
    const command = join(project, 'node_modules/tapir', manifest.bin['tapir']!);
    const options = ['--epochs', '1', '--width', '8', '--depth', '1', '--out', 'run', '--json'];
    const { status, stdout, stderr } = run(command, 'train', 'thermoelasticity', ...options);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ system: 'thermoelasticity', epochs: 1 });
    expect(readFileSync(join(project, 'run/picture.svg'), 'utf8')).toMatch(/^<svg .*<\/svg>\s*$/s);
  });

  it('there are examples', () => {
    expect(programs.map((program) => program.page)).toEqual(
      expect.arrayContaining(['docs/library.md', 'engine/README.md']),
    );
  });

  it('the examples pass under the settings of `tsc --init`, declaration files checked', () => {
    programs.forEach(({ code }, k) => {
      writeFileSync(join(project, `example${k}.ts`), code);
    });
    expect(typescript('--noEmit')).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  it('the types need no global type, be it of a browser or of WebGPU', () => {
    const entries = Object.keys(manifest.exports).map((name) => name.replace(/^\./, 'tapir'));
    expect(entries.length).toBeGreaterThan(3);
    const text = entries.map((name, k) => `export * as entry${k} from '${name}';\n`).join('');
    writeFileSync(join(project, 'entries.mts'), text);
    const options = [
      '--noEmit',
      '--lib',
      'esnext',
      '--ignoreConfig',
      '--module',
      'nodenext',
      '--strict',
      '--types',
      '',
    ];
    expect(typescript(...options, 'entries.mts')).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  it.each(programs.map((example, k) => ({ ...example, name: `program ${k + 1}, ${example.page}` })))(
    '$name, prints what is shown',
    ({ code, prints }) => {
      const file = join(project, 'example.mjs');
      writeFileSync(file, code);
      expect(run(file)).toEqual({ stdout: prints, status: 0, stderr: '' });
    },
  );
});
