/** Mistakes in putting a tape together. Each is an error that names the value, not a wrong number later. */
import { describe, expect, it } from 'vitest';
import {
  add,
  bind,
  broadcast,
  composite,
  concat,
  evaluate,
  exp,
  grad,
  graphOf,
  input,
  jacobian,
  jet,
  jvp,
  max,
  mul,
  newTape,
  ShapeError,
  sin,
  slice,
  square,
  sum,
  TapeError,
  transpose,
  UserError,
  type Var,
  vjp,
  zeros,
} from '../../engine/tape/index.ts';

const tape = newTape();
const x = input(tape, 'x', [3]);
const y = tape.scope('wave', () => sin(x));
const other = input(newTape(), 'other', [3]);

describe('values of another tape', () => {
  it.each<[string, () => unknown, string]>([
    ['an operand', () => add(x, other), 'add: an operand is a value of another tape: %0 input other [3]'],
    [
      'an output of vjp',
      () => vjp([y, other], [x, x], [x]),
      'vjp: an output, cotangent or wrt is a value of another tape',
    ],
    ['a cotangent', () => vjp([y], [other], [x]), 'vjp: an output, cotangent or wrt is a value of another tape: %0'],
    ['wrt of vjp', () => vjp([y], [x], [x, other]), 'vjp: an output, cotangent or wrt is a value of another tape: %0'],
    ['wrt of grad', () => grad(sum(y), [other]), 'is a value of another tape: %0 input other [3]'],
    [
      'a seed',
      () => jvp([y], [{ of: other, tangent: x }]),
      'jvp: an output, seed or tangent is a value of another tape',
    ],
    ['a tangent', () => jvp([y], [{ of: x, tangent: other }]), 'jvp: an output, seed or tangent is a value of another'],
    ['a point of jacobian', () => jacobian(y, other), 'is a value of another tape: %0 input other [3]'],
    ['a coordinate', () => jet([y], { x: other }), 'jet: an output or coordinate is a value of another tape: %0 input'],
    [
      'an input of a graph',
      () => graphOf([other], [y]),
      'a value of the graph is a value of another tape: %0 input other',
    ],
    [
      'an output of a graph',
      () => graphOf([x], [y, other]),
      'a value of the graph is a value of another tape: %0 input',
    ],
    [
      'an input of a composite',
      () => composite('f', {}, [x, other], ([v]) => [v!]),
      'composite f: an input is a value',
    ],
    [
      'an output of a body',
      () => composite('f', {}, [x], () => [y]),
      'composite f: an output of its body is a value of',
    ],
    ['an operand in a body', () => composite('f', {}, [x], ([v]) => [mul(v!, y)]), '%1 sin [3] of wave'],
  ])('%s is named', (_, mistake, message) => {
    expect(mistake).toThrow(TapeError);
    expect(mistake).toThrow(message);
  });

  it('can be mended, and the error says how', () => {
    try {
      add(x, other);
    } catch (error) {
      expect(error).toBeInstanceOf(UserError);
      expect((error as UserError).remedy).toContain('write everything on one tape');
      return;
    }
    expect.unreachable();
  });
});

describe('lists that are empty or do not match', () => {
  const body = graphOf([x], [y]);
  it.each<[string, () => unknown, string]>([
    ['vjp of nothing', () => vjp([], [], [x]), 'vjp needs at least one output'],
    ['jvp of nothing', () => jvp([], [{ of: x, tangent: x }]), 'jvp needs at least one output'],
    ['a cotangent short', () => vjp([y, x], [x], [x]), 'vjp takes one cotangent for each output: 2, not 1'],
    ['a graph with too few inputs', () => bind('f', {}, [x, x], body), 'composite f takes [3], not [3] [3]'],
    ['a body for another shape', () => bind('f', {}, [slice(x, 0, 0, 2)], body), 'composite f takes [3], not [2]'],
    [
      'a composite of nothing',
      () => composite('f', {}, [], () => []),
      'composite f: an input needs at least one value',
    ],
    ['a composite without outputs', () => composite('f', {}, [x], () => []), 'composite f has no outputs'],
    ['a node that is not there', () => tape.at(1e6), 'there is no node 1000000; the tape has '],
    ['evaluate with too few inputs', () => evaluate(body, []), 'the graph takes 1 inputs, not 0'],
    ['evaluate with too many inputs', () => evaluate(body, [[1, 2, 3], [4]]), 'the graph takes 1 inputs, not 2'],
  ])('%s', (_, mistake, message) => {
    expect(mistake).toThrow(message);
  });

  it('vjp with respect to nothing is nothing, and appends nothing', () => {
    const before = tape.nodes.length;
    expect(vjp([y], [x], [])).toEqual([]);
    expect(tape.nodes.length).toBe(before);
  });
});

