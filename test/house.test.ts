/** The structure of the repository: which way imports point, how long files are, what must not be committed. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');

/** A room may import from itself and from rooms of earlier ranks. */
const ranks = [
  ['engine'],
  ['kernels'],
  ['optim'],
  ['systems'],
  ['experiments/disk', 'experiments/show'],
  ['experiments/adapter'],
  ['experiments/training'],
  ['experiments/verify', 'experiments/ntk', 'experiments/sweep', 'experiments/library'],
  ['experiments/report'],
  ['experiments/command'],
  ['bench'],
  ['site'],
  ['test'],
];
const roomOf = (path: string) =>
  path
    .split('/')
    .slice(0, path.startsWith('experiments/') ? 2 : 1)
    .join('/');
const rankOf = (path: string) => ranks.findIndex((rooms) => rooms.includes(roomOf(path)));

interface Source {
  readonly path: string;
  readonly text: string;
}

const sources: readonly Source[] = ranks
  .flat()
  .filter((room) => existsSync(join(root, room)))
  .flatMap((room) =>
    readdirSync(join(root, room), { recursive: true, encoding: 'utf8' }).map((name) => `${room}/${name}`),
  )
  .filter((path) => path.endsWith('.ts'))
  .sort()
  .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));

/** What a file imports: `import .. from`, `export .. from`, `import '..'` and `import('..')`. */
function importsOf(text: string): string[] {
  const code = text.replace(/^\s*(?:\/\/|\/?\*).*$/gm, '');
  return [...code.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*['"]([^'"\n]+)['"]/g)].map((match) => match[1]!);
}

/** A relative import as a path from the root; a package stays as it is. */
const target = (path: string, name: string) =>
  name.startsWith('.') ? relative(root, resolve(root, dirname(path), name)) : name;

/** Imports that point from an earlier room to a later one. */
function upward({ path, text }: Source): string[] {
  return importsOf(text)
    .map((name) => target(path, name))
    .filter(
      (to) =>
        rankOf(to) > rankOf(path) || (rankOf(to) === rankOf(path) && rankOf(to) >= 0 && roomOf(to) !== roomOf(path)),
    )
    .map((to) => `${path} imports ${to}`);
}

/** Circles of files that import each other; types count. */
function circles(files: readonly Source[]): string[] {
  const imports = new Map(
    files.map(({ path, text }) => [path, importsOf(text).map((name) => target(path, name))] as const),
  );
  const state = new Map<string, 'open' | 'done'>();
  const found: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === 'done') return;
    if (state.get(path) === 'open') {
      found.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
      return;
    }
    state.set(path, 'open');
    for (const to of imports.get(path) ?? []) visit(to, [...trail, path]);
    state.set(path, 'done');
  };
  for (const path of imports.keys()) visit(path, []);
  return found;
}

/** Files that import a package which only one room may know. */
function strangers(files: readonly Source[], name: string, room: string): string[] {
  return files
    .filter(({ path }) => path.startsWith('experiments/') && roomOf(path) !== room)
    .filter(({ text }) => importsOf(text).some((each) => each === name || each.startsWith(`${name}/`)))
    .map(({ path }) => `${path} imports ${name}`);
}

/** Files that import Node's own modules among all that some files import, as values. */
function nodeReachedFrom(roots: readonly string[], files: readonly Source[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file.text]));
  const seen = new Set<string>();
  const visit = (path: string): string[] => {
    const text = byPath.get(path);
    if (text === undefined || seen.has(path)) return [];
    seen.add(path);
    const names = importsOf(text.replace(/^import type [^;]*;/gm, ''));
    return names.flatMap((name) =>
      name.startsWith('node:') ? [`${path} imports ${name}`] : visit(target(path, name)),
    );
  };
  return roots.flatMap(visit);
}

/** What engine/tape may not know: other parts of the house, packages, the GPU. */
function beyondTape({ path, text }: Source): string[] {
  const foreign = importsOf(text).filter((name) => !target(path, name).startsWith('engine/tape/'));
  const types = text.match(/\bGPU[A-Z]\w*/g) ?? [];
  return [...foreign.map((name) => `${path} imports ${name}`), ...types.map((type) => `${path} mentions ${type}`)];
}

