/** Long tapes, wide sums and deep nesting: no pass overflows the stack, and none is quadratic. */
import { describe, expect, it } from 'vitest';
import { exponentOf } from '../../bench/scaling.ts';
import {
  add,
  composite,
  evaluate,
  grad,
  graphOf,
  input,
  jet,
  jvp,
  mul,
  newTape,
  print,
  reshape,
  simplify,
  sin,
  slice,
  sum,
  transpose,
  type Var,
} from '../../engine/tape/index.ts';

const total = (y: Var) => sum(y, undefined, false);

function chain(length: number): { x: Var; y: Var } {
  const x = input(newTape(), 'x', [2]);
  let y = x;
  for (let k = 0; k < length; k++) y = sin(add(y, x));
  return { x, y };
}

/** Seconds of processor time, which other programs do not add to. */
function seconds(work: () => unknown): number {
  const start = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
}

describe('a long chain', () => {
  it.each<[string, (v: { x: Var; y: Var }) => unknown]>([
    ['jet', ({ x, y }) => jet([y], { x }, { second: [['x', 'x']] })],
    ['grad', ({ x, y }) => grad(total(y), [x])],
    ['simplify', ({ x, y }) => simplify(graphOf([x], [y]))],
    ['print', ({ x, y }) => print(graphOf([x], [y]))],
  ])('%s takes time far from quadratic in it', (_, pass) => {
    pass(chain(500));
    const points = [1000, 8000].map((length) => {
      const written = chain(length);
      return { operations: length, seconds: seconds(() => pass(written)) };
    });
    expect(exponentOf(points)).toBeLessThan(1.6);
  });

  it('prints with more lines than a call takes arguments', () => {
    const { x, y } = chain(70_000);
    expect(print(graphOf([x], [y])).split('\n')).toHaveLength(140_002);
  });

  it('of views that cannot be folded is simplified in as many steps as it has nodes', () => {
    const x = input(newTape(), 'x', [2, 3]);
    let y = x;
    for (let k = 0; k < 20_000; k++) y = reshape(transpose(y, [1, 0]), [2, 3]);
    const graph = simplify(graphOf([x], [y]));
    expect(graph.nodes).toHaveLength(40_001);
  });
});

describe('many slices of one value', () => {
  /** Every slice is squared with a weight of its own. */
  const weighted = (x: Var, slices: readonly (readonly [number, number])[]) =>
    slices
      .map(([start, stop], k) => total(mul(k + 1, mul(slice(x, 0, start, stop), slice(x, 0, start, stop)))))
      .reduce(add);
  const expected = (values: readonly number[], slices: readonly (readonly [number, number])[]) =>
    values.map((v, at) =>
      slices.reduce((sum, [start, stop], k) => (at >= start && at < stop ? sum + 2 * (k + 1) * v : sum), 0),
    );

  it.each<[string, number, (k: number) => readonly [number, number]]>([
    ['side by side', 300, (k) => [k, k + 1]],
    ['in any order, with gaps', 100, (k) => [((k * 37) % 100) * 3, ((k * 37) % 100) * 3 + 2]],
    ['that overlap', 60, (k) => [k * 4, k * 4 + 11]],
    ['all the same', 40, () => [5, 250]],
  ])('%s: the gradient is what it is by hand, in few nodes', (_, count, place) => {
    const x = input(newTape(), 'x', [300]);
    const slices = Array.from({ length: count }, (_, k) => place(k));
    const graph = simplify(graphOf([x], grad(weighted(x, slices), [x])));
    const values = Array.from({ length: 300 }, (_, k) => 0.1 + k / 300);
    const [gradient] = evaluate(graph, [values]);
    expected(values, slices).forEach((value, k) => {
      expect(gradient![k]).toBeCloseTo(value, 9);
    });
    expect(graph.nodes.length).toBeLessThan(25 * count);
  });
});

describe('composites within composites', () => {
  const DEPTH = 400;
  const nested = (x: Var, depth: number): Var =>
    composite(`level${depth}`, {}, [x], ([v]) => [depth === 0 ? sin(v!) : mul(0.999, nested(v!, depth - 1))])[0]!;
  const x = input(newTape(), 'x', [2]);
  const y = nested(x, DEPTH);
  const scale = 0.999 ** DEPTH;
  const at = (v: Var) => evaluate(graphOf([x], [v]), [[0.3, 0.8]])[0]![1]!;

  it('are evaluated, printed, simplified and differentiated at a depth of 400', () => {
    expect(at(y)).toBeCloseTo(scale * Math.sin(0.8), 12);
    expect(print(simplify(graphOf([x], [y]))).match(/^level\d+ /gm)).toHaveLength(DEPTH + 1);
    expect(at(grad(total(y), [x])[0])).toBeCloseTo(scale * Math.cos(0.8), 12);
    expect(at(jvp([y], [{ of: x, tangent: x }])[0])).toBeCloseTo(0.8 * scale * Math.cos(0.8), 12);
    const [u] = jet([y], { x }, { second: [['x', 'x']] });
    expect(at(u!.second['xx']!)).toBeCloseTo(-scale * Math.sin(0.8), 12);
  });
});
