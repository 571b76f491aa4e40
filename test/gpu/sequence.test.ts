/** Programs in sequence, with values noted and saved in between. Needs an adapter. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  add,
  compile,
  type Device,
  input,
  newTape,
  openDevice,
  Program,
  Recorder,
  SavedValues,
} from '../../engine/index.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device?.close());

/** x doubles in every step; `many` is 1000 numbers. */
async function doubling(): Promise<Program> {
  const tape = newTape();
  const [x, many] = [input(tape, 'x', [2, 2]), input(tape, 'many', [1000])];
  const source = {
    inputs: { x, many },
    outputs: { "x'": add(x, x), "many'": add(many, many) },
    state: { x: "x'", many: "many'" },
  };
  const program = await Program.create(device, compile(source, { library: [], device: device.capabilities }));
  program.write('x', [1, 2, 3, 4]);
  program.write(
    'many',
    Array.from({ length: 1000 }, (_, k) => k),
  );
  return program;
}

it('notes values as they were, as often as stated, over several submissions', async () => {
  const program = await doubling();
  const recorder = await Recorder.create<'x' | 'many'>(device, {
    x: { program, name: 'x' },
    many: { program, name: 'many' },
  });
  const steps = 3000;
  const sequence = recorder.begin({ x: 3, many: 1 });
  for (let step = 0; step < steps; step++) {
    if (step === 0 || step === 5 || step === 20) sequence.note('x');
    if (step === 2) sequence.note('many');
    sequence.run(program);
  }
  const { x, many } = await sequence.finish();
  expect([...x!]).toEqual([0, 5, 20].flatMap((step) => [1, 2, 3, 4].map((value) => value * 2 ** step)));
  expect([...many!]).toEqual(Array.from({ length: 1000 }, (_, k) => 4 * k));
  const nothing = recorder.begin({});
  expect(() => nothing.note('x')).toThrow(RangeError);
  expect(await nothing.finish()).toEqual({});
  program.destroy();
});

it('saves values on the device, and gives them back', async () => {
  const program = await doubling();
  const recorder = await Recorder.create<'x'>(device, { x: { program, name: 'x' } });
  const saved = new SavedValues(device, program, ['x']);
  const sequence = recorder.begin({});
  sequence.run(program);
  sequence.save(saved);
  sequence.run(program);
  await sequence.finish();
  expect([...(await program.read('x'))]).toEqual([4, 8, 12, 16]);
  expect([...(await saved.read())['x']!]).toEqual([2, 4, 6, 8]);
  saved.restore();
  expect([...(await program.read('x'))]).toEqual([2, 4, 6, 8]);
  expect((await program.read('many'))[1]).toBe(4);
  saved.destroy();
  program.destroy();
});
