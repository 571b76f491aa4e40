/** WGSL as data: how code is laid out, and that shaders that `explain` prints are fit to be read. */
import { describe, expect, it } from 'vitest';
import { choose, lengthOf } from '../../engine/gpu/wgsl.ts';
import { block, compile, loop, scope, unroll, wgsl, when } from '../../engine/index.ts';
import { hyperparametersFor } from '../../experiments/training/hyperparameters.ts';
import { stepSource } from '../../experiments/training/tapes.ts';
import { library } from '../../kernels/index.ts';
import { resolveParameters, seeded, systems } from '../../systems/index.ts';
import { leastAdapter, llvmpipe } from '../support/gpu.ts';

describe('code', () => {
  it('is indented by its blocks; one that holds a single statement is a single line', () => {
    const code = [
      'var s = 0.0;',
      loop('k', 9, ['let x = a[k];', 's += x * x;']),
      loop('i', 'n', 'b[i] = s;', { from: 'thread', step: 64 }),
      when('s > 1.0', 'return;'),
      scope(['let t = s;', 'y[0u] = t;']),
    ];
    expect(wgsl(code)).toMatchInlineSnapshot(`
      "var s = 0.0;
      for (var k = 0u; k < 9u; k++) {
        let x = a[k];
        s += x * x;
      }
      for (var i = thread; i < n; i += 64u) { b[i] = s; }
      if (s > 1.0) { return; }
      { let t = s; y[0u] = t; }"
    `);
  });

  it('asks nothing where the answer is known, and leaves out what is empty', () => {
    expect(wgsl(when(true, 'a = 1.0;'))).toBe('{ a = 1.0; }');
    expect(wgsl(['a = 1.0;', when('c', []), unroll(0, () => 'b = 1.0;')])).toBe('a = 1.0;');
  });

  it('chooses the first of several cases', () => {
    const code = choose([
      ['i < 1u', 'a();'],
      ['i < 2u', ['b();', 'c();']],
      ['i < 3u', 'd();'],
    ]);
    expect(wgsl(code)).toMatchInlineSnapshot(`
      "if (i < 1u) {
        a();
      } else if (i < 2u) {
        b();
        c();
      } else if (i < 3u) { d(); }"
    `);
    expect(wgsl(when('x', 'a();', 'b();'))).toBe('if (x) {\n  a();\n} else { b(); }');
  });

  it('puts repetitions side by side, as many as a line holds', () => {
    const lines = wgsl(
      block(
        'fn f()',
        unroll(40, (k) => `var a${k} = 0.0;`),
      ),
    ).split('\n');
    expect(lines).toHaveLength(8);
    expect(lines[1]).toBe(`  ${Array.from({ length: 8 }, (_, k) => `var a${k} = 0.0;`).join(' ')}`);
    expect(lines.join(' ').match(/var a\d+ = 0\.0;/g)).toHaveLength(40);
  });

  it('breaks a statement that is too long between words, and loses none', () => {
    const words = Array.from({ length: 60 }, (_, k) => `term${k}`).join(' + ');
    const lines = wgsl(block('fn f()', `let x = ${words};`)).split('\n');
    expect(lines.every((line) => line.length <= 120)).toBe(true);
    expect(
      lines
        .slice(1, -1)
        .map((line) => line.trim())
        .join(' '),
    ).toBe(`let x = ${words};`);
    expect(lines[2]).toMatch(/^ {6}\S/);
  });

  it('is as long as its statements, however it is laid out', () => {
    expect(lengthOf([unroll(3, (k) => `a${k};`), scope(['b;', block('if (c)', 'd;')])])).toBe(9 + 2 + 6 + 2);
  });
});

describe.each(systems)('$name', (system) => {
  it.each(['adam', 'soap'] as const)('has no line over 120 columns in the shaders of a step of %s', (optimizer) => {
    const parameters = resolveParameters(system);
    const { source } = stepSource({
      ...hyperparametersFor(system, { optimizer, weighting: 'grad-norm' }),
      problem: seeded(system, parameters, [42]),
    });
    for (const device of [llvmpipe, { ...leastAdapter, maxStorageBuffers: 16 }]) {
      const lines = compile(source, { library, device }).dispatches.flatMap(({ code }) => code.split('\n'));
      expect(lines.filter((line) => line.length > 120)).toEqual([]);
      expect(lines.filter((line) => line.length > 100).length).toBeGreaterThan(0);
    }
  });
});
