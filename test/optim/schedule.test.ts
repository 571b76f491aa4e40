/** Learning-rate schedules: their tape against their formulas in float64. */
import { describe, expect, it } from 'vitest';
import { evaluate, graphOf, input, newTape } from '../../engine/index.ts';
import { type Schedule, scheduleNumbers, share, shareAt } from '../../optim/index.ts';

function onTape(schedule: Schedule, step: number): number {
  const tape = newTape();
  const inputs = [input(tape, 'step', [1]), input(tape, 'numbers', [3])] as const;
  return evaluate(graphOf(inputs, [share(schedule.name, ...inputs)]), [[step], scheduleNumbers(schedule)])[0]![0]!;
}

const all: readonly Schedule[] = [0, 1, 10].flatMap((warmup): Schedule[] => [
  { name: 'constant', warmup },
  { name: 'exponential', warmup, factor: 0.9, every: 50 },
  { name: 'cosine', warmup, final: 0.1, steps: 200 },
  { name: 'cosine', warmup, final: 0, steps: warmup },
]);

describe('a schedule', () => {
  it.each(all)('is the same on the tape: %o', (schedule) => {
    for (let step = 0; step < 300; step += 7) expect(onTape(schedule, step)).toBeCloseTo(shareAt(schedule, step), 12);
  });

  it('rises to the whole rate in as many steps as its warm-up has, and falls from there', () => {
    const warm = { warmup: 4 } as const;
    const first = (schedule: Schedule) => [0, 1, 2, 3, 4].map((step) => shareAt(schedule, step));
    expect(first({ name: 'constant', ...warm })).toEqual([0.25, 0.5, 0.75, 1, 1]);
    const exponential = { name: 'exponential', ...warm, factor: 0.5, every: 10 } as const;
    expect(first(exponential)).toEqual([0.25, 0.5, 0.75, 1, 1]);
    expect([14, 24].map((step) => shareAt(exponential, step))).toEqual([0.5, 0.25]);
    const cosine = { name: 'cosine', ...warm, final: 0.2, steps: 104 } as const;
    expect(first(cosine)).toEqual([0.25, 0.5, 0.75, 1, 1]);
    expect(shareAt(cosine, 54)).toBeCloseTo(0.6, 12);
    for (const late of [104, 1000]) expect(shareAt(cosine, late)).toBeCloseTo(0.2, 12);
  });
});
