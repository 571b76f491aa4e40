/**
 * What a handwritten kernel is. A kernel means a tape: it implements a composite of the same name, and the composite's
 * body stays the definition. Remove a kernel from the library and the body is compiled instead; nothing else changes.
 */
import { UserError } from '../tape/error.ts';
import { type Shape, sizeOf } from '../tape/shape.ts';
import type { Params, Var } from '../tape/tape.ts';
import { type Element, wordsOf } from './arithmetic.ts';

/** How one tensor lies in its buffer: element (i,j,..) is at `at + i*strides[0] + j*strides[1] + ...`, in elements. */
export interface Layout {
  readonly shape: Shape;
  readonly strides: readonly number[];
  /** What an element is; f32 unless stated. */
  readonly of?: Element;
}

/** One use of a kernel: the composite's parameters and how its operands lie in memory. Offsets arrive at run time. */
export interface Call {
  readonly params: Params;
  readonly inputs: readonly Layout[];
  readonly outputs: readonly Layout[];
}

/** What an adapter offers, as far as a version may depend on it. */
export interface Capabilities {
  readonly subgroups: boolean;
  readonly subgroupMinSize: number;
  readonly subgroupMaxSize: number;
  readonly workgroupMemory: number;
  readonly maxInvocations: number;
  readonly maxStorageBuffers: number;
  /** A CPU that plays a GPU (llvmpipe, SwiftShader): lanes are SIMD lanes, workgroup memory is ordinary memory. */
  readonly software: boolean;
}

/** Lanes of a CPU that plays a GPU with subgroups of one known size: its SIMD lanes. 0 for other adapters. */
export function simdLanes({ software, subgroups, subgroupMinSize, subgroupMaxSize }: Capabilities): number {
  return software && subgroups && subgroupMinSize === subgroupMaxSize && subgroupMaxSize >= 4 ? subgroupMaxSize : 0;
}

export type Operand = { readonly input: number } | { readonly output: number } | { readonly scratch: number };

/** An array in workgroup memory. */
export interface SharedArray {
  readonly of: Element | 'vec4f';
  readonly length: number;
}

/**
 * A grid of workgroups that run one piece of code. `code` is the body of a function, run by every invocation, with
 * `group: vec3u` (the workgroup), `thread: u32` (the invocation within it) and, where `subgroups` is set, `lane: u32`
 * (the invocation within its subgroup) in scope. `reads` and `writes` name operands: each is an array of that
 * name that starts at element `at.NAME`, so that calls which differ only in offsets share one pipeline. The compiler
 * writes the rest of the shader, and may let one dispatch run several grids.
 */
export interface Grid {
  readonly label?: string;
  readonly reads: Readonly<Record<string, Operand>>;
  readonly writes: Readonly<Record<string, Operand>>;
  readonly code: string;
  /** Invocations of a workgroup. */
  readonly threads: number;
  readonly groups: readonly [number, number, number];
  readonly shared?: Readonly<Record<string, SharedArray>>;
  readonly subgroups?: boolean;
  /** Numbers (u32) that the code reads as `at.NAME`: what differs between calls that are to share a pipeline. */
  readonly uniforms?: Readonly<Record<string, number>>;
}

/**
 * Stages run in order; the grids of one stage do not depend on each other and run at once where they fit. `scratch`
 * gives the sizes in elements of temporaries shared between them.
 */
export interface Build {
  readonly stages: readonly (readonly Grid[])[];
  readonly scratch?: readonly number[];
}

export interface Version {
  readonly name: string;
  /** One sentence: why this version exists, what makes it fast and where. */
  readonly why: string;
  /** False where this call or adapter is outside what the version can do. */
  supports(call: Call, device: Capabilities): boolean;
  build(call: Call, device: Capabilities): Build;
}

export interface Kernel {
  /** The composite's name, for instance `dense_jet` or `vjp(dense_jet)`. */
  readonly name: string;
  /** Appends the composite to the tape of its free inputs (shaped as in `cases`) and returns its outputs: the definition. */
  means(inputs: readonly Var[], params: Params): Var[];
  /** Versions in rising cleverness; the first supports everything. */
  readonly versions: readonly Version[];
  flops(call: Call): number;
  /** Bytes that must move at least once: operands in, results out. */
  bytes(call: Call): number;
  /** Cases for validation: parameters with input shapes; sizes of 1, primes, non-multiples of a tile included. */
  readonly cases: readonly { readonly params: Params; readonly shapes: readonly Shape[] }[];
}

/** Bytes of all operands of a call, each once: what {@link Kernel.bytes} is where nothing is read in part. */
export function operandBytes({ inputs, outputs }: Call): number {
  return 4 * [...inputs, ...outputs].reduce((sum, { shape, of = 'f32' }) => sum + wordsOf(of) * sizeOf(shape), 0);
}

/** `at.NAME + i*stride + ...` with zero strides and unit extents left out. */
export function address(name: string, layout: Layout, indices: readonly string[]): string {
  const terms = indices.flatMap((index, axis) => {
    const stride = layout.strides[axis]!;
    if (stride === 0 || layout.shape[axis] === 1 || index === '0u') return [];
    return [stride === 1 ? `${index}` : `(${index})*${stride}u`];
  });
  return [`at.${name}`, ...terms].join(' + ');
}

/** `NAME[address]`. */
export function element(name: string, layout: Layout, indices: readonly string[]): string {
  return `${name}[${address(name, layout, indices)}]`;
}

/** A pinned version that the family does not have. */
export class UnknownVersionError extends UserError {
  override readonly name = 'UnknownVersionError';
  constructor(kernel: Kernel, version: string) {
    super(`${kernel.name} has no version ${version}; it has ${kernel.versions.map(({ name }) => name).join(', ')}`);
  }
}
