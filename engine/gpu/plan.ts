/**
 * What the compiler is given and what it makes. A plan is data and needs no GPU: which dispatches, in which order, over
 * which buffers. `Program` runs it.
 */
import type { Shape } from '../tape/shape.ts';
import type { Graph, Var } from '../tape/tape.ts';
import type { Arithmetic } from './arithmetic.ts';
import type { Call, Capabilities, Kernel } from './kernel.ts';

export type Library = readonly Kernel[];

export interface Source {
  readonly inputs: Readonly<Record<string, Var>>;
  readonly outputs: Readonly<Record<string, Var>>;
  /** Inputs that live on: after a step the input named by the key takes the value of the output named by the value. */
  readonly state?: Readonly<Record<string, string>>;
}

export interface CompileOptions {
  readonly library: Library;
  readonly device: Capabilities;
  /** Pins versions by kernel name. */
  readonly versions?: Readonly<Record<string, string>>;
  /** Names the version for a call that is not pinned, say the one measured to be fastest here; by default the last. */
  readonly prefer?: (kernel: Kernel, call: Call) => string | undefined;
  /** How generated code computes and what an element is; float32 unless given. The library's kernels have to be written for it. */
  readonly arithmetic?: Arithmetic;
  /** Inputs that are float32 whatever the arithmetic: data that has no more digits. */
  readonly singles?: readonly string[];
}

export interface Binding {
  readonly slot: number;
  readonly access: 'read' | 'read_write';
}

export interface PlannedDispatch {
  /** Where its values come from on the tape. */
  readonly scope: string;
  /** Kernel names and versions, or `generated`. */
  readonly kernel: string;
  readonly code: string;
  readonly bindings: readonly Binding[];
  /** What the shader knows as `at`: starts of operands in elements and uniforms. */
  readonly offsets: readonly number[];
  /** Whether they go with the commands rather than in a buffer. */
  readonly immediate: boolean;
  readonly workgroups: readonly [number, number, number];
  readonly flops: number;
  readonly bytes: number;
}

export interface Slot {
  readonly elements: number;
  /** Float32 to an element; one unless stated. */
  readonly words?: number;
  /** Input or output names that live here, else temporaries. */
  readonly names: readonly string[];
}

export interface PlannedValue {
  readonly slot: number;
  readonly at: number;
  readonly shape: Shape;
}

/** A kernel call of a plan and the version that serves it. */
export interface PlannedCall {
  readonly kernel: string;
  readonly call: Call;
  readonly version: string;
}

export interface Plan {
  /** In the order of their dispatches. */
  readonly calls: readonly PlannedCall[];
  readonly dispatches: readonly PlannedDispatch[];
  readonly slots: readonly Slot[];
  readonly inputs: Readonly<Record<string, PlannedValue>>;
  readonly outputs: Readonly<Record<string, PlannedValue>>;
  readonly state: Readonly<Record<string, string>>;
  /** The graph that was compiled, after expansion and simplification. */
  readonly graph: Graph;
}
