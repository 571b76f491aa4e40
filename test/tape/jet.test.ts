/** Three ways to second derivatives, held against each other in float64 on the networks that are trained. */
import { describe, expect, it } from 'vitest';
import {
  add,
  broadcast,
  composite,
  concat,
  cos,
  evaluate,
  exp,
  full,
  grad,
  graphOf,
  input,
  type Jet,
  jet,
  jvp,
  matmul,
  max,
  mean,
  mul,
  neg,
  newTape,
  reshape,
  sin,
  slice,
  square,
  sub,
  sum,
  tanh,
  type Var,
  vjp,
} from '../../engine/tape/index.ts';
import {
  type Architecture,
  lossModel,
  parameterCount,
  problemOf,
  thermoelasticity,
  unpack,
} from '../../systems/index.ts';
import { generator, numbersOf, relative, uniform } from '../support/tensors.ts';

/** Value, first derivatives by coordinate, and second derivatives along each coordinate twice, all shaped as the value. */
interface Derivatives {
  readonly first: Readonly<Record<string, Var>>;
  readonly second: Readonly<Record<string, Var>>;
}
type Way = (u: Var, coordinates: Readonly<Record<string, Var>>) => Derivatives;

const map = <T, U>(record: Readonly<Record<string, T>>, f: (value: T, key: string) => U): Record<string, U> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, f(value, key)]));

/** Points are independent of one another, so a seed of ones along a coordinate gives every point its own derivative. */
const ways: Readonly<Record<string, Way>> = {
  jet: (u, coordinates) => {
    const names = Object.keys(coordinates);
    const [result] = jet([u], coordinates, { second: names.map((name) => [name, name] as const) });
    return { first: result!.first, second: map(coordinates, (_, name) => result!.second[name + name]!) };
  },
  'jvp of jvp': (u, coordinates) => {
    const along = (y: Var, of: Var) => jvp([y], [{ of, tangent: full(of, 1) }])[0]!;
    const first = map(coordinates, (x) => along(u, x));
    return { first, second: map(coordinates, (x, name) => along(first[name]!, x)) };
  },
  'vjp of vjp': (u, coordinates) => {
    const back = (y: Var, x: Var) => reshape(vjp([y], [full(y, 1)], [x])[0]!, u.shape);
    const first = map(coordinates, (x) => back(u, x));
    return { first, second: map(coordinates, (x, name) => back(first[name]!, x)) };
  },
};

/** The values of B networks at coordinates [B,1,N], in plain tape: no jets, no composites. */
function plainNetwork(theta: Var, coordinates: readonly Var[], architecture: Architecture): Var {
  const layers = unpack(theta, architecture);
  let y: Var = sub(mul(2, concat(coordinates, 1)), 1);
  layers.forEach(({ W, b }, k) => {
    const z = add(matmul(W, y), reshape(b, [...b.shape, 1]));
    y = k < layers.length - 1 ? tanh(z) : z;
  });
  return y;
}

const random = generator(31);
const weights = (networks: number, architecture: Architecture) =>
  uniform([networks, parameterCount(architecture)], random, -0.15, 0.15);

describe.each([
  { coordinates: ['x'], hidden: 4 },
  { coordinates: ['x', 'y'], hidden: 4 },
])('a tanh network of $hidden x 64 in $coordinates', ({ coordinates, hidden }) => {
  const N = 7;
  const architecture: Architecture = { inputs: coordinates.length, outputs: 1, hidden, width: 64 };
  const theta = weights(1, architecture);
  const points = coordinates.map(() => uniform([1, 1, N], random, 0, 1));
  const named = (x: readonly Var[]) => Object.fromEntries(coordinates.map((name, k) => [name, x[k]!]));
  const values = map(ways, (way) =>
    numbersOf(
      ([theta, ...x]) => {
        const { first, second } = way(plainNetwork(theta!, x, architecture), named(x));
        return [...Object.values(first), ...Object.values(second), Object.values(second).reduce(add)];
      },
      [theta, ...points],
    ),
  );
  const names = [...coordinates.map((c) => `u_${c}`), ...coordinates.map((c) => `u_${c}${c}`), 'Laplacian'];

  it.each(names)('has one %s by jet, jvp of jvp and vjp of vjp', (name) => {
    const [a, b, expected] = ['jet', 'jvp of jvp', 'vjp of vjp'].map((way) => values[way]![names.indexOf(name)]!);
    expect(Math.max(...expected!.map(Math.abs))).toBeGreaterThan(1e-3);
    expect(relative(a!, expected!)).toBeLessThan(1e-10);
    expect(relative(b!, expected!)).toBeLessThan(1e-10);
  });

  it('has a Laplacian carried as one channel that is the sum of the second derivatives', () => {
    const [lap] = numbersOf(
      ([theta, ...x]) => [jet([plainNetwork(theta!, x, architecture)], named(x), { laplacian: true })[0]!.laplacian!],
      [theta, ...points],
    );
    expect(relative(lap!, values['vjp of vjp']!.at(-1)!)).toBeLessThan(1e-10);
  });
});

