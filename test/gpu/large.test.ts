/** Values with more elements than a dispatch has workgroups along an axis, in code that the compiler writes. Needs an adapter. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  add,
  type Device,
  input,
  matmul,
  mul,
  newTape,
  openDevice,
  type Shape,
  sizeOf,
  sum,
  transpose,
  type Var,
} from '../../engine/index.ts';
import { outputsOf } from '../support/gpu.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device?.close());

/** 65,535 workgroups of 64 invocations, and some more. */
const MANY = 65_535 * 64 + 66;

/** The first element that is not what it should be, or -1. */
async function firstWrong(
  shape: Shape,
  y: (x: Var) => Var,
  expected: (x: Float32Array, k: number) => number,
): Promise<number> {
  const x = input(newTape(), 'x', shape);
  const values = Float32Array.from({ length: sizeOf(shape) }, (_, k) => (k * 7919) % 4093);
  const { y: got } = await outputsOf(device, { inputs: { x }, outputs: { y: y(x) } }, [], { x: values });
  return got!.findIndex((value, k) => value !== expected(values, k));
}

describe('more than 65,535 workgroups', () => {
  it('compute element by element to the last', async () => {
    const line = (x: Var) => add(mul(2, x), 1);
    expect(await firstWrong([MANY], line, (x, k) => 2 * x[k]! + 1)).toBe(-1);
  });

  it('compute at other indices than their own to the last', async () => {
    const half = MANY / 2;
    const turned = (x: Var) => mul(3, transpose(x, [1, 0]));
    expect(await firstWrong([half, 2], turned, (x, k) => 3 * x[2 * (k % half) + Math.floor(k / half)]!)).toBe(-1);
  });

  it('add up to the last', async () => {
    expect(
      await firstWrong(
        [MANY, 2],
        (x) => sum(x, [1]),
        (x, k) => x[2 * k]! + x[2 * k + 1]!,
      ),
    ).toBe(-1);
  });

  it('multiply matrices of a batch to the last', async () => {
    const square = (x: Var) => matmul(x, x);
    expect(await firstWrong([MANY, 1, 1], square, (x, k) => x[k]! * x[k]!)).toBe(-1);
  });
});
