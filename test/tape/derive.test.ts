import { describe, expect, it } from 'vitest';
import {
  add,
  composite,
  concat,
  constant,
  cos,
  exp,
  full,
  grad,
  index,
  input,
  jacobian,
  jvp,
  matmul,
  mul,
  newTape,
  reshape,
  ShapeError,
  sin,
  square,
  stack,
  sub,
  sum,
  tanh,
  type Var,
  vjp,
  zeros,
} from '../../engine/tape/index.ts';
import { compositeAt } from '../../engine/tape/ops.ts';
import { reachable } from '../../engine/tape/tape.ts';
import { checkGrads } from '../support/checkGrads.ts';
import { generator, numbersOf, scalar, type Tensor, uniform } from '../support/tensors.ts';

const random = generator(11);

/** f evaluated at scalars. */
const at = (f: (...x: Var[]) => Var, ...x: number[]): number => numbersOf((v) => [f(...v)], x.map(scalar))[0]![0]!;

const derivative = (y: Var, x: Var): Var => grad(y, [x])[0]!;
const slope = (y: Var, x: Var): Var => jvp([y], [{ of: x, tangent: full(x, 1) }])[0]!;

describe('nesting', () => {
  it('takes third and fourth derivatives of sin by nothing but grad of grad', () => {
    const third = (x: Var) => derivative(derivative(derivative(sin(x), x), x), x);
    expect(at(third, 0.7)).toBeCloseTo(-Math.cos(0.7), 14);
    expect(at((x) => derivative(third(x), x), 0.7)).toBeCloseTo(Math.sin(0.7), 14);
  });

  it('takes third derivatives in all eight orders of the two modes', () => {
    const exact = (x: number) => Math.exp(Math.sin(x)) * Math.cos(x) * (Math.cos(x) ** 2 - 3 * Math.sin(x) - 1);
    const ways = [derivative, slope];
    for (const a of ways)
      for (const b of ways)
        for (const c of ways) expect(at((x) => a(b(c(exp(sin(x)), x), x), x), 0.4)).toBeCloseTo(exact(0.4), 12);
  });

  const W = uniform([3, 4], random);
  const v = uniform([4], random);
  const direction = uniform([4], random);
  const f = (W: Var, x: Var) => sum(square(tanh(matmul(W, reshape(x, [4, 1])))), undefined, false);
  const hessianVector: Record<string, (W: Var, x: Var, d: Var) => Var> = {
    'jvp of vjp': (W, x, d) => jvp(grad(f(W, x), [x]), [{ of: x, tangent: d }])[0]!,
    'vjp of jvp': (W, x, d) => vjp(jvp([f(W, x)], [{ of: x, tangent: d }]), [constant(x.tape, 1)], [x])[0]!,
    'vjp of vjp': (W, x, d) => vjp(grad(f(W, x), [x]), [d], [x])[0]!,
    'rows of the jacobian of grad': (W, x, d) =>
      reshape(matmul(jacobian(derivative(f(W, x), x), x), reshape(d, [4, 1])), [4]),
  };
  const products = Object.entries(hessianVector).map(([name, hv]) => ({
    name,
    value: numbersOf(([W, x, d]) => [hv(W!, x!, d!)], [W, v, direction])[0]!,
  }));
  it.each(products)('gives one Hessian-vector product by $name', ({ value }) => {
    const expected = products[0]!.value;
    expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(0.01);
    value.forEach((h, i) => {
      expect(h).toBeCloseTo(expected[i]!, 13);
    });
  });

  it('gives a symmetric Hessian', () => {
    const [H] = numbersOf(([W, x]) => [jacobian(derivative(f(W!, x!), x!), x!)], [W, v]);
    for (let i = 0; i < 4; i++) for (let j = 0; j < i; j++) expect(H![i * 4 + j]).toBeCloseTo(H![j * 4 + i]!, 13);
  });

  it('differentiates a function that uses its own gradient: one step of descent', () => {
    // L(x) = x^4; y = x - r L'(x) = x - 4 r x^3; d L(y) / d r = 4 y^3 * (-4 x^3).
    const quartic = (x: Var) => square(square(x));
    const loss = (x: Var, r: Var) => quartic(sub(x, mul(r, derivative(quartic(x), x))));
    const y = 0.9 - 4 * 0.1 * 0.9 ** 3;
    expect(at((x, r) => derivative(loss(x, r), r), 0.9, 0.1)).toBeCloseTo(4 * y ** 3 * (-4 * 0.9 ** 3), 13);
    checkGrads(([x, r]) => loss(x!, r!), [scalar(0.9), scalar(0.1)]);
  });

  it('does not confuse perturbations: d/dx x (d/dy (x + y)) at y = 1 is 1, not 2', () => {
    for (const outer of [derivative, slope])
      for (const inner of [derivative, slope])
        expect(
          at((x) => {
            const y = constant(x.tape, 1);
            return outer(mul(x, inner(add(x, y), y)), x);
          }, 1),
        ).toBe(1);
  });

  it('does not confuse perturbations where the inner variable is the outer one: d/dx x * d/dx x^2 is 4x', () => {
    for (const outer of [derivative, slope])
      for (const inner of [derivative, slope]) expect(at((x) => outer(mul(x, inner(square(x), x)), x), 3)).toBe(12);
  });
});

