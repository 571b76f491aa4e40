import type { Machine, Step } from './setup-plan.mjs';

export interface ChromiumPlan {
  steps: Step[];
  /** Why the steps, if there are any, may not be run from here. */
  refusal: string | undefined;
  /** Whether the distribution has a package of it. */
  packaged: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

export function findChromium(env?: Environment): string | undefined;
export function planChromium(machine: Pick<Machine, 'platform' | 'osRelease' | 'privilege'>): ChromiumPlan;
export function remedyFor(plan: ChromiumPlan, env?: Environment): string;
export function remedyHere(): string;
