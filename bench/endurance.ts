/**
 * Whether long use costs memory or handles: many epochs of a training, many programs made and destroyed, many devices opened
 * and closed, in a process each, which is looked at from time to time. Linux: it reads /proc.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  compile,
  type Device,
  grad,
  input,
  mean,
  mul,
  newTape,
  openDevice,
  Program,
  square,
  tanh,
} from '../engine/index.ts';
import { resolveSettings } from '../experiments/training/settings.ts';
import { train } from '../experiments/training/train.ts';
import { library } from '../kernels/index.ts';

export const trials = ['epochs', 'programs', 'devices'] as const;
export type Trial = (typeof trials)[number];

/** How many of each, unless stated. */
export const COUNTS: Readonly<Record<Trial, number>> = { epochs: 200_000, programs: 1000, devices: 200 };

/** What a process has, after so many. */
export interface Sample {
  readonly count: number;
  /** Seconds since the first. */
  readonly seconds: number;
  /** Resident memory, and what JavaScript holds of it, bytes. */
  readonly resident: number;
  readonly heap: number;
  /** Open files, sockets and devices. */
  readonly handles: number;
  readonly threads: number;
}

export interface Course {
  readonly trial: Trial;
  readonly adapter: string;
  readonly samples: readonly Sample[];
}

/** Samples of a trial. */
const LOOKS = 100;

export async function endure(trial: Trial, count: number, say: (sample: Sample) => void): Promise<Course> {
  const samples: Sample[] = [];
  const started = performance.now();
  const look = async (done: number) => {
    const sample = await sampleOf(done, (performance.now() - started) / 1000);
    samples.push(sample);
    say(sample);
  };
  const adapter = await { epochs, programs, devices }[trial](count, Math.max(1, Math.round(count / LOOKS)), look);
  return { trial, adapter, samples };
}

/** Looks after every so many; returns the adapter. */
type Work = (count: number, every: number, look: (done: number) => Promise<void>) => Promise<string>;

/** One training as the command does it, with its files. */
const epochs: Work = async (count, every, look) => {
  const base = mkdtempSync(join(tmpdir(), 'tapir-endurance-'));
  const device = await openDevice();
  const out = join(base, 'run');
  const settings = resolveSettings('thermoelasticity', { width: 4, depth: 1, epochs: count, weighting: 'none' });
  let [next, busy] = [0, false];
  const watch = setInterval(async () => {
    const done = lastEpoch(join(out, 'metrics.jsonl'));
    if (busy || done < next) return;
    busy = true;
    next = done + every;
    await look(done);
    busy = false;
  }, 200);
  try {
    const { signal } = new AbortController();
    await train({ device, library, settings, out, resume: false, signal });
    return device.info.name;
  } finally {
    clearInterval(watch);
    await device.close();
    rmSync(base, { recursive: true, force: true });
  }
};

/** Bytes of a history that hold its last line for certain. */
const TAIL = 8192;

/** The epoch in the last whole line of a run's history; -1 where there is none. */
function lastEpoch(path: string): number {
  if (!existsSync(path)) return -1;
  const file = openSync(path, 'r');
  try {
    const tail = Buffer.alloc(TAIL);
    const length = readSync(file, tail, 0, TAIL, Math.max(0, fstatSync(file).size - TAIL));
    const epochs = [...tail.toString('utf8', 0, length).matchAll(/^\{"epoch":(\d+),.*\n/gm)];
    return Number(epochs.at(-1)?.[1] ?? -1);
  } finally {
    closeSync(file);
  }
}

/** Programs that differ in a number in their code, so that each is compiled. */
const programs: Work = async (count, every, look) => {
  const device = await openDevice();
  try {
    for (let k = 0; k < count; k++) {
      if (k % every === 0) await look(k);
      await useProgram(device, 1 + k / count);
    }
    await look(count);
    return device.info.name;
  } finally {
    await device.close();
  }
};

const devices: Work = async (count, every, look) => {
  let name = '';
  for (let k = 0; k < count; k++) {
    if (k % every === 0) await look(k);
    const device = await openDevice();
    name = device.info.name;
    await useProgram(device, 1);
    await device.close();
  }
  await look(count);
  return name;
};

/** Makes a program with a gradient, takes three steps, reads what comes out, and destroys it. */
async function useProgram(device: Device, factor: number): Promise<void> {
  const tape = newTape();
  const x = input(tape, 'x', [4, 64]);
  const y = tanh(mul(x, factor));
  const loss = mean(square(y), undefined, false);
  const [gradient] = grad(loss, [x]);
  const source = { tape, inputs: { x }, outputs: { loss, gradient } };
  const program = await Program.create(device, compile(source, { library: [], device: device.capabilities }));
  program.write('x', new Float32Array(256).fill(1));
  await program.run(3, ['loss']);
  await program.read('gradient');
  program.destroy();
}

/** What is garbage is collected first, where the process was started to allow that. */
async function sampleOf(count: number, seconds: number): Promise<Sample> {
  for (let k = 0; k < 2; k++) {
    globalThis.gc?.();
    // What is freed is given back in later turns.
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const status = readFileSync('/proc/self/status', 'utf8');
  const number = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
  return {
    ...{ count, seconds },
    resident: 1024 * number('VmRSS'),
    heap: process.memoryUsage().heapUsed,
    handles: readdirSync('/proc/self/fd').length,
    threads: number('Threads'),
  };
}

/** What the last quarter has beyond the second one, in the middle of each: what a leak adds in half the trial. */
export interface Growth {
  readonly resident: number;
  readonly heap: number;
  readonly handles: number;
  readonly threads: number;
}

export function growthOf({ samples }: Course): Growth {
  const quarter = (k: number) =>
    samples.slice(Math.floor((k * samples.length) / 4), Math.floor(((k + 1) * samples.length) / 4));
  const growth = (pick: (sample: Sample) => number) => median(quarter(3).map(pick)) - median(quarter(1).map(pick));
  return {
    resident: growth(({ resident }) => resident),
    heap: growth(({ heap }) => heap),
    handles: growth(({ handles }) => handles),
    threads: growth(({ threads }) => threads),
  };
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
