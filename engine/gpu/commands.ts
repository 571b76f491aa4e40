/**
 * Commands in the making: programs and copies, encoded together and handed over now and then. The first step of a program
 * goes dispatch by dispatch, so that one which never ends is known by its name.
 */
import type { Device } from './device.ts';
import type { Plan } from './plan.ts';

/** A program, as far as it is encoded. */
interface Encoded {
  readonly label: string;
  readonly plan: Pick<Plan, 'dispatches'>;
  /** Whether it was never run. */
  isNew: boolean;
  /** Puts its dispatches into a pass, or one of them. */
  encode(pass: GPUComputePassEncoder, one?: number): void;
}

export class Commands {
  readonly #device: Device;
  readonly #scope: string;
  #encoder: GPUCommandEncoder | undefined;
  #pass: GPUComputePassEncoder | undefined;
  /** Programs in it by name, with how often. */
  #programs = new Map<string, number>();
  /** Dispatches that were not handed over yet. */
  dispatches = 0;

  /** `scope` is what its errors name. */
  constructor(device: Device, scope: string) {
    this.#device = device;
    this.#scope = scope;
  }

  /** Appends a program. What is returned settles when the device has accepted what was handed over for it, if anything. */
  run(program: Encoded): Promise<void> | undefined {
    if (!program.isNew && !this.#device.singly) {
      program.encode(this.pass());
      this.dispatches += program.plan.dispatches.length;
      this.#programs.set(program.label, (this.#programs.get(program.label) ?? 0) + 1);
      return undefined;
    }
    const before = this.submit();
    const first = program.isNew;
    program.isNew = false;
    const singly = this.#device.scoped(this.#scope, () => {
      for (const [k, { kernel, scope }] of program.plan.dispatches.entries()) {
        const encoder = this.#device.gpu.createCommandEncoder();
        const pass = encoder.beginComputePass();
        program.encode(pass, k);
        pass.end();
        this.#device.submit(
          encoder.finish(),
          `dispatch ${k + 1} of ${program.label}, ${kernel} ${scope}`.trim(),
          first,
        );
      }
    });
    return Promise.all([before, singly]).then(() => {});
  }

  /** The compute pass under way. */
  pass(): GPUComputePassEncoder {
    this.#encoder ??= this.#device.gpu.createCommandEncoder();
    this.#pass ??= this.#encoder.beginComputePass();
    return this.#pass;
  }

  /** The encoder, outside any pass. */
  encoder(): GPUCommandEncoder {
    this.#pass?.end();
    this.#pass = undefined;
    this.#encoder ??= this.#device.gpu.createCommandEncoder();
    return this.#encoder;
  }

  /** Hands over what there is. What is returned settles when the device has accepted it. */
  async submit(): Promise<void> {
    if (!this.#encoder) return;
    const commands = this.encoder().finish();
    const programs = [...this.#programs].map(([label, times]) => (times > 1 ? `${times} times ${label}` : label));
    const what = programs.length > 0 ? `${programs.join(', ')} (${this.dispatches} dispatches)` : 'copies';
    this.#encoder = undefined;
    this.#programs = new Map();
    this.dispatches = 0;
    await this.#device.scoped(this.#scope, () => this.#device.submit(commands, what));
  }
}
