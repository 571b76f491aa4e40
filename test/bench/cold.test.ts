/** Kernels timed with caches that hold none of their data. Needs an adapter. */
import { describe, expect, it } from 'vitest';
import { type Clock, timeCold } from '../../bench/timing.ts';
import { compile, input, mul, newTape, openDevice } from '../../engine/index.ts';

describe('caches that hold none of the data', () => {
  const square = async (clock: Clock) => {
    const tape = newTape();
    const x = input(tape, 'x', [64]);
    const device = await openDevice();
    const plan = compile({ inputs: { x }, outputs: { y: mul(x, x) } }, { library: [], device: device.capabilities });
    return timeCold(device, plan, clock, { budgetMs: 1, least: 3 }).finally(() => device.close());
  };

  it('are made by a dispatch that does not count', async () => {
    const cold = await square({ method: 'timestamp queries', emptyNs: 0 });
    expect(cold!.samples).toBeGreaterThanOrEqual(3);
    // 128 MiB cannot be written in so short a time, 64 products take a small part of it.
    expect(cold!.minNs).toBeLessThan(5e6);
  });

  it('cannot be told from others by the wall clock', async () => {
    expect(await square({ method: 'wall clock', emptyNs: 0 })).toBeUndefined();
  });
});
