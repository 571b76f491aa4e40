/** What the page "Look inside" shows, without a page: traces, passes, which line computes which node. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compile, type Device, openDevice, simplify, UserError } from '../../engine/index.ts';
import { nodesOfLines } from '../../site/look/lines.ts';
import { planOf } from '../../site/look/plan.ts';
import { shownNodes, simplificationOf } from '../../site/look/simplification.ts';
import {
  graphOfTrace,
  MOST_NODES,
  printed,
  type Rule,
  relatives,
  sentenceFor,
  stemOf,
  tapeLines,
  traceFormula,
  traceResidual,
} from '../../site/look/trace.ts';
import { float64Values, gpuValues } from '../../site/look/values.ts';
import { systems, thermoelasticity } from '../../systems/index.ts';
import { leastAdapter } from '../support/gpu.ts';

const root = resolve(import.meta.dirname, '../..');

describe('a trace', () => {
  it('prints the tape of engine/README.md for x*sin(x)', () => {
    const readme = readFileSync(join(root, 'engine/README.md'), 'utf8');
    const [, tape] = /```text\n(%0 [^`]*? -> [^\n]*)\n/.exec(readme)!;
    const trace = traceFormula('x*sin(x)', ['grad', 'grad']);
    expect(printed(simplify(graphOfTrace(trace)))).toBe(tape!.trimEnd());
  });

  it('says which node each appended node came from', () => {
    const trace = traceFormula('x*sin(x)', ['grad']);
    const [written, appended] = trace.stages;
    expect(
      tapeLines(trace)
        .slice(0, 3)
        .map((line) => line.trim()),
    ).toEqual(['%0  []  input x', '%1  []  sin %0', '%2  []  mul %0 %1']);
    expect([written!.from, written!.to]).toEqual([0, 3]);
    const cosine = trace.tape.nodes.findIndex(({ op }) => op === 'cos');
    expect(cosine).toBeGreaterThanOrEqual(appended!.from);
    expect(trace.origins[cosine]).toEqual({ id: 1, how: 'adjoint' });
    expect(sentenceFor(trace, cosine)).toMatch(/It came from %1 \(sin\), reverse mode/);
    expect(relatives(trace, 1)).toContain(cosine);
    expect(relatives(trace, cosine)).toContain(0);
  });

  it.each([[['grad', 'grad', 'grad', 'grad']], [['jvp', 'grad', 'jvp', 'grad']], [['jet', 'jet']]] as readonly [
    Rule[],
  ][])('has right values up to the fourth derivative by %s', (applied) => {
    const trace = traceFormula('x*sin(x)', applied);
    const values = float64Values(trace, { x: 0.7 });
    const at = (name: string) => values[trace.outputs[name]!.id]!;
    const [x, s, c] = [0.7, Math.sin(0.7), Math.cos(0.7)];
    expect(at('y')).toBeCloseTo(x * s, 12);
    expect(at("y'")).toBeCloseTo(s + x * c, 12);
    expect(at("y''")).toBeCloseTo(2 * c - x * s, 12);
    expect(at("y'''")).toBeCloseTo(-3 * s - x * c, 12);
    expect(at("y''''")).toBeCloseTo(-4 * c + x * s, 12);
  });

  it('of a residual is 0 where a formula gives the exact solution', () => {
    for (const name of ['RT', 'Ru']) {
      const trace = traceResidual(thermoelasticity, name, ['grad']);
      const given = { x: 0.3, gamma: 10, kappa: 1, E: 1 };
      const values = float64Values(trace, given);
      expect(Math.abs(values[trace.outputs['y']!.id]!)).toBeLessThan(1e-12);
      expect(trace.stages).toHaveLength(4);
    }
  });

  it('can be made of every residual of every system', () => {
    for (const system of systems)
      for (const name of Object.keys(system.residuals))
        expect(traceResidual(system, name, ['grad']).tape.nodes.length).toBeGreaterThan(10);
  });

  it('of nonsense says what is wrong', () => {
    expect(() => traceFormula('3 + 4', [])).toThrow('names no variable');
    expect(() => traceFormula('x*sinn(x)', [])).toThrow('the functions are');
    expect(() => traceFormula('x*(', [])).toThrow('cannot read');
    expect(() => traceResidual(thermoelasticity, 'Rx', [])).toThrow('it has RT, Ru');
  });
});

describe('simplification', () => {
  it('ends where simplify ends, and never grows', () => {
    const graph = graphOfTrace(traceFormula('tanh(x)^3/(1 + y*x)', ['grad', 'jvp', 'grad']));
    const passes = simplificationOf(graph);
    expect(printed(passes.at(-1)!.graph)).toBe(printed(simplify(graph)));
    expect(passes.map(({ nodes }) => nodes)).toEqual(passes.map(({ nodes }) => nodes).toSorted((a, b) => b - a));
    const last = passes.at(-1)!.graph;
    expect(shownNodes(last)).toHaveLength(printed(last).split('\n').length - 1);
  });
});

describe('a formula that a stranger types', () => {
  const told = (text: string, applied: readonly Rule[] = ['grad']) => {
    try {
      const trace = traceFormula(text, applied);
      expect(float64Values(trace, {})).toHaveLength(trace.tape.nodes.length);
      expect(trace.tape.nodes.length).toBeLessThanOrEqual(MOST_NODES);
      return 'a tape';
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return error.message;
    }
  };

  it.each([
    ['2', /names no variable/],
    ['', /names no variable/],
    ['[x]', /contains a ArrayExpression/],
    ['x ? 1 : 2', /contains a ConditionalExpression/],
    ['constructor*x', /uses constructor, which is not defined here/],
  ])('%s has a message', (text, message) => expect(told(text)).toMatch(message));

  it('of which the derivatives get long is refused', () => {
    expect(told('x*sin(x)*exp(x)*tanh(x)', ['grad', 'grad', 'grad', 'grad'])).toBe('a tape');
    expect(told(`x${'*sin(x)'.repeat(500)}`)).toMatch(/nodes after "grad of y by x", and the page shows 2000/);
  });

  it('is a tape or has a message, whatever it is', () => {
    const words = ['x', 'y', 'T.x', '2', '1e999', '.5', 'sin', 'constructor', '__proto__', 'toString', 'this', '"a"'];
    const signs = ['+', '-', '*', '/', '^', '(', ')', '[', ']', ',', ';', '?', ':', '!', '=', '&', '`', '<b>', ' '];
    const typed = fc.array(fc.constantFrom(...words, ...signs), { maxLength: 12 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(fc.oneof(typed, fc.string()), (text) => void told(text)),
      { numRuns: 2000 },
    );
  });

  it('names a residual of its system', () => {
    for (const name of ['constructor', '__proto__', 'none'])
      expect(() => traceResidual(thermoelasticity, name, [])).toThrow(/thermoelasticity has no residual/);
  });
});

describe('a plan', () => {
  it('is made of a formula in y, too', () => {
    const { outputs, inputs } = planOf(traceFormula('x*y + sin(y)', ['grad']), undefined);
    expect(Object.keys(inputs)).toEqual(['x', 'y']);
    expect(Object.keys(outputs)).toEqual(['y (result)', "y'"]);
  });
});

describe('lines of WGSL', () => {
  it('belong to the nodes that they compute', () => {
    const { inputs, outputs } = traceFormula('x*sin(2*x)', ['grad', 'grad']);
    const plan = compile({ inputs, outputs }, { library: [], device: leastAdapter });
    const lines = nodesOfLines(plan);
    const spelled = (text: RegExp) =>
      plan.dispatches.flatMap(({ code }, d) =>
        code
          .split('\n')
          .flatMap((line, k) => (text.test(line) ? lines[d]![k]!.map((id) => plan.graph.nodes[id]!.op) : [])),
      );
    expect(new Set(spelled(/= tapir_sin\(/))).toEqual(new Set(['sin']));
    expect(new Set(spelled(/= tapir_cos\(/))).toEqual(new Set(['cos']));
    const found = new Set(lines.flat(2));
    const computed = plan.graph.nodes.flatMap(({ op }, id) =>
      ['add', 'mul', 'sin', 'cos', 'neg'].includes(op) ? [id] : [],
    );
    expect(computed.filter((id) => !found.has(id))).toEqual([]);
    for (const id of computed) expect(stemOf(plan.graph.nodes[id]!)).toBeDefined();
  });
});

describe('on the GPU', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice();
  });
  afterAll(() => device?.close());

  it('every node of the tape has the value it has in float64', async () => {
    const trace = traceFormula('exp(x)*sin(x)/(2 + tanh(x*y))', ['grad', 'jvp']);
    const values = { x: 0.4, y: 1.5 };
    const exact = float64Values(trace, values);
    const got = await gpuValues(device, trace, values);
    expect(got).toHaveLength(trace.tape.nodes.length);
    for (const [k, value] of exact.entries())
      expect(Math.abs(got[k]! - value)).toBeLessThan(1e-4 * Math.max(1, Math.abs(value)));
  });
});
