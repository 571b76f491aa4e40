/** Values of programs as they were at some point, in buffers of their own on the device. */
import type { Device } from './device.ts';
import { highs, type Place, type Program } from './program.ts';
import { readBuffer } from './read-back.ts';

export class SavedValues {
  readonly #device: Device;
  readonly #values: readonly { readonly name: string; readonly place: Place; readonly copy: GPUBuffer }[];

  /** Buffers for values of a program, by name; they hold nothing until a sequence saves there. */
  constructor(device: Device, program: Program, names: readonly string[]) {
    this.#device = device;
    this.#values = names.map((name) => {
      const place = program.placeOf(name);
      const usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
      return { name, place, copy: device.gpu.createBuffer({ label: `saved ${name}`, size: place.bytes, usage }) };
    });
  }

  get bytes(): number {
    return this.#values.reduce((sum, { place }) => sum + place.bytes, 0);
  }

  /** @internal */
  save(encoder: GPUCommandEncoder): void {
    for (const { place, copy } of this.#values)
      encoder.copyBufferToBuffer(place.buffer, place.at, copy, 0, place.bytes);
  }

  /** Gives the values back to the program, after the work handed over so far. */
  restore(): void {
    const { gpu } = this.#device;
    const encoder = gpu.createCommandEncoder();
    for (const { place, copy } of this.#values)
      encoder.copyBufferToBuffer(copy, 0, place.buffer, place.at, place.bytes);
    this.#device.submit(encoder.finish(), 'copies');
  }

  /** The values by name, row-major; of double-single what float32 holds. */
  async read(): Promise<Record<string, Float32Array>> {
    const read = this.#values.map(async ({ name, place, copy }) => {
      const data = await readBuffer(this.#device, copy, 0, place.bytes);
      return [name, place.words === 2 ? highs(data) : data] as const;
    });
    return Object.fromEntries(await Promise.all(read));
  }

  destroy(): void {
    for (const { copy } of this.#values) copy.destroy();
  }
}
