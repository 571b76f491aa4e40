/** Measures, for each kernel call of training programs, which version is the fastest on this adapter. */
import { buildFor, type Call, type Device, type Kernel, type Library, UnknownVersionError } from '../engine/index.ts';
import { callText, dense, shadersOf } from '../experiments/adapter/choices.ts';
import type { TuneCache } from '../experiments/adapter/tune-cache.ts';
import { trainingPlans } from '../experiments/training/plans.ts';
import type { TrainerOptions } from '../experiments/training/tapes.ts';
import { ratioOf } from './interleave.ts';
import { dispatchesOf } from './kernels.ts';
import { type Clock, type Effort, type Prepared, prepare, type Spread, spread } from './timing.ts';
import { errorOf, planWith, type Truth, truthOf } from './validate.ts';
import { freeInputs, type Workload } from './workloads.ts';

/** A kernel call that more than one version can serve. */
export interface Candidate {
  readonly text: string;
  readonly kernel: Kernel;
  /** Its operands are gapless. */
  readonly call: Call;
  /** The version that runs without a choice, and all that support the call. */
  readonly usual: string;
  readonly versions: readonly string[];
}

export interface VersionTime {
  readonly name: string;
  readonly time?: Spread;
  /** Why it is not to be chosen: its result is wrong. */
  readonly refused?: string;
}

export interface TunedCall {
  readonly text: string;
  readonly versions: readonly VersionTime[];
  readonly usual: string;
  readonly choice: string;
  /** How often the choice is faster than the usual version, by medians; 1 where it is the usual one. */
  readonly gain: number;
  readonly shaders: string;
}

/** How much faster than the usual version another must be to be chosen, by the medians. */
const LEAST_GAIN = 1.05;
/** A version that takes this much longer than another, by the fastest of the first samples, is not timed any further. */
const HOPELESS = 3;
const FIRST_SAMPLES = 2;

/** The distinct calls of everything that such trainings run. */
export function candidates(trainings: readonly TrainerOptions[], library: Library, device: Device): Candidate[] {
  const { capabilities } = device;
  const found = new Map<string, Candidate>();
  for (const options of trainings)
    for (const plan of Object.values(trainingPlans(options, { library, device: capabilities }).plans))
      for (const { kernel: name, call, version: usual } of plan.calls) {
        const kernel = library.find((each) => each.name === name);
        const text = callText(name, call);
        if (!kernel || found.has(text)) continue;
        const own = dense(call);
        const versions = kernel.versions.filter((version) => buildFor(version, own, capabilities));
        const names = versions.map((version) => version.name);
        if (names.length > 1 && names.includes(usual))
          found.set(text, { text, kernel, call: own, usual, versions: names });
      }
  return [...found.values()];
}

export interface Tuning {
  readonly device: Device;
  readonly clock: Clock;
  /** For each version. */
  readonly effort: Effort;
  /** Told what comes next. */
  readonly onStart?: (text: string) => void;
}

/** Validates every version at this very size, then times those that are right, in turn. */
export async function tuneCall(candidate: Candidate, { device, clock, effort, onStart }: Tuning): Promise<TunedCall> {
  const { text, kernel, call, usual } = candidate;
  const shapes = freeInputs(
    kernel,
    call.inputs.map(({ shape }) => shape),
  );
  if (!shapes) throw new TypeError(`${text}: its operands are not those of ${kernel.name}'s meaning`);
  const workload: Workload = { kernel, origin: '', params: call.params, shapes };
  onStart?.(`${text}: float64 reference`);
  const truth = truthOf(workload);
  const racers: Racer[] = [];
  const refused: VersionTime[] = [];
  try {
    for (const name of candidate.versions) {
      onStart?.(`${text}: ${name}`);
      const plan = planWith(workload, name, truth, device);
      if (!plan) throw new UnknownVersionError(kernel, name);
      const error = await errorOf(device, plan, truth);
      if (error <= truth.tolerance)
        racers.push({ name, ...(await prepare(device, dispatchesOf(plan, kernel.name, name), clock, truth.values)) });
      else refused.push({ name, refused: wrong(error, truth) });
    }
    onStart?.(`${text}: timing`);
    const times = await race(racers, effort);
    const versions = [...racers.map(({ name }, k): VersionTime => ({ name, time: times[k]! })), ...refused];
    return { text, usual, shaders: shadersOf(kernel, call, device.capabilities), ...decide(versions, usual) };
  } finally {
    for (const racer of racers) racer.destroy();
  }
}

const wrong = (error: number, { tolerance }: Truth) =>
  `error ${error.toExponential(1)} > ${tolerance.toExponential(1)}`;

interface Racer extends Prepared {
  readonly name: string;
}

/** One sample of each in turn, again and again, so that whatever else the machine does meets all alike. */
async function race(racers: readonly Racer[], { budgetMs, least }: Effort): Promise<Spread[]> {
  const times = racers.map((): number[] => []);
  const sample = async (k: number) => times[k]!.push(...(await racers[k]!.sample()));
  for (let round = 0; round < FIRST_SAMPLES; round++) for (const k of racers.keys()) await sample(k);
  const fastest = Math.min(...times.flat());
  const left = racers.flatMap((_, k) => (Math.min(...times[k]!) <= HOPELESS * fastest ? [k] : []));
  const until = performance.now() + budgetMs * left.length;
  for (let round = FIRST_SAMPLES; left.length > 1 && (round < least || performance.now() < until); round++)
    for (const k of left) await sample(k);
  return times.map(spread);
}

/**
 * The fastest version by the medians. The usual one where that is right and the difference may be noise: below 5 %, or it
 * was once as fast as the other usually is. So the choice is the same again.
 */
export function decide(
  versions: readonly VersionTime[],
  usual: string,
): Pick<TunedCall, 'versions' | 'choice' | 'gain'> {
  const timed = versions.flatMap(({ name, time }) => (time ? [{ name, time }] : []));
  const [best] = timed.toSorted((a, b) => a.time.medianNs - b.time.medianNs);
  const own = timed.find(({ name }) => name === usual);
  if (!best) return { versions, choice: usual, gain: 1 };
  if (!own) return { versions, choice: best.name, gain: 1 };
  const { medians: gain } = ratioOf(best.time, own.time);
  if (gain < LEAST_GAIN || own.time.minNs <= best.time.medianNs) return { versions, choice: usual, gain: 1 };
  return { versions, choice: best.name, gain };
}

/** What is remembered of the calls in which some version gave the right result. */
export function cacheOf(calls: readonly TunedCall[], measured: string): TuneCache {
  const sound = calls.filter(({ versions }) => versions.some(({ time }) => time));
  return Object.fromEntries(
    sound.map(({ text, choice, shaders, versions }) => {
      const ms = versions.flatMap(({ name, time }) => (time ? [[name, round(time.medianNs / 1e6)] as const] : []));
      return [text, { version: choice, shaders, ms: Object.fromEntries(ms), measured }];
    }),
  );
}

const round = (value: number) => Number(value.toPrecision(3));