describe('names that collide', () => {
  const t = newTape();
  const [a, b, ab] = [input(t, 'a', [2]), input(t, 'b', [2]), input(t, 'ab', [2])];
  it.each<[string, () => unknown, string]>([
    [
      'second derivatives',
      () =>
        jet(
          [mul(a, ab)],
          { a, ba: b, ab },
          {
            second: [
              ['ab', 'a'],
              ['a', 'ba'],
            ],
          },
        ),
      'the second derivatives along ab a and along a ba would both be named aba',
    ],
    ['one value under two names', () => jet([mul(a, b)], { x: a, y: a }), 'coordinates x and y are one value'],
    [
      'a coordinate of another',
      () => jet([mul(a, b)], { a, r: square(a) }),
      'coordinate r depends on another coordinate',
    ],
    [
      'an argument that derivatives use',
      () => composite('f', { wrt: 1 }, [a], ([v]) => [v!]),
      'composite f: the argument wrt belongs to derivatives',
    ],
  ])('%s', (_, mistake, message) => {
    expect(mistake).toThrow(message);
  });

  it('coordinates differ in shape', () => {
    const mistake = () => jet([a], { a, s: input(t, 's', [1]) });
    expect(mistake).toThrow(new ShapeError('coordinates have equal shapes; a is [2] and s is [1]'));
  });

  it('the same pair twice is no collision', () => {
    const [u] = jet(
      [square(a)],
      { a },
      {
        second: [
          ['a', 'a'],
          ['a', 'a'],
        ],
      },
    );
    expect(evaluate(graphOf([a], [u!.second['aa']!]), [[1, 2]])[0]).toEqual(Float64Array.of(2, 2));
  });
});

describe('shapes', () => {
  const m = input(newTape(), 'm', [2, 3]);
  it.each<[string, () => unknown, string]>([
    ['transpose of too few axes', () => transpose(m, [0]), '[0] is not a permutation of the axes of [2,3]'],
    ['transpose with an axis twice', () => transpose(m, [0, 0]), '[0,0] is not a permutation of the axes of [2,3]'],
    ['concat of one part along no axis', () => concat([m], 2), 'axis 2 does not exist in [2,3]'],
    ['a slice by fractions', () => slice(m, 1, 0, 1.5), 'slice 0:1.5 is outside axis 1 of [2,3]'],
    ['an empty input', () => input(m.tape, 'none', [2, 0]), '[2,0] is not a shape: every extent is a positive integer'],
    ['a fraction of an element', () => input(m.tape, 'half', [0.5]), '[0.5] is not a shape'],
    ['a broadcast to nothing', () => broadcast(m, [0, 2, 3]), '[0,2,3] is not a shape'],
    ['no zeros', () => zeros(m.tape, [0]), '[0] is not a shape'],
    ['a reduction over no elements', () => max(input(m.tape, 'none', [0])), '[0] is not a shape'],
  ])('%s', (_, mistake, message) => {
    expect(mistake).toThrow(ShapeError);
    expect(mistake).toThrow(message);
  });
});

describe('what was handed over', () => {
  it('is copied: changing a list afterwards changes no node', () => {
    const t = newTape();
    const [axes, shape, width] = [[0], [2, 3], [4]];
    const m = input(t, 'm', shape);
    const total = sum(m, axes);
    const [y] = composite('f', { width }, [m], ([v]) => [exp(v!)]);
    axes[0] = 1;
    shape[0] = 7;
    width[0] = 9;
    expect(m.shape).toEqual([2, 3]);
    expect(total.node.params).toEqual({ axes: [0] });
    expect(t.nodes.find(({ op }) => op === 'composite')!.params).toMatchObject({ args: { width: [4] } });
    expect(evaluate(graphOf([m], [total, y!]), [[1, 2, 3, 4, 5, 6]])[0]).toEqual(Float64Array.of(5, 7, 9));
  });

  it('cannot be changed through a value', () => {
    const v = sum(input(newTape(), 'm', [2, 3]), [0]);
    expect(() => (v.shape as number[]).push(1)).toThrow(TypeError);
    expect(() => (v.node.inputs as number[]).push(1)).toThrow(TypeError);
    expect(() => ((v.node.params as { axes: number[] }).axes[0] = 1)).toThrow(TypeError);
  });
});

describe('derivatives with respect to values of which one depends on another', () => {
  const t = newTape();
  const [p, dp, dq, ct] = [input(t, 'p', []), input(t, 'dp', []), input(t, 'dq', []), input(t, 'ct', [])];
  const q = square(p);
  const f = mul(q, sin(p));
  const at = (outputs: readonly Var[]) =>
    evaluate(graphOf([p, dp, dq, ct], outputs), [[0.7], [1.3], [-0.4], [0.9]]).map((v) => v[0]!);

  it('are total derivatives in both modes, one the transpose of the other', () => {
    const [bp, bq] = vjp([f], [ct], [p, q]);
    const [df] = jvp(
      [f],
      [
        { of: p, tangent: dp },
        { of: q, tangent: dq },
      ],
    );
    const [p_, q_, f_] = at([bp!, bq!, df!]) as [number, number, number];
    const total = 2 * 0.7 * Math.sin(0.7) + 0.49 * Math.cos(0.7);
    expect(p_).toBeCloseTo(0.9 * total, 14);
    expect(q_).toBeCloseTo(0.9 * Math.sin(0.7), 14);
    expect(f_).toBeCloseTo(1.3 * total - 0.4 * Math.sin(0.7), 14);
    expect(0.9 * f_).toBeCloseTo(1.3 * p_ - 0.4 * q_, 14);
  });

  it('sum up seeds of one value', () => {
    const [both] = jvp(
      [f],
      [
        { of: p, tangent: dp },
        { of: p, tangent: dq },
      ],
    );
    const [once] = jvp([f], [{ of: p, tangent: add(dp, dq) }]);
    const [a, b] = at([both!, once!]);
    expect(a).toBeCloseTo(b!, 14);
  });

  it('are one for the value itself', () => {
    const [own] = jvp([q], [{ of: q, tangent: dq }]);
    expect(at([own!])).toEqual([-0.4]);
  });
});