describe('vjp and jvp', () => {
  it('are transposes of each other: <y, J x> = <J^T y, x>', () => {
    const f = (a: Var, b: Var) => [matmul(tanh(a), b), sum(mul(a, a), [1])];
    const shapes = [
      [2, 3],
      [3, 2],
      [2, 2],
      [2, 1],
    ];
    const [a, b, y0, y1] = shapes.map((shape) => uniform(shape, random)) as [Tensor, Tensor, Tensor, Tensor];
    const [da, db] = [uniform([2, 3], random), uniform([3, 2], random)];
    const [left, right] = numbersOf(
      ([a, b, y0, y1, da, db]) => {
        const dot = (u: readonly Var[], v: readonly Var[]) =>
          u.map((x, k) => sum(mul(x, v[k]!), undefined, false)).reduce(add);
        const outputs = f(a!, b!);
        return [
          dot(
            [y0!, y1!],
            jvp(outputs, [
              { of: a!, tangent: da! },
              { of: b!, tangent: db! },
            ]),
          ),
          dot(vjp(outputs, [y0!, y1!], [a!, b!]), [da!, db!]),
        ];
      },
      [a, b, y0, y1, da, db],
    );
    expect(left![0]).toBeCloseTo(right![0]!, 13);
    expect(Math.abs(left![0]!)).toBeGreaterThan(0.01);
  });

  it('are zero, in the right shape, for an input that is not used and for one that stands later on the tape', () => {
    const tape = newTape();
    const x = input(tape, 'x', [2]);
    const unused = input(tape, 'unused', [3, 1]);
    const y = sum(exp(x), undefined, false);
    const later = input(tape, 'later', [4]);
    expect(grad(y, [unused, later]).map((g) => g.shape)).toEqual([[3, 1], [4]]);
    expect(
      numbersOf(
        ([x, u]) => grad(sum(exp(x!), undefined, false), [u!]),
        [uniform([2], random), uniform([3, 1], random)],
      ),
    ).toEqual([[0, 0, 0]]);
    expect(
      numbersOf(([x, u]) => jvp([exp(x!)], [{ of: u!, tangent: u! }]), [uniform([2], random), uniform([3, 1], random)]),
    ).toEqual([[0, 0]]);
  });

  it('sum over outputs, and over uses of one input', () => {
    const [g] = numbersOf(([x]) => vjp([x!, square(x!), x!], [x!, x!, x!], [x!]), [scalar(3)]);
    expect(g).toEqual([3 + 2 * 3 * 3 + 3]);
  });

  it('take derivatives with respect to an intermediate value', () => {
    expect(
      numbersOf(
        ([x]) => {
          const y = square(x!);
          return grad(mul(y, x!), [y, x!]);
        },
        [scalar(2)],
      ),
    ).toEqual([[2], [12]]);
  });
});

describe('jacobian', () => {
  const x = uniform([3], random);
  it.each([
    {
      side: 'few outputs: reverse',
      f: (x: Var) => stack([index(x, 0, 0), mul(index(x, 0, 1), index(x, 0, 2))], 0),
      expected: [1, 0, 0, 0, x.data[2]!, x.data[1]!],
    },
    {
      side: 'many outputs: forward',
      f: (x: Var) => concat([square(x), x], 0),
      expected: [0, 1, 2, 3, 4, 5].flatMap((i) => [0, 1, 2].map((j) => (i % 3 !== j ? 0 : i < 3 ? 2 * x.data[j]! : 1))),
    },
  ])('has a row for each output ($side)', ({ f, expected }) => {
    const [J] = numbersOf(([v]) => [jacobian(f(v!), v!)], [x]);
    expect(J).toEqual(expected);
  });

  it('has the shape of the output followed by that of the input', () => {
    const tape = newTape();
    const m = input(tape, 'm', [2, 3]);
    expect(jacobian(sum(m, [1]), m).shape).toEqual([2, 1, 2, 3]);
    expect(jacobian(sum(m, undefined, false), m).shape).toEqual([2, 3]);
  });
});

