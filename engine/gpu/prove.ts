/** Finds the spelling of double-single arithmetic that an adapter's driver leaves alone. */
import { add, broadcast, input, mul } from '../tape/build.ts';
import { UserError } from '../tape/error.ts';
import { newTape } from '../tape/ops.ts';
import type { Arithmetic } from './arithmetic.ts';
import { compile } from './compile.ts';
import type { Device } from './device.ts';
import { doubleSingle, type Spelling, spellings } from './double-single.ts';
import { Program } from './program.ts';

/** A driver that reassociates or contracts whatever it is given, so that rounding errors cannot be told. */
export class ArithmeticError extends UserError {
  override readonly name = 'ArithmeticError';
}

const COUNT = 256;
const proven = new WeakMap<Device, Promise<{ arithmetic: Arithmetic; spelling: Spelling }>>();

/**
 * Double-single arithmetic in the first spelling that is exact here: sums and products of float32 numbers, whose rounding
 * errors are not zero, come out to the last bit. Throws {@link ArithmeticError}.
 */
export function doubleSingleOn(device: Device): Promise<{ arithmetic: Arithmetic; spelling: Spelling }> {
  const known = proven.get(device) ?? firstExact(device, spellings);
  proven.set(device, known);
  return known;
}

/** The first of some spellings that is exact. Throws {@link ArithmeticError}. */
export async function firstExact(
  device: Device,
  candidates: readonly Spelling[],
): Promise<{ arithmetic: Arithmetic; spelling: Spelling }> {
  for (const spelling of candidates) {
    const arithmetic = doubleSingle(spelling);
    if (await isExact(device, arithmetic)) return { arithmetic, spelling };
  }
  throw new ArithmeticError(
    `${device.info.name} reassociates or contracts float32 arithmetic, so double-single values lose their digits`,
    { remedy: 'use an optimizer in float32 (adam, soap) or another adapter' },
  );
}

/** Whether a + b and a b of float32 numbers keep their rounding errors. */
export async function isExact(device: Device, arithmetic: Arithmetic): Promise<boolean> {
  const tape = newTape();
  const [a, b] = [input(tape, 'a', [COUNT]), input(tape, 'b', [1])];
  const inputs = { a, b };
  const outputs = { sum: add(a, b), product: mul(a, broadcast(b, [COUNT])) };
  const plan = compile({ inputs, outputs }, { library: [], device: device.capabilities, arithmetic });
  const program = await Program.create(device, plan);
  try {
    const values = Float32Array.from({ length: COUNT }, (_, k) => Math.sin(k + 1) * 2 ** ((k % 29) - 14));
    program.write('a', values);
    for (const b of [0.7234567, -1234.567, 3.0000002]) {
      const other = Math.fround(b);
      program.write('b', [other]);
      await program.run();
      const [sums, products] = await Promise.all([program.readDouble('sum'), program.readDouble('product')]);
      if (values.some((a, k) => sums[k] !== a + other || products[k] !== a * other)) return false;
    }
    return true;
  } finally {
    program.destroy();
  }
}
