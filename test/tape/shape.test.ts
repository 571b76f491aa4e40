import { describe, expect, it } from 'vitest';
import {
  add,
  broadcast,
  composite,
  concat,
  constant,
  evaluate,
  type Graph,
  grad,
  graphOf,
  input,
  jet,
  jvp,
  matmul,
  max,
  mul,
  newTape,
  print,
  reshape,
  ShapeError,
  sin,
  slice,
  stack,
  sub,
  sum,
  tanh,
  transpose,
  type Var,
} from '../../engine/tape/index.ts';
import { broadcastShapes, matchRuns, sizeOf, stridesOf } from '../../engine/tape/shape.ts';

const tape = newTape();
const m = input(tape, 'm', [2, 3]);
const v = input(tape, 'v', [3]);
const w = input(tape, 'w', [4]);

describe('shapes that do not fit', () => {
  it.each<[string, () => Var, string]>([
    ['add', () => add(v, w), 'cannot broadcast [3] with [4]: axis 0 is 3 against 4'],
    ['mul', () => mul(m, w), 'cannot broadcast [2,3] with [4]: axis 1 is 3 against 4'],
    ['broadcast', () => broadcast(m, [3]), 'cannot broadcast [2,3] to [3]'],
    ['reshape', () => reshape(m, [4]), 'cannot reshape [2,3] to [4]: sizes differ'],
    ['slice', () => slice(v, 0, 1, 4), 'slice 1:4 is outside axis 0 of [3]'],
    ['an empty slice', () => slice(v, 0, 2, 2), 'slice 2:2 is outside axis 0 of [3]'],
    ['an axis', () => sum(m, [2]), 'axis 2 does not exist in [2,3]'],
    ['a negative axis', () => max(m, [-1]), 'axis -1 does not exist in [2,3]'],
    ['transpose', () => transpose(m, [0, 0]), '[0,0] is not a permutation of the axes of [2,3]'],
    ['concat', () => concat([m, v], 0), 'cannot concatenate [2,3] and [3] along axis 0'],
    ['concat of nothing', () => concat([], 0), 'concat needs at least one part'],
    ['matmul', () => matmul(m, m), 'matmul does not fit: [2,3] x [2,3]'],
    ['matmul transposed', () => matmul(m, m, { ta: true, tb: true }), 'matmul does not fit: [2,3]^T x [2,3]^T'],
    ['matmul of vectors', () => matmul(v, v), 'matmul does not fit: [3] x [3]'],
    ['numbers alone', () => add(1, 2), 'add needs at least one value of a tape among its operands'],
    [
      'a primitive without its broadcast',
      () => tape.append('sub', [m, v], {}),
      'sub takes equal shapes, not [2,3] and [3]',
    ],
  ])('%s: the message names them', (_, build, message) => {
    expect(build).toThrow(new ShapeError(message));
  });

  it('leave the tape as it was', () => {
    const before = tape.nodes.length;
    expect(() => tape.append('matmul', [m, m], { ta: false, tb: false })).toThrow(ShapeError);
    expect(tape.nodes.length).toBe(before);
  });

  it('jet names the coordinates there are', () => {
    const wanted = { second: [['x', 't']] } as unknown as { second: [['x', 'x']] };
    expect(() => jet([sin(v)], { x: v }, wanted)).toThrow(new ShapeError('no coordinate t; there are x'));
  });

  it('values of two tapes do not mix', () => {
    const other = input(newTape(), 'x', [3]);
    expect(() => add(v, other)).toThrow('add: an operand is a value of another tape');
  });
});

describe('shape arithmetic', () => {
  it('broadcasts by the rule of NumPy', () => {
    expect(broadcastShapes([5, 1, 3], [4, 1])).toEqual([5, 4, 3]);
    expect(broadcastShapes([], [2])).toEqual([2]);
    expect(broadcastShapes([1], [1, 1])).toEqual([1, 1]);
  });
  it('lays tensors out row by row', () => {
    expect(stridesOf([2, 3, 4])).toEqual([12, 4, 1]);
    expect([sizeOf([]), sizeOf([2, 3, 4])]).toEqual([1, 24]);
  });
  it('understands a reshape run by run', () => {
    expect(matchRuns([2, 3, 4], [6, 4])).toEqual([
      { from: [2, 3], to: [6] },
      { from: [4], to: [4] },
    ]);
    expect(matchRuns([4, 3], [2, 2, 3])).toEqual([
      { from: [4], to: [2, 2] },
      { from: [3], to: [3] },
    ]);
  });
});

