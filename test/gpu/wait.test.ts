/** How the process waits for a software adapter: asleep between turns of its event loop, however often it has waited. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type Device, openDevice } from '../../engine/index.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device?.close());

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** The largest number of naps in one turn of the event loop while `work` is awaited. */
async function napsInATurn(work: Promise<unknown>): Promise<number> {
  const nap = vi.spyOn(Atomics, 'wait');
  let [most, done] = [0, false];
  const finished = work.then(() => {
    done = true;
  });
  while (!done) {
    nap.mockClear();
    await turn();
    most = Math.max(most, nap.mock.calls.length);
  }
  await finished;
  nap.mockRestore();
  return most;
}

it('sleeps once in a turn after many waits, one after the other and at once, and not at all without one', async () => {
  const expected = device.capabilities.software ? 1 : 0;
  for (let k = 0; k < 20; k++) await device.scoped('one of many', () => device.gpu.queue.onSubmittedWorkDone());
  const pause = () => device.scoped('pause', () => new Promise((resolve) => setTimeout(resolve, 20)));
  expect(await napsInATurn(pause())).toBe(expected);
  expect(await napsInATurn(Promise.all([pause(), pause(), pause()]))).toBe(expected);
  await turn();
  expect(await napsInATurn(new Promise((resolve) => setTimeout(resolve, 20)))).toBe(0);
});

it('keeps nothing of what it has waited for', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const waitFor = async () => new WeakRef(await device.scoped('a wait', async () => new Float32Array(1000)));
  const refs = [await waitFor(), await waitFor(), await waitFor()];
  await turn();
  collect();
  expect(refs.map((ref) => ref.deref())).toEqual([undefined, undefined, undefined]);
});
