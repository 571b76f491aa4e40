/**
 * Random tapes over all primitives and composites, differentiated up to three times, on the GPU against their meaning in
 * float64: with and without kernels, with the least that WebGPU promises and with all that the adapter has. Needs an
 * adapter; without one this fails. `npm run fuzz -- --minutes 10` draws new tapes for as long.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compile, type Device, openDevice, Program, sizeOf } from '../../engine/index.ts';
import { library } from '../../kernels/index.ts';
import { deviations, poison } from '../support/gpu.ts';
import { generator, uniform } from '../support/tensors.ts';
import { type Recipe, writeTapes } from './tape.ts';

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

/** What a program of tapes computes otherwise than they mean, in its first step and in one that follows from it. */
async function failures(recipes: readonly Recipe[], { least, kernels }: Setting): Promise<string[]> {
  const { source, code } = writeTapes(recipes);
  const device = devices.get(least)!;
  const random = generator(recipes[0]!.shapes);
  const given: Record<string, ArrayLike<number>> = Object.fromEntries(
    Object.entries(source.inputs).map(([name, v]) => [name, uniform([sizeOf(v.shape)], random).data]),
  );
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
const EACH = 300 / SETTINGS.length;

/** Runs tapes together; where they fail, finds one that fails alone, shrinks it and throws with its code. */
async function holdToMeaning(recipes: readonly Recipe[], setting: Setting): Promise<void> {
  const failing = async (some: readonly Recipe[]) =>
    failures(some, setting).catch((error: unknown) => [String(error), ...writeTapes(some).code]);
  const together = await failing(recipes);
  if (together.length === 0) return;
  for (const one of recipes)
    await fc.assert(
      fc.asyncProperty(recipe, async (each) => {
        expect((await failing([each])).join('\n')).toEqual('');
      }),
      { numRuns: 1, examples: [[one]], interruptAfterTimeLimit: MINUTE },
    );
  throw new Error(`only together: ${together.join('\n')}`);
}

describe('random tapes', () => {
  it.each(SETTINGS)(
    'compute what they mean: $kernels kernels, least limits $least',
    async (setting) => {
      const until = Date.now() + (minutes * MINUTE) / SETTINGS.length;
      let seed = minutes > 0 ? Date.now() : 3;
      let tapes = 0;
      while (tapes < EACH || Date.now() < until) {
        await holdToMeaning(fc.sample(recipe, { numRuns: TOGETHER, seed: seed++ }), setting);
        tapes += TOGETHER;
      }
      if (minutes > 0) console.log(`${tapes} tapes, ${JSON.stringify(setting)}`);
    },
    (minutes + 10) * MINUTE,
  );
});
