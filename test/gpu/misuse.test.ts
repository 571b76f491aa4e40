/** What the compiler and a program say to sources that mean nothing: each mistake with the value and the remedy. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  add,
  compile,
  composite,
  type Device,
  input,
  mul,
  newTape,
  openDevice,
  Program,
  type Source,
  sin,
  sum,
  UserError,
  type Var,
} from '../../engine/index.ts';
import { denseJet, library } from '../../kernels/index.ts';
import { leastAdapter } from '../support/gpu.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device?.close());

const tape = newTape();
const [x, w] = [input(tape, 'x', [4]), input(tape, 'w', [4])];
const y = mul(x, sin(w));
const [S, W, b] = [input(tape, 'S', [1, 1, 3, 5]), input(tape, 'W', [1, 2, 3]), input(tape, 'b', [1, 2])];
const jet = { D: 0, second: false, from: 'linear', to: 'tanh' } as const;
/** A composite of the kernel's name and shapes that computes something else. */
const impostor = (): Var => composite('dense_jet', jet, [S, W, b], ([s]) => [sum(s!)])[0]!;

function saidOf(source: Source): string {
  try {
    compile(source, { library, device: leastAdapter });
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    const { message, remedy } = error as UserError;
    return remedy ? `${message}: ${remedy}` : message;
  }
  return 'nothing';
}

describe('compile names', () => {
  it.each<[string, () => Source, RegExp]>([
    ['an input that was left out', () => ({ inputs: { x }, outputs: { y } }), /^y depends on w.*: add w to the inputs/],
    [
      'an output named like an input',
      () => ({ inputs: { x, w }, outputs: { x: y } }),
      /^x names an input and an output/,
    ],
    [
      'a computed value given as an input',
      () => ({ inputs: { x, w, y }, outputs: { z: sin(y) } }),
      /^y is given .*\(mul\)/,
    ],
    ['one input given twice', () => ({ inputs: { x, w, v: w }, outputs: { y } }), /^w and v are one and the same/],
    [
      'a state that is no input',
      () => ({ inputs: { x, w }, outputs: { y }, state: { q: 'y' } }),
      /^state q is no input; there are x, w/,
    ],
    [
      'a state that becomes no output',
      () => ({ inputs: { x, w }, outputs: { y }, state: { w: 'z' } }),
      /^state w is to become z, which is no output: take one of y/,
    ],
    [
      'a state of another shape',
      () => ({ inputs: { x, w }, outputs: { s: sum(y) }, state: { w: 's' } }),
      /^state w has shape \[4\], what it is to become \(s\) \[1\]/,
    ],
    [
      'a composite that is not what its kernel computes',
      () => ({ inputs: { S, W, b }, outputs: { z: impostor() } }),
      /^the composite dense_jet is not what the kernel dense_jet computes: give the composite another name/,
    ],
  ])('%s', (_, source, said) => {
    expect(saidOf(source())).toMatch(said);
  });

  it('nothing where all is well', () => {
    expect(saidOf({ inputs: { x, w }, outputs: { y, "w'": add(w, y) }, state: { w: "w'" } })).toBe('nothing');
    expect(saidOf({ inputs: { S, W, b }, outputs: { z: denseJet(S, W, b, jet) } })).toBe('nothing');
    expect(saidOf({ inputs: { x, w }, outputs: { twice: mul(2, x) } })).toBe('nothing');
  });
});

it('a program takes a whole number of steps', async () => {
  const plan = compile({ inputs: { x, w }, outputs: { y } }, { library: [], device: device.capabilities });
  const program = await Program.create(device, plan);
  for (const steps of [-1, 1.5, Number.NaN])
    await expect(program.run(steps)).rejects.toMatchObject({
      name: 'StepCountError',
      exitCode: 2,
      message: `${steps} steps cannot be run: give a whole number, 0 or more`,
    });
  program.destroy();
});