describe('the gradient of the loss of thermoelasticity with respect to the parameters', () => {
  const [interior, boundary] = [12, 2];
  const shape = { hidden: 4, width: 64 };
  const architecture: Architecture = { inputs: 1, outputs: 1, ...shape };
  const theta = weights(2, architecture);
  const numbers: Readonly<Record<string, number[]>> = {
    theta: [...theta.data],
    'x.interior': Array.from({ length: interior }, (_, k) => (k + 0.5) / interior),
    'x.ends': [0, 1],
    'param.gamma': [10],
    'param.kappa': [1.3],
    'param.E': [0.7],
    weights: [1, 0.5, 100],
    ...map({ f_T: interior, f_u: interior }, (count) => [...uniform([count], random, -10, 10).data]),
    ends: [1, 1, 0, 0],
  };

  /** As the system's file says it, with networks and derivatives written out. */
  function lossBy(way: Way): { total: number; gradient: Float64Array } {
    const tape = newTape();
    const inputs: Record<string, Var> = {};
    const declare = (name: string, extents: readonly number[]) => (inputs[name] ??= input(tape, name, extents));
    const parameters = declare('theta', theta.shape);
    const at = (name: string, count: number) => broadcast(declare(name, [1, 1, count]), [2, 1, count]);
    const x = at('x.interior', interior);
    const U = plainNetwork(parameters, [x], architecture);
    const { first, second } = way(U, { x });
    const row = (v: Var, k: number) => reshape(slice(v, 0, k, k + 1), [interior]);
    const [gamma, kappa, E] = ['gamma', 'kappa', 'E'].map((name) => declare(`param.${name}`, [])) as [Var, Var, Var];
    const RT = sub(neg(mul(kappa, row(second['x']!, 0))), declare('f_T', [interior]));
    const Ru = sub(add(neg(mul(E, row(second['x']!, 1))), mul(gamma, row(first['x']!, 0))), declare('f_u', [interior]));
    const ends = plainNetwork(parameters, [at('x.ends', boundary)], architecture);
    const BC = sum(square(sub(ends, declare('ends', [2, 1, boundary]))), undefined, false);
    const losses = concat([mean(square(RT)), mean(square(Ru)), reshape(BC, [1])], 0);
    const total = sum(mul(declare('weights', [3]), losses), undefined, false);
    const [value, gradient] = evaluate(
      graphOf(Object.values(inputs), [total, ...grad(total, [parameters])]),
      Object.keys(inputs).map((name) => numbers[name]!),
    );
    return { total: value![0]!, gradient: gradient! };
  }

  /** The system itself, whose jets are composites. */
  function lossOfSystem(): { total: number; gradient: Float64Array } {
    const tape = newTape();
    const points = { interior: { x: new Float64Array(interior) }, ends: { x: new Float64Array(boundary) } };
    const problem = problemOf(thermoelasticity, [{ parameters: {}, seed: 0, points }], shape);
    const { inputs, total, thetas } = lossModel(tape, problem);
    const exact: Record<string, number[]> = {
      'data.interior.f_T': numbers['f_T']!,
      'data.interior.f_u': numbers['f_u']!,
      'data.ends.T_exact': numbers['ends']!.slice(0, 2),
      'data.ends.u_exact': numbers['ends']!.slice(2),
    };
    const [value, gradient] = evaluate(
      graphOf(Object.values(inputs), [total, ...grad(total, thetas)]),
      Object.keys(inputs).map((name) => numbers[name] ?? exact[name]!),
    );
    return { total: value![0]!, gradient: gradient! };
  }

  const system = lossOfSystem();
  it.each(Object.keys(ways))('is by %s what the system computes with its composites', (name) => {
    const { total, gradient } = lossBy(ways[name]!);
    expect(Math.abs(total - system.total) / system.total).toBeLessThan(1e-12);
    expect(relative(gradient, system.gradient)).toBeLessThan(1e-9);
  });

  it('is what differences of the loss say along a random direction', () => {
    const direction = uniform(theta.shape, random).data;
    const tape = newTape();
    const parameters = input(tape, 'theta', theta.shape);
    const x = broadcast(input(tape, 'x', [1, 1, interior]), [2, 1, interior]);
    const { second } = ways['jet']!(plainNetwork(parameters, [x], architecture), { x });
    const loss = mean(square(second['x']!), undefined, false);
    const graph = graphOf([parameters, tape.at(x.node.inputs[0]!)], [loss, ...grad(loss, [parameters])]);
    const run = (t: number) =>
      evaluate(graph, [theta.data.map((w, i) => w + t * direction[i]!), numbers['x.interior']!]);
    const h = 1e-5;
    const slope = (run(h)[0]![0]! - run(-h)[0]![0]!) / (2 * h);
    const gradient = run(0)[1]!;
    const along = direction.reduce((sum, d, i) => sum + d * gradient[i]!, 0);
    expect(Math.abs(along - slope) / Math.abs(slope)).toBeLessThan(1e-6);
  });
});