describe('composites', () => {
  it('in a chain differentiate twice in reverse as they do forward', () => {
    const layer = (v: Var) => composite('layer', {}, [v], ([v]) => [sin(mul(2, v!))])[0]!;
    const nested = (x: Var) => layer(layer(layer(x)));
    for (const value of [0.1, 0.7]) {
      const reverse = at((x) => derivative(derivative(nested(x), x), x), value);
      const forward = at((x) => {
        const dot = (y: Var) => jvp([y], [{ of: x, tangent: full(x, 1) }])[0]!;
        return dot(dot(nested(x)));
      }, value);
      const plain = at((x) => {
        const twice = sin(mul(2, sin(mul(2, sin(mul(2, x))))));
        return derivative(derivative(twice, x), x);
      }, value);
      expect(reverse).toBeCloseTo(plain, 12);
      expect(forward).toBeCloseTo(plain, 12);
      expect(Math.abs(plain)).toBeGreaterThan(0.1);
    }
  });

  const wave = (x: Var, k: Var) => composite('wave', {}, [x, k], ([x, k]) => [sin(mul(k!, x!)), cos(mul(k!, x!))]);

  it('differentiate to composites of their own, named after them', () => {
    const tape = newTape();
    const [x, k] = [input(tape, 'x', [3]), input(tape, 'k', [])];
    const [y] = wave(x, k);
    vjp([y!], [y!], [x]);
    jvp([y!], [{ of: k, tangent: k }]);
    const composites = tape.nodes.flatMap((node) => (node.op === 'composite' ? [node.params] : []));
    expect(composites.map(({ name }) => name)).toEqual(['wave', 'vjp(wave)', 'jvp(wave)']);
    expect(composites.map(({ derivative }) => derivative)).toEqual([
      undefined,
      { mode: 'vjp', of: 'wave' },
      { mode: 'jvp', of: 'wave' },
    ]);
  });

  it('are told from derivatives by a field, whatever their name', () => {
    const tape = newTape();
    const x = input(tape, 'x', [3]);
    const [y] = composite('vjp(mine)', { scale: 2 }, [x], ([v]) => [mul(2, v!)]);
    vjp([y!], [y!], [x]);
    const last = tape.nodes.findLast(({ op }) => op === 'composite');
    expect(last?.params).toMatchObject({ name: 'vjp(vjp(mine))', args: { scale: 2, wrt: [0] } });
  });

  it('have the values and derivatives of their bodies, to third order', () => {
    const plain = (x: Var, k: Var) => [sin(mul(k, x)), cos(mul(k, x))];
    const chain =
      (f: (x: Var, k: Var) => Var[]) =>
      ([x, k]: Var[]) => {
        const [y, z] = f(x!, k!);
        const first = grad(mul(y!, exp(z!)), [x!])[0]!;
        const second = jvp([first], [{ of: k!, tangent: k! }])[0]!;
        return [first, second, ...grad(second, [x!, k!])];
      };
    const inputs = [scalar(0.3), scalar(1.7)];
    const [actual, expected] = [numbersOf(chain(wave), inputs), numbersOf(chain(plain), inputs)];
    actual.flat().forEach((value, i) => {
      expect(value).toBeCloseTo(expected.flat()[i]!, 12);
    });
    checkGrads(([x, k]) => wave(x!, k!), [uniform([3], random), scalar(1.2)]);
  });

  it('read in the backward pass what the forward pass saved: vjp(tanh layer) computes no tanh', () => {
    const tape = newTape();
    const x = input(tape, 'x', [3]);
    const [y] = composite('layer', {}, [x], ([v]) => [tanh(mul(2, v!))]);
    const [g] = vjp([y!], [y!], [x]);
    const body = compositeAt(tape.nodes, g!.node.inputs[0]!).params.body;
    const needed = reachable(body);
    const computed = body.nodes.flatMap(({ op }, id) => (needed[id] ? [op] : []));
    expect(computed).not.toContain('tanh');
    expect(computed).toContain('mul');
  });
});

describe('provenance', () => {
  it('gives derivatives the scope of what they derive from, marked once', () => {
    const tape = newTape();
    const x = input(tape, 'x', []);
    const y = tape.scope('loss', () => tape.scope('wave', () => sin(x)));
    const start = tape.nodes.length;
    const [g] = grad(y, [x]);
    const scopes = () => [...new Set(tape.nodes.slice(start).map(({ scope }) => scope))].filter(Boolean);
    expect(scopes()).toEqual(['loss/wave (adjoint)']);
    grad(g!, [x]);
    expect(scopes()).toEqual(['loss/wave (adjoint)']);
    jvp([y], [{ of: x, tangent: x }]);
    expect(scopes()).toEqual(['loss/wave (adjoint)', 'loss/wave (tangent)']);
  });
});

describe('mistakes', () => {
  const tape = newTape();
  const x = input(tape, 'x', [2]);
  it('grad names the shape that is not a scalar and the way out', () => {
    expect(() => grad(square(x), [x])).toThrow(new ShapeError('grad takes a scalar, not [2]; sum it, or use vjp'));
  });
  it('vjp names the shapes of a cotangent that does not fit', () => {
    expect(() => vjp([square(x)], [constant(tape, 1)], [x])).toThrow(
      new ShapeError('the cotangent of [2] has shape []'),
    );
  });
  it('jvp names the shapes of a tangent that does not fit', () => {
    expect(() => jvp([square(x)], [{ of: x, tangent: zeros(tape, [3]) }])).toThrow(
      new ShapeError('the tangent of [2] has shape [3]'),
    );
  });
});
