/**
 * What Gauss-Newton asks of a system, in double-single on the adapter, against the float64 interpreter: residuals, K = J J^T,
 * J^T J, J^T y and J phi of every system, of one of the gallery, and of one with learned parameters, periodic conditions
 * and a transform, to 1e-11 of the largest entry. J is the tape's own Jacobian, one backward sweep a row. Needs an adapter.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  concat,
  type Device,
  evaluate,
  graphOf,
  input,
  newTape,
  openDevice,
  simplify,
  vjp,
} from '../../../engine/index.ts';
import heat from '../../../examples/heat.mjs';
import { SystemSquares } from '../../../experiments/training/least-squares.ts';
import { library } from '../../../kernels/index.ts';
import {
  type Coordinates,
  defineSystem,
  initialThetas,
  inputValues,
  LEARNED,
  lossModel,
  type Problem,
  problemOf,
  resolveParameters,
  type System,
  systems,
} from '../../../systems/index.ts';

// llvmpipe's own optimizer takes most of the time, and it is not what is tested. GALLIVM_PERF= puts it back.
process.env['GALLIVM_PERF'] ??= 'nopt';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device?.close());

/** Two hidden layers in one case, one elsewhere: building shaders takes nearly all of the time. */
const shapeOf = ({ name }: System) => ({ hidden: name === 'thermoelasticity' ? 2 : 1, width: 4 });

const inverse = defineSystem({
  ...{ name: 'inverse', coordinates: { x: [-1, 1], t: [0, 1] }, fields: ['u', 'w'] },
  parameters: { nu: { value: 0.3, positive: true, trainable: true }, rest: { value: 0.2, trainable: true } },
  transform: { w: 't*N + rest*x' },
  residuals: { transport: 'u.t + w*u.x - nu*u.xx', balance: 'w.xx + nu*u - rest' },
  conditions: [
    { periodic: 'x', residuals: ['u', 'u.x', 'w - x*u'], weight: 4, points: 5 },
    { at: { t: 0 }, residuals: ['u - sin(pi*x)'], points: 5 },
  ],
  observations: [{ values: { x: [0.2, 0.7], t: [0.1, 0.5], u: [1, -1] }, weight: 4 }],
  points: { interior: 6 },
});
const BOUNDARY = 10;

/** A run at a few of a system's points. */
function smallProblem(system: System): Problem {
  const parameters = resolveParameters(system);
  const few = (points: Coordinates) =>
    Object.fromEntries(
      Object.entries(points).map(([c, values]) => [c, values.filter((_, k) => k % Math.ceil(values.length / 5) === 0)]),
    );
  const points = Object.entries(system.points(parameters, 42)).map(([group, own]) => [group, few(own)] as const);
  return problemOf(system, [{ parameters, seed: 42, points: Object.fromEntries(points) }], shapeOf(system));
}

/** theta off its float32 start, residuals with their weights and J in float64. */
function exact(problem: Problem) {
  const { system, stacks } = problem;
  const model = lossModel(newTape(), problem);
  const conditions = new Set(system.conditions.flatMap(({ residuals }) => residuals));
  const rows = concat(
    model.residuals.map(({ value }) => value),
    1,
  );
  const M = rows.shape[1]!;
  const cotangent = input(rows.tape, 'cotangent', [1, M]);
  const names = [...stacks.map(({ theta }) => theta), ...(model.learned ? [LEARNED] : [])];
  const gradients = vjp([rows], [cotangent], [...model.thetas, ...(model.learned ? [model.learned] : [])]);
  const inputs = Object.entries(model.inputs).filter(([name]) => name !== 'weights');
  const start = initialThetas(problem);
  const thetas = names.map((name) => start[name]!.map((x, k) => x + 1e-3 * Math.sin(k + 1) + 1e-10 * Math.cos(3 * k)));
  const known = inputValues(problem, model.data);
  const values = inputs.map(([name]) => known[name] ?? thetas[names.indexOf(name)]!);
  const graph = simplify(graphOf([...inputs.map(([, v]) => v), cotangent], [rows, ...gradients]));
  const unit = (i: number) => Float64Array.from({ length: M }, (_, m) => (m === i ? 1 : 0));
  const [r] = evaluate(graph, [...values, unit(0)]);
  const scale = model.residuals.flatMap(({ name, value, over }) => {
    const count = value.shape[1]!;
    const own = (conditions.has(name) ? BOUNDARY : 1) / (over === 'mean' ? Math.sqrt(count) : 1);
    return new Array<number>(count).fill(own);
  });
  const J = scale.map((factor, i) => {
    const [, ...row] = evaluate(graph, [...values, unit(i)]);
    return row.flatMap((part) => [...part].map((x) => x * factor));
  });
  return { theta: Float64Array.from(thetas.flatMap((t) => [...t])), r: r!.map((x, i) => x * scale[i]!), J };
}

