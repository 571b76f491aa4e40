/** When a GPU is given up that makes no progress; on a clock of its own, without an adapter. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { PatienceError, patienceFrom, Watchdog } from '../../engine/gpu/watchdog.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }));
afterEach(() => void vi.useRealTimers());

interface Work {
  readonly ended: Promise<void>;
  readonly end: () => Promise<void>;
}

function work(): Work {
  let resolve = () => {};
  const ended = new Promise<void>((done) => {
    resolve = done;
  });
  return {
    ended,
    async end() {
      resolve();
      await ended;
      // What waits for it is told after this.
      await Promise.resolve();
    },
  };
}

function watched(patience?: number) {
  const barks: [string, number][] = [];
  const dog = new Watchdog(patience, (what, seconds) => void barks.push([what, seconds]));
  return { dog, barks };
}

/** Lets seconds pass, with every look that is due. */
const pass = (seconds: number) => vi.advanceTimersByTime(1000 * seconds);

it('names what was handed over first of all that has not ended, once', async () => {
  const { dog, barks } = watched(10_000);
  const [done, never, behind] = [work(), work(), work()];
  dog.watch('done', false, done.ended);
  dog.watch('never', false, never.ended);
  dog.watch('behind', false, behind.ended);
  await done.end();
  pass(10);
  expect(barks).toEqual([]);
  pass(30);
  expect(barks).toEqual([['never', 11]]);
  expect(vi.getTimerCount()).toBe(0);
});

it('counts from the last end, and not while nothing is under way', async () => {
  const { dog, barks } = watched(10_000);
  pass(100);
  const works = [work(), work(), work()];
  for (const { ended } of works) dog.watch('steps', false, ended);
  for (const { end } of works) {
    pass(9);
    await end();
  }
  pass(100);
  expect([barks, vi.getTimerCount()]).toEqual([[], 0]);
});

it('waits five minutes for what may have to be compiled, then a minute, or fifty times the longest wait so far', async () => {
  const limit = async (before: number | undefined, first: boolean): Promise<number> => {
    const { dog, barks } = watched();
    if (before !== undefined) {
      const earlier = work();
      dog.watch('earlier', true, earlier.ended);
      pass(before);
      await earlier.end();
    }
    dog.watch('never', first, new Promise(() => {}));
    let seconds = 0;
    for (; barks.length === 0; seconds++) pass(1);
    return seconds - 1;
  };
  expect(await limit(undefined, true)).toBe(300);
  expect(await limit(undefined, false)).toBe(300);
  expect(await limit(0, false)).toBe(60);
  expect(await limit(0, true)).toBe(300);
  expect(await limit(4, false)).toBe(200);
  expect(await limit(20, true)).toBe(1000);
});

it('does not hold against the GPU that this process was stopped', () => {
  const { dog, barks } = watched(10_000);
  dog.watch('never', false, new Promise(() => {}));
  const clock = vi.spyOn(performance, 'now');
  for (let k = 0; k < 3; k++) {
    const now = performance.now();
    clock.mockReturnValue(now + 1_000_000);
    pass(1);
  }
  expect(barks).toEqual([]);
  clock.mockRestore();
});

it('never gives up where it is told so', () => {
  const { dog, barks } = watched(patienceFrom(0));
  dog.watch('never', true, new Promise(() => {}));
  pass(100_000);
  expect(barks).toEqual([]);
  dog.stop();
});

it('takes seconds, and refuses what is none', () => {
  expect([patienceFrom(undefined), patienceFrom(''), patienceFrom('2.5'), patienceFrom(3)]).toEqual([
    undefined,
    undefined,
    2500,
    3000,
  ]);
  for (const wrong of ['soon', -1, Number.NaN]) expect(() => patienceFrom(wrong)).toThrow(PatienceError);
});