describe('a node is data', () => {
  const tape = newTape();
  const x = input(tape, 'x', [2, 3]);
  const W = input(tape, 'W', [3, 3]);
  const [y, z] = composite('layer', { width: 3, from: 'linear' }, [x, W], ([x, W]) => [
    tanh(matmul(x!, W!)),
    sub(1, sin(x!)),
  ]);
  const loss = tape.scope('loss', () => mul(sum(stack([y!, z!], 0), undefined, false), constant(tape, 2)));
  const gradient = grad(loss, [W]);
  const twice = jvp(gradient, [{ of: W, tangent: W }]);
  const graph = graphOf([x, W], [loss, ...gradient, ...twice]);

  it('holds no function anywhere, composites and their derivatives included', () => {
    const seen = new Set<unknown>();
    const visit = (value: unknown, path: string): void => {
      expect(typeof value, path).not.toBe('function');
      expect(value, path).not.toBeUndefined();
      if (typeof value !== 'object' || value === null || seen.has(value)) return;
      seen.add(value);
      const prototype = Object.getPrototypeOf(value);
      expect([Object.prototype, Array.prototype], path).toContain(prototype);
      for (const [key, inner] of Object.entries(value)) visit(inner, `${path}.${key}`);
    };
    visit(tape.nodes, 'nodes');
    expect(seen.size).toBeGreaterThan(tape.nodes.length);
  });

  it('survives JSON: a graph read back is equal, prints and evaluates the same', () => {
    const back = JSON.parse(JSON.stringify(graph)) as Graph;
    expect(back).toEqual(graph);
    expect(print(back)).toBe(print(graph));
    const numbers = [
      [0.1, 0.2, 0.3, -0.4, 0.5, -0.6],
      [1, 0, 0.2, -0.3, 0.4, 0.7, -0.8, 0.1, 0.9],
    ];
    expect(evaluate(back, numbers)).toEqual(evaluate(graph, numbers));
  });

  it('stands after everything it uses', () => {
    tape.nodes.forEach(({ inputs }, id) => {
      for (const k of inputs) expect(k).toBeLessThan(id);
    });
  });
});

describe('evaluate', () => {
  const tape = newTape();
  const x = input(tape, 'x', [3]);
  it('names an input of the wrong size', () => {
    expect(() => evaluate(graphOf([x], [sin(x)]), [[1, 2]])).toThrow(new RangeError('input x takes 3 numbers, not 2'));
  });
  it('names an input that is used but not among the inputs of the graph', () => {
    expect(() => evaluate(graphOf([], [sin(x)]), [])).toThrow(new RangeError('input x is used but not given'));
  });
  it('rounds every primitive to float32 when asked', () => {
    const [y] = evaluate(graphOf([x], [add(x, 1e-9), mul(x, 0.1)].slice(0, 1)), [[1, 2, 3]], 'f32');
    expect([...y!]).toEqual([1, 2, 3]);
    const [z] = evaluate(graphOf([x], [mul(x, 0.1)]), [[1, 2, 3]], 'f32');
    expect([...z!]).toEqual([1, 2, 3].map((k) => Math.fround(k * Math.fround(0.1))));
    expect([...z!]).not.toEqual([0.1, 0.2, 0.3]);
  });
  it('gives what numbers computed by hand say', () => {
    const tape = newTape();
    const a = input(tape, 'a', [2, 3]);
    const outputs = [
      transpose(a, [1, 0]),
      sum(a, [0]),
      max(a, [1]),
      concat([a, a], 1),
      slice(a, 1, 1, 3),
      matmul(a, a, { tb: true }),
    ];
    expect(evaluate(graphOf([a], outputs), [[1, 2, 3, 4, 5, 6]]).map((y) => [...y])).toEqual([
      [1, 4, 2, 5, 3, 6],
      [5, 7, 9],
      [3, 6],
      [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6],
      [2, 3, 5, 6],
      [14, 32, 32, 77],
    ]);
  });
});