describe('imports', () => {
  it('are found, so that what follows is not an empty promise', () => {
    expect(sources.length).toBeGreaterThan(30);
    expect(sources.flatMap(({ text }) => importsOf(text)).length).toBeGreaterThan(100);
    const text = [
      "import a from './a.ts';",
      "export { b } from '../b.ts';",
      "const c = await import('c');",
      "import 'd';",
      'import {\n  e,\n} from "e";',
    ].join('\n');
    expect(importsOf(text)).toEqual(['./a.ts', '../b.ts', 'c', 'd', 'e']);
    expect(importsOf("// import a from './a.ts';\n * from './b.ts'")).toEqual([]);
  });

  it('come from files that have a room', () => {
    expect(sources.map(({ path }) => path).filter((path) => rankOf(path) < 0)).toEqual([]);
  });

  it('point one way: engine <- kernels <- optim <- systems <- experiments <- bench <- site <- test', () => {
    expect(sources.flatMap(upward)).toEqual([]);
  });

  it('go round in no circle', () => {
    expect(circles(sources)).toEqual([]);
    const round = [
      { path: 'kernels/a.ts', text: "import { b } from './b.ts';" },
      { path: 'kernels/b.ts', text: "import type { a } from './a.ts';" },
    ];
    expect(circles(round)).toEqual(['kernels/a.ts -> kernels/b.ts -> kernels/a.ts']);
  });

  it('of commander are in experiments/command only, those of node:fs in experiments/disk', () => {
    expect(strangers(sources, 'commander', 'experiments/command')).toEqual([]);
    expect(strangers(sources, 'node:fs', 'experiments/disk')).toEqual([]);
    const reader = { path: 'experiments/sweep/x.ts', text: "import { readFileSync } from 'node:fs';" };
    expect(strangers([reader], 'node:fs', 'experiments/disk')).toEqual(['experiments/sweep/x.ts imports node:fs']);
  });

  it('of node: are in no file of experiments/training: it runs in a browser, but for what experiments/disk does for it', () => {
    const training = sources.filter(({ path }) => path.startsWith('experiments/training/'));
    expect(training.length).toBeGreaterThan(8);
    expect(training.filter(({ text }) => importsOf(text).some((name) => name.startsWith('node:')))).toEqual([]);
  });

  it('of files lead from the loop, the trainer and the web page to nothing of Node', () => {
    const roots = ['loop', 'trainer', 'recorder', 'record', 'plans'].map((name) => `experiments/training/${name}.ts`);
    expect(nodeReachedFrom(roots, sources)).toEqual([]);
    const page = sources.filter(({ path }) => path.startsWith('site/')).map(({ path }) => path);
    expect(page.length).toBeGreaterThan(20);
    expect(nodeReachedFrom(page, sources)).toEqual([]);
    expect(nodeReachedFrom(['experiments/training/train.ts'], sources)).not.toEqual([]);
  });

  it('of Trainer.run are in the loop, and where a trainer itself is verified', () => {
    const callers = sources.filter(
      ({ path, text }) => path.startsWith('experiments/') && /\btrainer\.run\(/.test(text),
    );
    expect(callers.map(({ path }) => path)).toEqual([
      'experiments/training/loop.ts',
      'experiments/verify/trajectory.ts',
    ]);
  });

  it('would be caught pointing the other way', () => {
    expect(upward({ path: 'engine/tape/x.ts', text: "import { k } from '../../kernels/index.ts';" })).toEqual([
      'engine/tape/x.ts imports kernels/index.ts',
    ]);
    expect(upward({ path: 'kernels/x.ts', text: "import { k } from '../engine/index.ts';" })).toEqual([]);
  });

  it('keep engine/tape to itself: no GPU, no package, no other part of the engine', () => {
    const tape = sources.filter(({ path }) => path.startsWith('engine/tape/'));
    expect(tape.length).toBeGreaterThan(5);
    expect(tape.flatMap(beyondTape)).toEqual([]);
  });

  it('of engine/tape would be caught', () => {
    const text = "import { create } from 'webgpu';\nimport { Program } from '../gpu/index.ts';\nlet device: GPUDevice;";
    expect(beyondTape({ path: 'engine/tape/x.ts', text })).toHaveLength(3);
  });
});

describe('files', () => {
  const limit = 320;
  /** Longer ones, each one job that reads better whole. */
  const longer: Readonly<Record<string, number>> = {
    // Everything that is measured at one state of the networks; half of it says what the figures mean.
    'experiments/ntk/meter.ts': 335,
    // Every way in which a sweep can be stopped, against one undisturbed sweep.
    'test/experiments/sweep/sweep.test.ts': 335,
  };
  it('are short enough to read in one go', () => {
    const long = sources
      .map(({ path, text }) => ({ path, lines: text.trimEnd().split('\n').length }))
      .filter(({ path, lines }) => lines > (longer[path] ?? limit))
      .map(({ path, lines }) => `${path}: ${lines} lines`);
    expect(long).toEqual([]);
  });
});

describe('what is committed', () => {
  /** Spelled in parts, so that this file does not contain what it looks for. */
  const folders = ['work', 'root', 'home', 'Users'].join('|');
  const absolute = new RegExp(`(?<![\\w.@~*-])/(?:${folders})/`);
  const key = ['"resol', 'ved": "'].join('');
  const resolved = new RegExp(`${key}(?!https://registry\\.npmjs\\.org/)[^"]*"`);
  const credentials = new RegExp(['_auth', 'Token'].join(''));

  const offences = ({ path, text }: Source): string[] =>
    text
      .split('\n')
      .flatMap((line, k) =>
        [absolute, resolved, credentials].some((found) => found.test(line)) ? [`${path}:${k + 1}`] : [],
      );

  it.skipIf(!existsSync(join(root, '.git')))('holds no path of one machine, no private registry', () => {
    const files = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' }).split('\0').filter(Boolean);
    expect(files.length).toBeGreaterThan(30);
    const present = files.filter((path) => existsSync(join(root, path)));
    expect(present.map((path) => ({ path, text: readFileSync(join(root, path), 'latin1') })).flatMap(offences)).toEqual(
      [],
    );
  });

  it('would be caught otherwise', () => {
    const folder = ['', 'work', 'main'].join('/');
    const registry = `${key}http://10.0.0.1/npm/x.tgz"`;
    expect(offences({ path: 'a.ts', text: `fine\nconst at = '${folder}/x';\n${registry}` })).toEqual([
      'a.ts:2',
      'a.ts:3',
    ]);
    expect(offences({ path: 'a.ts', text: "import x from './work/x.ts'; // https://a.org/home/x" })).toEqual([]);
    expect(offences({ path: 'lock', text: `${key}https://registry.npmjs.org/x.tgz"` })).toEqual([]);
  });
});
