/**
 * Jets with slots and activations: the definition against nested tangents and differences in float64, and every version
 * of the kernels against the definition. The last part needs an adapter.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  add,
  broadcast,
  concat,
  constant,
  type Device,
  full,
  jvp,
  matmul,
  mul,
  openDevice,
  reshape,
  sin,
  square,
  stack,
  sum,
  tanh,
  type Var,
  vjp,
  zeros,
} from '../../engine/index.ts';
import { check } from '../../experiments/verify/kernels.ts';
import { type ActivationName, activations, denseJet, library } from '../../kernels/index.ts';
import { secondOf, slotsOf } from '../../kernels/slots.ts';
import { checkGrads } from '../support/checkGrads.ts';
import { generator, numbersOf, relative, uniform } from '../support/tensors.ts';

const names = Object.keys(activations) as ActivationName[];

/** What the rows mean, written another way. */
const exact: Readonly<Record<ActivationName, { of(z: number): number; onTape(z: Var): Var }>> = {
  tanh: { of: Math.tanh, onTape: tanh },
  sine: { of: Math.sin, onTape: sin },
  silu: { of: (z) => z / (1 + Math.exp(-z)), onTape: (z) => mul(z, add(0.5, mul(0.5, tanh(mul(0.5, z))))) },
};

describe.each(names)('%s', (name) => {
  const { saved, onTape } = activations[name];
  const z = { shape: [9], data: [-3.1, -1.7, -0.9, -0.2, 0, 0.3, 1.1, 2.2, 4.5] };

  it('has the derivatives of its value up to the third', () => {
    const [value, slope, bend, third] = numbersOf(
      ([z]) => {
        const p = onTape.save(z!);
        expect(p.length).toBe(saved);
        const { value, slope, second } = onTape.at(p);
        const bend = second(full(z!, 0), full(z!, 1));
        return [value, slope, bend, ...vjp([bend], [full(z!, 1)], [z!])];
      },
      [z],
    );
    const h = 1e-3;
    /** Central differences of fourth order. */
    const derivative = (f: (z: number) => number) => (at: number) =>
      (8 * (f(at + h) - f(at - h)) - (f(at + 2 * h) - f(at - 2 * h))) / (12 * h);
    const { of } = exact[name];
    const orders = [of, derivative(of), derivative(derivative(of)), derivative(derivative(derivative(of)))];
    [value, slope, bend, third].forEach((found, order) => {
      expect(relative(found!, z.data.map(orders[order]!)), `order ${order}`).toBeLessThan(1e-6);
    });
  });

  it('takes cotangents of what it saves back to z', () => {
    const bars = Array.from({ length: saved }, (_, k) => ({ shape: [9], data: z.data.map((x) => 0.5 + k - x) }));
    const [found, expected] = numbersOf(
      ([z, ...bars]) => {
        const p = onTape.save(z!);
        return [onTape.saveBar(p, bars), ...vjp(p, bars, [z!])];
      },
      [z, ...bars],
    );
    expect(relative(found!, expected!)).toBeLessThan(1e-14);
  });

  it('stays finite far from zero, with its derivatives', () => {
    const far = { shape: [6], data: [-1e4, -200, -90, 90, 200, 1e4] };
    const found = numbersOf(
      ([z]) => {
        const p = onTape.save(z!);
        const { value, slope } = onTape.at(p);
        return [value, slope, ...vjp([slope], [full(z!, 1)], [z!])];
      },
      [far],
    );
    expect(found.flat().every(Number.isFinite)).toBe(true);
    expect(relative(found[0]!, far.data.map(exact[name].of))).toBeLessThan(1e-12);
  });
});

describe('slots as text', () => {
  it.each([
    [2, 'xx'],
    [2, 'xy,xx+yy'],
    [3, '2*xy+zz,-0.5*xx+yz'],
    [4, 'tt,1e-7*xt'],
  ] as const)('%i coordinates, %s', (D, second) => {
    expect(secondOf(D, slotsOf({ D, second }))).toBe(second);
  });

  it('the one Laplacian over all coordinates is called by its name, whichever way it is written', () => {
    expect(secondOf(2, slotsOf({ D: 2, second: 'xx+yy' }))).toBe(true);
    expect(slotsOf({ D: 2, second: true })).toEqual(slotsOf({ D: 2, second: 'xx+yy' }));
    expect(secondOf(3, slotsOf({ D: 3, second: 'xx+yy' }))).toBe('xx+yy');
    expect([slotsOf({ D: 2, second: false }), secondOf(2, [])]).toEqual([[], false]);
  });

  it.each([
    [1, 'xy'],
    [2, 'x'],
    [2, 'xx;yy'],
    [2, ''],
  ])('%i coordinates, "%s" is refused', (D, second) => {
    expect(() => slotsOf({ D, second })).toThrow(TypeError);
  });
});

