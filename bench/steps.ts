/** Whole training steps of the systems, as `train` takes them, and where their time goes. */
import type { Timing } from '../engine/index.ts';
import { EVERY, loop, msPerStep } from '../experiments/training/loop.ts';
import { emptyRecord, recording, watchDivergence } from '../experiments/training/recorder.ts';
import type { Memory } from '../experiments/training/results.ts';
import { type Backend, Trainer } from '../experiments/training/trainer.ts';
import { countOf, type Optimizer, systemNamed } from '../systems/index.ts';
import { type Ratio, ratioOf } from './interleave.ts';
import { type Effort, type Spread, spread } from './timing.ts';
import { optionsOf, originName } from './workloads.ts';

export interface ScopeTime {
  readonly scope: string;
  readonly kernel: string;
  readonly dispatches: number;
  /** Nanoseconds in one step, from timestamps around each dispatch. */
  readonly ns: number;
}

export interface StepRow {
  readonly origin: string;
  readonly optimizer: string;
  readonly networks: number;
  readonly points: number;
  /** Nanoseconds of a step by the wall clock, losses read back at the end of each sample. */
  readonly time: Spread;
  readonly stepsPerSample: number;
  /** The same as `train` takes it, with looks and records, in turn with bare steps; missing where a look takes seconds. */
  readonly train?: { readonly time: Spread; readonly bare: Spread; readonly pace: Ratio };
  readonly dispatches: number;
  /** Of the handwritten kernels, in one step. */
  readonly flops: number;
  /** Bytes of device memory of all programs that a training run has. */
  readonly bytes: number;
  /** The same by what they hold. */
  readonly memory: Memory;
  /** The version that served each kernel call. */
  readonly kernels: Readonly<Record<string, string>>;
  /** Empty where the adapter has no timestamps. */
  readonly scopes: readonly ScopeTime[];
}

export interface StepBench extends Backend {
  readonly effort: Effort;
}

/** Milliseconds that one sample of several steps should last. */
const SAMPLE_MS = 100;
const MOST_STEPS = 100;
/** Steps are compared with those of `train` where a look comes at least this often, milliseconds. */
const LOOK_MS = 2000;
/** Looks of one sample of `train`: enough for blocks of several, most of them handed over ahead. */
const LOOKS = 8;
const TURN_MS = 500;

export async function benchStep(
  origin: { readonly system: string; readonly runs: number },
  optimizer: Optimizer,
  { effort, ...backend }: StepBench,
): Promise<StepRow> {
  const system = systemNamed(origin.system);
  const options = optionsOf(system, origin.runs, optimizer);
  const trainer = await Trainer.create(options, backend);
  try {
    const elapsed = async (steps: number) => {
      const from = performance.now();
      await trainer.run(steps);
      return (1e6 * (performance.now() - from)) / steps;
    };
    await elapsed(1);
    const steps = Math.max(1, Math.min(MOST_STEPS, Math.round((1e6 * SAMPLE_MS) / (await elapsed(1)))));
    const times: number[] = [];
    const until = performance.now() + 3 * effort.budgetMs;
    while (times.length < effort.least || performance.now() < until) times.push(await elapsed(steps));
    const time = spread(times);
    const train = EVERY * time.minNs < 1e6 * LOOK_MS ? await besideTrain(trainer, time.minNs, effort) : undefined;
    const timings = await trainer.step.profile(effort.least);
    const { dispatches } = trainer.plan;
    return {
      origin: originName(origin),
      optimizer,
      networks: origin.runs * system.networks.length,
      points: Object.values(options.problem.runs[0]!.points).reduce((sum, group) => sum + countOf(group), 0),
      time,
      stepsPerSample: steps,
      ...(train ? { train } : {}),
      dispatches: dispatches.length,
      flops: dispatches.reduce((sum, { flops }) => sum + flops, 0),
      bytes: trainer.memory.total,
      memory: trainer.memory,
      kernels: trainer.kernels,
      scopes: byScope(timings),
    };
  } finally {
    trainer.destroy();
  }
}

/** Steps as `train` takes them, all but its files, against as many bare ones: one sample of each in turn. */
async function besideTrain(trainer: Trainer, ns: number, { budgetMs, least }: Effort): Promise<StepRow['train']> {
  const { terms } = trainer;
  const records = trainer.options.problem.runs.map(emptyRecord);
  const about = { records, terms, score: 'relative' } as const;
  const observers = [watchDivergence(about, 'last'), recording(about)];
  const steps = EVERY * Math.max(LOOKS, Math.round((1e6 * TURN_MS) / ns / EVERY));
  const bare: number[] = [];
  const train: number[] = [];
  const until = performance.now() + 6 * budgetMs;
  while (train.length < least || performance.now() < until) {
    const from = performance.now();
    await trainer.run(steps);
    bare.push((1e6 * (performance.now() - from)) / steps);
    const { pace } = await loop(trainer, { epochs: trainer.epoch + steps, observers });
    train.push(1e6 * msPerStep(pace)!);
  }
  const [own, other] = [spread(train), spread(bare)];
  return { time: own, bare: other, pace: ratioOf(own, other) };
}

/** `103 %`: the time of a step of `train`, of that of a bare one, by the fastest samples. */
export const trainText = ({ train }: StepRow): string => (train ? `${(100 / train.pace.fastest).toFixed(0)} %` : '');

/** Dispatches of one scope and kernel together, the longest first. */
export function byScope(timings: readonly Timing[]): ScopeTime[] {
  const groups = new Map<string, ScopeTime>();
  for (const { scope, kernel, ns } of timings) {
    const family = kernel.split('/')[0]!;
    const key = `${scope}|${family}`;
    const sofar = groups.get(key) ?? { scope, kernel: family, dispatches: 0, ns: 0 };
    groups.set(key, { ...sofar, dispatches: sofar.dispatches + 1, ns: sofar.ns + ns });
  }
  return [...groups.values()].sort((a, b) => b.ns - a.ns);
}
