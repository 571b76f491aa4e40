const STATE = 624;
const SHIFT = 397;
const UPPER = 0x80000000;
const LOWER = 0x7fffffff;
const TWIST = 0x9908b0df;

/** A seed that a 32-bit generator cannot take. */
import { UserError } from '../engine/index.ts';
export class SeedError extends UserError {
  override readonly name = 'SeedError';
}

/**
 * MT19937 with the 32-bit seeding that PyTorch's CPU generator (`manual_seed`) and NumPy's legacy `RandomState` share, so
 * that one seed gives their words, PyTorch's float32 uniforms and NumPy's doubles. Throws {@link SeedError} for a seed
 * that is not an integer in [0, 2^32).
 */
export class MersenneTwister {
  readonly #state = new Uint32Array(STATE);
  #next = STATE;

  constructor(seed: number) {
    if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff)
      throw new SeedError(`seed ${seed} is not an integer between 0 and ${0xffffffff}`);
    const state = this.#state;
    state[0] = seed;
    for (let i = 1; i < STATE; i++) {
      const previous = state[i - 1]!;
      state[i] = Math.imul(1812433253, previous ^ (previous >>> 30)) + i;
    }
  }

  #twist(): void {
    const state = this.#state;
    for (let i = 0; i < STATE; i++) {
      const word = (state[i]! & UPPER) | (state[(i + 1) % STATE]! & LOWER);
      state[i] = state[(i + SHIFT) % STATE]! ^ (word >>> 1) ^ (word & 1 ? TWIST : 0);
    }
    this.#next = 0;
  }

  /** The next word, an integer in [0, 2^32). */
  next32(): number {
    if (this.#next === STATE) this.#twist();
    let word = this.#state[this.#next++]!;
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    word ^= word >>> 18;
    return word >>> 0;
  }

  /** Draws `count` words and drops them. */
  skip(count: number): void {
    for (let i = 0; i < count; i++) this.next32();
  }

  /**
   * `torch.empty(count).uniform_(low, high)`: u (high - low) + low in float32, u the low 24 bits of a word times 2^-24.
   * Product and sum are rounded once, as PyTorch's fused multiply-add does on every x86 CPU since AVX2. The float64
   * arithmetic behind it is exact, and so the result is PyTorch's bit for bit, where |low| <= 16 (high - low).
   */
  torchUniform32(count: number, low: number, high: number): Float32Array {
    const start = Math.fround(low);
    const width = Math.fround(Math.fround(high) - start);
    return Float32Array.from({ length: count }, () => (this.next32() & 0xffffff) * 2 ** -24 * width + start);
  }

  /** The next double of `numpy.random.rand`, in [0, 1) with 53 random bits from two words. */
  numpyRand(): number {
    const high = this.next32() >>> 5;
    const low = this.next32() >>> 6;
    return (high * 2 ** 26 + low) * 2 ** -53;
  }

  /** A number with mean 0 and standard deviation 1 (Box and Muller 1958). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.numpyRand()));
    return radius * Math.cos(2 * Math.PI * this.numpyRand());
  }
}