describe('jet', () => {
  const names = ['x', 'y'] as const;
  const second = [
    ['x', 'x'],
    ['x', 'y'],
    ['y', 'x'],
    ['y', 'y'],
  ] as const;
  /** Jet of f at points, against jvp of jvp. */
  function agree(f: (x: Var, y: Var) => Var): void {
    const points = [uniform([4], random, 0.2, 1), uniform([4], random, 0.2, 1)];
    const all = (u: Jet<'x' | 'y'>) => [
      u.first.x,
      u.first.y,
      ...second.map(([a, b]) => u.second[a + b]!),
      u.laplacian!,
    ];
    const byJet = numbersOf(
      ([x, y]) => all(jet([f(x!, y!)], { x: x!, y: y! }, { second, laplacian: true })[0]!),
      points,
    );
    const byJvp = numbersOf(([x, y]) => {
      const of = { x: x!, y: y! };
      const along = (u: Var, c: 'x' | 'y') => jvp([u], [{ of: of[c], tangent: full(of[c], 1) }])[0]!;
      const u = f(x!, y!);
      const hessian = second.map(([a, b]) => along(along(u, a), b));
      return [...names.map((c) => along(u, c)), ...hessian, add(hessian[0]!, hessian[3]!)];
    }, points);
    byJet.forEach((values, k) => {
      values.forEach((value, i) => {
        expect(value).toBeCloseTo(byJvp[k]![i]!, 12);
      });
    });
  }

  it.each<[string, (x: Var, y: Var) => Var]>([
    ['a product with itself', (x, y) => mul(mul(x, y), mul(x, y))],
    ['a function of one coordinate', (x) => exp(sin(x))],
    ['a linear function', (x, y) => sub(mul(2, x), y)],
    [
      'a matmul of two moving sides',
      (x, y) => reshape(matmul(reshape(exp(x), [4, 1, 1]), reshape(sin(mul(x, y)), [4, 1, 1])), [4]),
    ],
    [
      'a max of two functions',
      (x, y) => max(concat([reshape(exp(x), [4, 1]), reshape(sub(square(y), 3), [4, 1])], 1), [1], false),
    ],
    [
      'a composite with two outputs',
      (x, y) => composite('pair', {}, [x, y], ([a, b]) => [mul(a!, cos(b!)), exp(a!)]).reduce(mul),
    ],
  ])('of %s is what jvp of jvp gives', (_, f) => {
    agree(f);
  });

  it('carries only what is asked for', () => {
    const tape = newTape();
    const x = input(tape, 'x', [4]);
    const [u] = jet([sin(x)], { x });
    expect(u!.second).toEqual({});
    expect('laplacian' in u!).toBe(false);
  });

  it('is zero where the value does not depend on a coordinate', () => {
    const zero = numbersOf(
      ([x, y]) => {
        const [u] = jet(
          [exp(x!)],
          { x: x!, y: y! },
          {
            second: [
              ['x', 'y'],
              ['y', 'y'],
            ],
          },
        );
        return [u!.first.y, u!.second['xy']!, u!.second['yy']!];
      },
      [uniform([3], random), uniform([3], random)],
    );
    expect(zero).toEqual([
      [0, 0, 0],
      [0, 0, 0],
      [0, 0, 0],
    ]);
  });
});
