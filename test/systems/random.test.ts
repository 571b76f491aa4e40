import { describe, expect, it } from 'vitest';
import { MersenneTwister, SeedError } from '../../systems/random.ts';

describe('MersenneTwister', () => {
  it('gives the first words of the reference generator at its default seed', () => {
    const generator = new MersenneTwister(5489);
    expect(Array.from({ length: 5 }, () => generator.next32())).toEqual([
      3499211612, 581869302, 3890346734, 3586334585, 545404204,
    ]);
  });

  it('gives the 10,000th word that the C++ standard demands of mt19937', () => {
    const generator = new MersenneTwister(5489);
    generator.skip(9999);
    expect(generator.next32()).toBe(4123659995);
  });

  it("draws NumPy's doubles: numpy.random.seed(42); numpy.random.rand(3)", () => {
    const generator = new MersenneTwister(42);
    expect(Array.from({ length: 3 }, () => generator.numpyRand())).toEqual([
      0.3745401188473625, 0.9507143064099162, 0.7319939418114051,
    ]);
  });

  it("draws PyTorch's float32 uniforms: manual_seed(42); empty(4).uniform_(-2, 3)", () => {
    expect([...new MersenneTwister(42).torchUniform32(4, -2, 3)]).toEqual([
      2.411346435546875, 2.5750198364257812, -0.08568120002746582, 2.7965283393859863,
    ]);
  });

  it('rounds product and sum together: rounding the product first gives other numbers', () => {
    const bound = Math.fround(Math.sqrt(6 / 128));
    const once = new MersenneTwister(7).torchUniform32(1000, -bound, bound);
    const generator = new MersenneTwister(7);
    const twice = once.map(() => Math.fround((generator.next32() & 0xffffff) * 2 ** -24 * (2 * bound)) - bound);
    const different = once.filter((value, i) => value !== twice[i]).length;
    expect(different).toBeGreaterThan(300);
    expect(once.every((value, i) => Math.abs(value - twice[i]!) < 2e-8)).toBe(true);
  });

  it('stays within the bounds and fills them', () => {
    const values = new MersenneTwister(1).torchUniform32(100_000, -0.5, 0.25);
    expect(Math.min(...values.subarray(0, 50_000))).toBeGreaterThanOrEqual(-0.5);
    expect(Math.max(...values.subarray(0, 50_000))).toBeLessThanOrEqual(0.25);
    expect(values.reduce((sum, value) => sum + value, 0) / values.length).toBeCloseTo(-0.125, 2);
  });

  it.each([-1, 0.5, 2 ** 32, Number.NaN, Number.POSITIVE_INFINITY])('refuses the seed %s', (seed) => {
    expect(() => new MersenneTwister(seed)).toThrow(SeedError);
    expect(() => new MersenneTwister(seed)).toThrow(`seed ${seed} is not an integer between 0 and 4294967295`);
  });

  it('takes the smallest and largest seed', () => {
    expect(new MersenneTwister(0).next32()).toBe(2357136044);
    expect(new MersenneTwister(2 ** 32 - 1).next32()).toBe(419326371);
  });
});
