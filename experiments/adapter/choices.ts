/** Which version serves which kernel call: calls as text, choices that were measured, and what a plan really took. */
import {
  buildFor,
  buildText,
  type Call,
  type Capabilities,
  type CompileOptions,
  type Kernel,
  type Layout,
  type Plan,
  stridesOf,
} from '../../engine/index.ts';

export interface Choice {
  readonly version: string;
  /** {@link shadersOf} the call when it was measured: where it differs from today's, the choice is void. */
  readonly shaders?: string;
}

/** Choices by {@link callText}. */
export type Choices = Readonly<Record<string, Choice>>;

/** Kernel, parameters and shapes of the operands: `matmul ta [2,64,3] [2,64,64]`. */
export function callText(kernel: string, { params, inputs }: Pick<Call, 'params' | 'inputs'>): string {
  const said = Object.entries(params).flatMap(([name, value]) =>
    typeof value === 'boolean' ? (value ? [name] : []) : [`${name}=${value}`],
  );
  return [kernel, ...said, ...inputs.map(({ shape }) => `[${shape.join(',')}]`)].join(' ');
}

/** The call with every operand gapless: how calls are measured. */
export function dense({ params, inputs, outputs }: Call): Call {
  const gapless = ({ shape }: Layout): Layout => ({ shape, strides: stridesOf(shape) });
  return { params, inputs: inputs.map(gapless), outputs: outputs.map(gapless) };
}

/** A short hash of what every version would run for a call, its operands gapless. */
export function shadersOf(kernel: Kernel, call: Call, device: Capabilities): string {
  const own = dense(call);
  const builds = kernel.versions.map((version) => {
    const build = buildFor(version, own, device);
    return [version.name, build && buildText(build, own)];
  });
  return digest(JSON.stringify(builds));
}

/** Sixteen hexadecimal digits that tell texts apart: FNV-1a, over the text and over the text backwards. */
function digest(text: string): string {
  let [forwards, backwards] = [0x811c9dc5, 0x811c9dc5];
  for (let k = 0; k < text.length; k++) {
    forwards = Math.imul(forwards ^ text.charCodeAt(k), 0x01000193);
    backwards = Math.imul(backwards ^ text.charCodeAt(text.length - 1 - k), 0x01000193);
  }
  return [forwards, backwards].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
}

/** For `compile`: what was chosen, unless the shaders have changed since. */
export function preferred(choices: Choices, device: Capabilities): NonNullable<CompileOptions['prefer']> {
  const fresh = new Map<string, boolean>();
  return (kernel, call) => {
    const text = callText(kernel.name, call);
    const choice = choices[text];
    if (!choice) return undefined;
    if (!fresh.has(text))
      fresh.set(text, choice.shaders === undefined || choice.shaders === shadersOf(kernel, call, device));
    return fresh.get(text) ? choice.version : undefined;
  };
}

/** The version that serves each call of some plans, by {@link callText}. */
export function servedBy(plans: Iterable<Plan>): Record<string, string> {
  const calls = [...plans].flatMap((plan) => plan.calls);
  return Object.fromEntries(calls.map(({ kernel, call, version }) => [callText(kernel, call), version]));
}

/**
 * What pins could not do, a line for each: calls that a pinned version is not made for were served by others. `served` as
 * {@link servedBy} gives it.
 */
export function pinsPassedOver(
  served: Readonly<Record<string, string>>,
  pins: Readonly<Record<string, string>>,
): string[] {
  return Object.entries(pins).flatMap(([kernel, pinned]) => {
    const calls = Object.entries(served).filter(([call]) => call.startsWith(`${kernel} `));
    const others = calls.filter(([, version]) => version !== pinned);
    if (others.length === 0) return [];
    const [[call, version]] = others as [[string, string]];
    return `--kernel ${kernel}=${pinned} cannot serve ${others.length} of ${calls.length} calls, for instance ${call}: ${version} does`;
  });
}

/** Choices that repeat what {@link servedBy} wrote down. */
export const asServed = (versions: Readonly<Record<string, string>>): Choices =>
  Object.fromEntries(Object.entries(versions).map(([call, version]) => [call, { version }]));