const kinds = [
  { D: 1, second: true },
  { D: 2, second: 'xx' },
  { D: 2, second: 'xy' },
  { D: 2, second: true },
  { D: 3, second: 'xx+yy,zz' },
  { D: 3, second: '2*xy+zz,-0.5*xx+yz' },
] as const;
const cases = names.flatMap((name) => kinds.map((carried) => ({ name, ...carried })));
const [N, width] = [5, 4];

const shapesOf = (D: number) => [
  [1, D, N],
  [1, width, D],
  [1, width],
  [1, width, width],
  [1, width],
  [1, 2, width],
  [1, 2],
];

/** Three layers of fused jets at points X [1,D,N]. */
function fused([X, ...layers]: Var[], name: ActivationName, carried: (typeof kinds)[number]): Var {
  const { D } = carried;
  const { tape } = X!;
  const unit = (d: number) => {
    const rows = Array.from({ length: D }, (_, k) => broadcast(constant(tape, k === d ? 1 : 0), [1, 1, N]));
    return concat(rows, 1);
  };
  const slots = slotsOf(carried).map(() => zeros(tape, X!.shape));
  let signal = stack([X!, ...Array.from({ length: D }, (_, d) => unit(d)), ...slots], 1);
  for (let k = 0; k < 3; k++) {
    const form = { from: k === 0 ? 'linear' : name, to: k === 2 ? 'linear' : name } as const;
    signal = denseJet(signal, layers[2 * k]!, layers[2 * k + 1]!, { ...carried, ...form });
  }
  return signal;
}

/** The same by nested tangents of the network's value. */
function nested([X, ...layers]: Var[], name: ActivationName, carried: (typeof kinds)[number]): Var {
  const { D } = carried;
  let y = X!;
  for (let k = 0; k < 3; k++) {
    const [W, b] = [layers[2 * k]!, layers[2 * k + 1]!];
    y = add(matmul(W, y), reshape(b, [1, b.shape[1]!, 1]));
    if (k < 2) y = exact[name].onTape(y);
  }
  const along = (v: Var, d: number): Var => {
    const tangent = concat(
      Array.from({ length: D }, (_, k) => broadcast(constant(v.tape, k === d ? 1 : 0), [1, 1, N])),
      1,
    );
    return jvp([v], [{ of: X!, tangent }])[0]!;
  };
  const first = Array.from({ length: D }, (_, d) => along(y, d));
  const second = slotsOf(carried).map((slot) =>
    slot.map(({ a, b, weight }) => mul(weight, along(first[a]!, b))).reduce(add),
  );
  return stack([y, ...first, ...second], 1);
}

describe.each(cases)('jets of $name with $D coordinates and $second', ({ name, ...carried }) => {
  const random = generator(11);
  const inputs = shapesOf(carried.D).map((shape) => uniform(shape, random));

  it('are what nested tangents of the value give', () => {
    const [one, other] = numbersOf((x) => [fused(x, name, carried), nested(x, name, carried)], inputs);
    const C = one!.length / (2 * N);
    for (let c = 0; c < C; c++) {
      const channel = (of: readonly number[]) => of.slice(2 * N * c, 2 * N * (c + 1));
      expect(relative(channel(one!), channel(other!)), `channel ${c}`).toBeLessThan(1e-12);
    }
  });

  it('have gradients that agree with differences', () => {
    checkGrads((x) => sum(square(fused(x, name, carried)), undefined, false), inputs, { order: 1 });
  });
});

describe('the kernels', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice();
  });
  afterAll(() => device?.close());

  /** Weighted sums of pairs; slots between hidden layers of the other activations. `tapir check` runs all cases. */
  const of = ({ cases }: (typeof library)[number]) =>
    cases.filter(
      ({ params: { second, from, to } }) => second === '2*xy+zz,-0.5*xx+yz' || (from !== 'tanh' && from === to),
    );
  const jets = library.filter(({ name }) => name.endsWith('dense_jet') || name === 'vjp(dense_jet)');
  const all = jets.flatMap((kernel) =>
    kernel.versions.flatMap((version) => ({ name: `${kernel.name}.${version.name}`, kernel, version })),
  );

  it.each(all)('$name means the tape for slots and activations', async ({ kernel, version }) => {
    const results = [];
    for (const which of of(kernel)) results.push(await check(device, kernel, version, which));
    expect(results.filter(({ ok }) => !ok)).toEqual([]);
    expect(results.length).toBe(3);
    if (version === kernel.versions[0]) expect(results.filter(({ skipped }) => skipped)).toEqual([]);
  });
});