/** Largest difference over the largest entry. */
function off(got: ArrayLike<number>, want: ArrayLike<number>): number {
  if (got.length !== want.length) return Number.POSITIVE_INFINITY;
  const worst = Array.from(want, (x, k) =>
    Number.isFinite(got[k]!) ? Math.abs(got[k]! - x) : Number.POSITIVE_INFINITY,
  );
  return Math.max(...worst) / Math.max(...Array.from(want, Math.abs));
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a, (x, k) => x * b[k]!).reduce((s, x) => s + x, 0);
const wave = (n: number) => Float64Array.from({ length: n }, (_, k) => Math.sin(1.3 * k + 0.4));

describe.each([...systems, defineSystem(heat), inverse].map((system) => [system.name, system] as const))(
  '%s',
  (_, system) => {
    it('in double-single agrees with float64', async () => {
      const problem = smallProblem(system);
      const { theta, r, J } = exact(problem);
      const [M, P] = [r.length, theta.length];
      const squares = await SystemSquares.create(
        { problem, boundaryWeight: BOUNDARY, precision: 'double', matrices: 'device' },
        { device, library },
      );
      try {
        expect([squares.rows, squares.parameters]).toEqual([M, P]);
        const moved = theta.map((x) => x + 0.01);
        const [here, there] = await squares.residuals([theta, moved]);
        const [y, phi] = [wave(M), wave(P)];
        const linear = await squares.linearize(theta);
        const columns = Array.from({ length: P }, (_, p) => J.map((row) => row[p]!));
        const lower = (full: Float64Array) => full.map((x, k) => (k % P <= Math.floor(k / P) ? x : 0));
        const found: Record<string, number> = {
          residuals: off(here!, r),
          gradient: off(
            await linear.transposed(r),
            columns.map((column) => dot(column, r)),
          ),
          'J^T y': off(
            await linear.transposed(y),
            columns.map((column) => dot(column, y)),
          ),
          'J phi': off(
            await linear.applied(phi),
            J.map((row) => dot(row, phi)),
          ),
          K: off(
            await linear.gram(),
            J.flatMap((a) => J.map((b) => dot(a, b))),
          ),
          'J^T J': off(
            lower(await linear.normal()),
            lower(Float64Array.from(columns.flatMap((a) => columns.map((b) => dot(a, b))))),
          ),
        };
        for (const [name, error] of Object.entries(found)) expect(error, name).toBeLessThan(1e-11);
        expect(off(there!, r)).toBeGreaterThan(1e-6);
        const shares = await Promise.all(squares.networks.map((_, k) => linear.gram(k)));
        const total = shares.reduce((sum, share) => sum.map((x, k) => x + share[k]!));
        expect(off(total, await linear.gram())).toBeLessThan(1e-14);
        for (const [k, layers] of squares.networks.entries()) {
          const ofLayers = await Promise.all(layers.map((_, layer) => linear.gram(k, layer)));
          const summed = ofLayers.reduce((sum, share) => sum.map((x, at) => x + share[at]!));
          expect(off(summed, shares[k]!)).toBeLessThan(1e-11);
        }
        const ends = squares.networks.flat().map(({ start, count }) => start + count);
        expect([0, ...ends.slice(0, -1)]).toEqual(squares.networks.flat().map(({ start }) => start));
        expect(ends.at(-1)).toBe(P);
      } finally {
        squares.destroy();
      }
    }, 600_000);
  },
);
