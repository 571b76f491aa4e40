/** The library in a browser: a bundler takes it without settings, and nothing of Node comes along. */
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { build as viteBuild } from 'vite';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

interface Bundled {
  readonly text: string;
  /** Files of this repository that went in. */
  readonly files: readonly string[];
  /** Modules that a browser does not have. */
  readonly foreign: readonly string[];
}

/** Bundles a module as a browser's bundler does by default; what Node alone has is left out and named. */
async function bundle(code: string): Promise<Bundled> {
  const { outputFiles, metafile } = await build({
    stdin: { contents: code, resolveDir: root, loader: 'ts' },
    absWorkingDir: root,
    bundle: true,
    platform: 'browser',
    format: 'esm',
    write: false,
    metafile: true,
    logLevel: 'silent',
    external: ['node:*', 'webgpu'],
  });
  const output = Object.values(metafile.outputs)[0]!;
  return {
    text: outputFiles[0]!.text,
    files: Object.keys(metafile.inputs),
    foreign: output.imports.filter(({ external }) => external).map(({ path }) => path),
  };
}

describe('bundled for a browser', () => {
  it.each(['engine', 'kernels', 'optim', 'systems'])('%s asks for nothing of Node', async (room) => {
    const { foreign, files, text } = await bundle(`export * from './${room}/index.ts';`);
    expect(foreign).toEqual([]);
    expect(files).not.toContain('engine/gpu/host-node.ts');
    expect(text).not.toMatch(/\b(?:process\.|setImmediate\b|SharedArrayBuffer|Buffer\.)/);
    expect(files.some((file) => file.startsWith(`${room}/`))).toBe(true);
  });

  it('the built package is taken by its export conditions', async () => {
    const { files, foreign, text } = await bundle("export { openDevice, compile } from 'tapir/engine';");
    expect(foreign).toEqual([]);
    expect(files).toContain('dist/browser/engine.js');
    expect(text).toContain('this browser offers no WebGPU');
  });

  it('vite takes it as well, without settings', async () => {
    const built = await viteBuild({
      root,
      configFile: false,
      logLevel: 'silent',
      build: { write: false, minify: false, rollupOptions: { input: 'virtual:page', output: { format: 'es' } } },
      plugins: [
        {
          name: 'page',
          resolveId: (id) => (id === 'virtual:page' ? id : undefined),
          load: (id) =>
            id === 'virtual:page'
              ? `import { openDevice } from '${join(root, 'engine', 'index.ts')}';
                 import { systems } from '${join(root, 'systems', 'index.ts')}';
                 globalThis.page = { openDevice, systems };`
              : undefined,
        },
      ],
    });
    const chunks = [built].flat().flatMap((each) => ('output' in each ? each.output : []));
    const code = chunks.flatMap((each) => (each.type === 'chunk' ? [each.code] : [])).join('\n');
    expect(code).toContain('this browser offers no WebGPU');
    expect(code).not.toMatch(/__vite-browser-external|from ['"]node:|Dawn does not load/);
  });

  it('would name what Node alone has', async () => {
    const { foreign } = await bundle(`export { host } from './${join('engine', 'gpu', 'host-node.ts')}';`);
    expect(foreign.toSorted()).toEqual(['node:os', 'webgpu']);
  });
});

describe('a host without WebGPU', () => {
  it('says so, and which browsers have it', async () => {
    const { text } = await bundle("export { openDevice } from './engine/index.ts';");
    const module = (await import(
      `data:text/javascript,${encodeURIComponent(text)}`
    )) as typeof import('../../engine/index.ts');
    await expect(module.openDevice()).rejects.toThrow(/offers no WebGPU.*; use Chrome/);
  });
});
