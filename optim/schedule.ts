/** Learning rates that change with the steps taken: a rise at the start, then a decay. */
import { add, cos, div, exp, index, less, mul, sub, type Var, where } from '../engine/index.ts';

export const schedules = ['constant', 'exponential', 'cosine'] as const;
export type ScheduleName = (typeof schedules)[number];

/** Each begins with `warmup` steps in which the rate grows in proportion to them. */
export type Schedule =
  | { readonly name: 'constant'; readonly warmup: number }
  /** Times `factor` for every `every` steps, smoothly: factor^(step/every). */
  | { readonly name: 'exponential'; readonly warmup: number; readonly factor: number; readonly every: number }
  /** Half a cosine from 1 to `final` over `steps` steps, the warm-up included (Loshchilov and Hutter 2017). */
  | { readonly name: 'cosine'; readonly warmup: number; readonly final: number; readonly steps: number };

/** What the rate is multiplied by for the step after `step` others, in float64. */
export function shareAt(schedule: Schedule, step: number): number {
  const { warmup } = schedule;
  if (step < warmup) return (step + 1) / warmup;
  const since = step - warmup;
  switch (schedule.name) {
    case 'constant':
      return 1;
    case 'exponential':
      return schedule.factor ** (since / schedule.every);
    case 'cosine': {
      const { final, steps } = schedule;
      const done = Math.min(1, since / Math.max(1, steps - warmup));
      return final + ((1 - final) * (1 + Math.cos(Math.PI * done))) / 2;
    }
  }
}

/** Numbers of a schedule as {@link share} takes them, [3]: they are data, and a tape serves every one of its name. */
export function scheduleNumbers(schedule: Schedule): [number, number, number] {
  switch (schedule.name) {
    case 'constant':
      return [schedule.warmup, 0, 0];
    case 'exponential':
      return [schedule.warmup, Math.log(schedule.factor) / schedule.every, 0];
    case 'cosine':
      return [schedule.warmup, Math.PI / Math.max(1, schedule.steps - schedule.warmup), schedule.final];
  }
}

/** {@link shareAt} on a tape: of `step` [1], the steps taken, and `numbers` [3]. */
export function share(name: ScheduleName, step: Var, numbers: Var): Var {
  const [warmup, speed, final] = [0, 1, 2].map((k) => index(numbers, 0, k)) as [Var, Var, Var];
  const rising = less(step, warmup);
  const way = mul(speed, sub(step, warmup));
  const decayed = () => {
    switch (name) {
      case 'constant':
        return 1;
      case 'exponential':
        return exp(way);
      case 'cosine': {
        const turned = cos(where(less(way, Math.PI), way, Math.PI));
        return add(final, mul(mul(0.5, sub(1, final)), add(1, turned)));
      }
    }
  };
  return where(rising, div(add(step, 1), where(rising, warmup, 1)), decayed());
}
