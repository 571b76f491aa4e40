/**
 * Random tapes over all primitives and composites, differentiated up to three times, on the GPU against their meaning in
 * float64: with and without kernels, with the least that WebGPU promises and with all that the adapter has. Needs an
 * adapter; without one this fails. `npm run fuzz -- --minutes 10` draws new tapes for as long.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  compile,
  type Device,
  input,
  newTape,
  openDevice,
  Program,
  type Source,
  sizeOf,
  square,
  sub,
  tanh,
} from '../../engine/index.ts';
import { library } from '../../kernels/index.ts';
import { distance, meaningOf, poison } from '../support/gpu.ts';
import { generator, uniform } from '../support/tensors.ts';
import { INPUTS, type Recipe, writeTapes } from './tape.ts';

// llvmpipe's own optimizer takes a third of the time, and it is not what is tested. GALLIVM_PERF= puts it back.
process.env['GALLIVM_PERF'] ??= 'nopt';

const devices = new Map<boolean, Device>();
beforeAll(async () => {
  for (const least of [false, true]) devices.set(least, await openDevice({ least }));
});
afterAll(async () => {
  for (const device of devices.values()) await device.close();
});

interface Setting {
  readonly least: boolean;
  readonly kernels: boolean;
}

const seeds = fc.nat({ max: 2 ** 31 - 1 });
const recipe: fc.Arbitrary<Recipe> = fc.record({
  steps: fc.array(seeds, { minLength: 2, maxLength: 8, size: 'max' }),
  shapes: seeds,
  // Most of the time goes into shaders of third derivatives, so few tapes have them.
  order: fc.constantFrom(0, 0, 0, 0, 1, 1, 1, 2, 3),
  state: fc.boolean(),
});

/**
 * How much further from exact than the worst rounded interpretation a program may be: it adds up in another order, and
 * there are only a few interpretations.
 */
const SLACK = 8;
const FLOOR = 4e-6;
const INTERPRETATIONS = 4;
/** Units in the last place by which functions on the device may be off. */
const ULPS = 5;

type Values = Readonly<Record<string, ArrayLike<number>>>;

/**
 * Outputs that are further from the meaning of their tape than float32 explains. A value that is nearly nothing but
 * rounding differs from one interpretation to the next, so there are several, each as wrong after every primitive as a
 * device may be.
 */
function deviations(source: Source, given: Values, got: Values): string[] {
  const random = generator(41);
  const exact = meaningOf(source, given);
  const rough = (x: number) => Math.fround(x * (1 + (2 * random() - 1) * ULPS * 2 ** -23));
  const rounded = Array.from({ length: INTERPRETATIONS }, () => meaningOf(source, given, rough));
  return Object.keys(source.outputs).flatMap((name) => {
    const error = distance(got[name]!, exact[name]!);
    const tolerance = Math.max(FLOOR, SLACK * Math.max(...rounded.map((each) => distance(each[name]!, exact[name]!))));
    return error <= tolerance ? [] : [`${name}: ${error.toExponential(1)} > ${tolerance.toExponential(1)}`];
  });
}

/** What a program of tapes computes otherwise than they mean, in its first step and in one that follows from it. */
async function failures(recipes: readonly Recipe[], { least, kernels }: Setting): Promise<string[]> {
  const { source, code } = writeTapes(recipes);
  const device = devices.get(least)!;
  // A tape's numbers are its own, whoever shares its program.
  const given: Record<string, ArrayLike<number>> = {};
  Object.entries(source.inputs).forEach(([name, { shape }], k) => {
    const seed = recipes[Math.floor(k / INPUTS)]!.shapes + (k % INPUTS);
    given[name] = uniform([sizeOf(shape)], generator(seed)).data;
  });
  const plan = compile(source, { library: kernels ? library : [], device: device.capabilities });
  const program = await Program.create(device, plan);
  try {
    poison(program);
    for (const [name, data] of Object.entries(given)) program.write(name, data);
    const names = Object.keys(source.outputs);
    const first = await program.run(1, names);
    const wrong = deviations(source, given, first);
    const stepped = Object.fromEntries(Object.entries(source.state ?? {}).map(([name, next]) => [name, first[next]!]));
    wrong.push(...deviations(source, { ...given, ...stepped }, await program.run(1, names)));
    return wrong.length === 0 ? [] : [...wrong, ...code];
  } finally {
    program.destroy();
  }
}

const MINUTE = 60_000;
const minutes = Number(process.env['FUZZ_MINUTES'] ?? 0);
/** Tapes share programs: a shader costs more than a tape. */
const TOGETHER = 10;
const SETTINGS: readonly Setting[] = [true, false].flatMap((least) =>
  [true, false].map((kernels) => ({ least, kernels })),
);
const PROGRAMS = 300 / TOGETHER;

/** Runs tapes together; where they fail, finds those that fail alone and shrinks them. Each failure is a text with code. */
async function failuresOf(recipes: readonly Recipe[], setting: Setting): Promise<string[]> {
  const failing = async (some: readonly Recipe[]) =>
    failures(some, setting).catch((error: unknown) => [String(error), ...writeTapes(some).code]);
  const together = await failing(recipes);
  if (together.length === 0) return [];
  const alone: string[] = [];
  for (const one of recipes) {
    const property = fc.asyncProperty(recipe, async (each) => (await failing([each])).length === 0);
    const { counterexample } = await fc.check(property, {
      numRuns: 1,
      examples: [[one]],
      interruptAfterTimeLimit: MINUTE,
    });
    if (counterexample) alone.push((await failing(counterexample)).join('\n'));
  }
  return alone.length > 0 ? alone : [`only together: ${together.join('\n')}`];
}

describe('what is held against a tape', () => {
  const x = input(newTape(), 'x', [1]);
  const source = { inputs: { x }, outputs: { y: sub(1, square(tanh(x))) } };
  const given = { x: [4.5] };
  /** 1 - t^2 with t off by so many units in the last place. */
  const off = (ulps: number) => [1 - (Math.fround(Math.tanh(4.5)) + ulps * 2 ** -24) ** 2];

  it('may be as wrong as a function of the device, where next to nothing is left of its value', () => {
    expect(deviations(source, given, { y: off(ULPS) })).toEqual([]);
  });

  it('may not be more wrong than that', () => {
    expect(deviations(source, given, { y: off(20 * ULPS) })).toHaveLength(1);
  });
});

describe('random tapes', () => {
  let program = Number(process.env['FUZZ_SEED'] ?? 3);
  it.each(SETTINGS.map((setting, k) => ({ ...setting, k })))(
    'compute what they mean: kernels $kernels, least limits $least',
    async ({ k, ...setting }) => {
      const until = Date.now() + (minutes * MINUTE) / SETTINGS.length;
      const wrong: string[] = [];
      let programs = 0;
      // The k-th of so many settings takes its part of the programs.
      const share = Math.floor((PROGRAMS + k) / SETTINGS.length);
      while (programs < share || Date.now() < until) {
        programs++;
        const found = await failuresOf(fc.sample(recipe, { numRuns: TOGETHER, seed: program++ }), setting);
        for (const failure of minutes > 0 ? found : []) console.error(`${JSON.stringify(setting)}: ${failure}\n`);
        wrong.push(...found);
      }
      if (minutes > 0)
        console.log(
          `${programs * TOGETHER} tapes up to seed ${program - 1}, ${wrong.length} fail, ${JSON.stringify(setting)}`,
        );
      expect(wrong.join('\n\n')).toBe('');
    },
    (minutes + 10) * MINUTE,
  );
});
