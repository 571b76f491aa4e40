/**
 * What a handwritten kernel is. A kernel means a tape: it implements a composite of the same name, and the composite's
 * body stays the definition. Remove a kernel from the library and the body is compiled instead; nothing else changes.
 */
import { UserError } from '../tape/error.ts';
import type { Helper } from '../tape/ops.ts';
import { type Shape, sizeOf } from '../tape/shape.ts';
import type { Params, Var } from '../tape/tape.ts';
import { type Element, wordsOf } from './arithmetic.ts';
import { type Code, type Index, u32 } from './wgsl.ts';

/** How one tensor lies in its buffer: element (i,j,..) is at `at + i*strides[0] + j*strides[1] + ...`, in elements. */
export interface Layout {
  readonly shape: Shape;
  readonly strides: readonly number[];
  /** What an element is; f32 unless stated. */
  readonly of?: Element;
}

/** One use of a kernel: the composite's parameters and how its operands lie in memory. Offsets arrive at run time. */
export interface Call<P extends Params = Params> {
  readonly params: P;
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
  /** Bytes that a dispatch can be told with its commands, without a buffer; none unless stated. */
  readonly immediates?: number;
  /** A CPU that plays a GPU (llvmpipe, SwiftShader): lanes are SIMD lanes, workgroup memory is ordinary memory. */
  readonly software: boolean;
}

/** Which tensor a grid binds: an operand of the call or a temporary of the build, whole or from an element on. */
export type Operand = ({ readonly input: number } | { readonly output: number } | { readonly scratch: number }) & {
  /** Elements to skip. */
  readonly from?: number;
  /** How the grid sees it, where that is not how the call has it. */
  readonly as?: Layout;
};

/** An array in workgroup memory. */
export interface SharedArray {
  readonly of: Element | 'vec4f';
  readonly length: number;
}

/**
 * An operand in code: `S('batch', 0, 'k', 'n')` is its element there, one index for each axis. An array in workgroup
 * memory has one axis.
 */
export interface Tensor {
  (...indices: readonly Index[]): string;
  /** Where it starts in its buffer, a u32. */
  readonly start: string;
  /** An element of its buffer. */
  readonly flat: (address: string) => string;
}

/**
 * A grid of workgroups that run one piece of code. `code` is the body of a function, run by every invocation, with
 * `group: vec3u` (the workgroup), `thread: u32` (the invocation within it) and, where `subgroups` is set, `lane: u32`
 * (the invocation within its subgroup) in scope. It receives its operands, arrays in workgroup memory and uniforms by
 * name. The compiler writes the rest of the shader, and may let one dispatch run several grids.
 */
export interface Grid {
  readonly label?: string;
  /** Operands by name; one that this call has no use for is undefined and takes no binding. */
  readonly reads: Readonly<Record<string, Operand | undefined>>;
  readonly writes: Readonly<Record<string, Operand | undefined>>;
  /** Arrays in workgroup memory. */
  readonly shared?: Readonly<Record<string, SharedArray>>;
  /** Numbers (u32) that are no part of the code: what differs between calls that are to share a pipeline. */
  readonly uniforms?: Readonly<Record<string, number>>;
  /** Functions beyond WGSL's own that the code calls. */
  readonly helpers?: readonly Helper[];
  /** Whether the code has barriers: its workgroups cannot be parts of larger ones. */
  readonly barriers?: boolean;
  readonly subgroups?: boolean;
  /** Invocations of a workgroup. */
  readonly threads: number;
  readonly groups: readonly [number, number, number];
  code(operands: Operands, uniforms: Readonly<Record<string, string>>): Code;
}

type Operands = Readonly<Record<string, Tensor>>;

/** A {@link Grid} whose code is checked to use the names that it declares, and no others. */
export function grid<R extends string, W extends string, S extends string = never, U extends string = never>(
  of: Omit<Grid, 'reads' | 'writes' | 'shared' | 'uniforms' | 'code'> & {
    readonly reads: { readonly [name in R]: Operand | undefined };
    readonly writes: { readonly [name in W]: Operand | undefined };
    readonly shared?: { readonly [name in S]: SharedArray };
    readonly uniforms?: { readonly [name in U]: number };
    code(operands: { readonly [name in R | W | S]: Tensor }, uniforms: { readonly [name in U]: string }): Code;
  },
): Grid {
  return of;
}

/**
 * Stages run in order; the grids of one stage do not depend on each other and run at once where they fit. `scratch`
 * gives the sizes in elements of temporaries shared between them.
 */
export interface Build {
  readonly stages: readonly (readonly Grid[])[];
  readonly scratch?: readonly number[];
}

export interface Version<P extends Params = Params> {
  readonly name: string;
  /** One sentence: why this version exists, what makes it fast and where. */
  readonly why: string;
  /** False where this call or adapter is outside what the version can do; limits of the device are checked besides. */
  supports(call: Call<P>, device: Capabilities): boolean;
  build(call: Call<P>, device: Capabilities): Build;
}

/** A kernel of a composite with parameters P. */
export interface Kernel<P extends Params = Params> {
  /** The composite's name, for instance `dense_jet` or `vjp(dense_jet)`. */
  readonly name: string;
  /** Appends the composite to the tape of its free inputs (shaped as in `cases`) and returns its outputs: the definition. */
  means(inputs: readonly Var[], params: P): Var[];
  /** Versions in rising cleverness; the first supports everything. */
  readonly versions: readonly Version<P>[];
  flops(call: Call<P>): number;
  /** Bytes that must move at least once: operands in, results out. */
  bytes(call: Call<P>): number;
  /** Cases for validation: parameters with input shapes; sizes of 1, primes, non-multiples of a tile included. */
  readonly cases: readonly { readonly params: P; readonly shapes: readonly Shape[] }[];
}

/** Bytes of all operands of a call, each once: what {@link Kernel.bytes} is where nothing is read in part. */
export function operandBytes({ inputs, outputs }: Call): number {
  return 4 * [...inputs, ...outputs].reduce((sum, { shape, of = 'f32' }) => sum + wordsOf(of) * sizeOf(shape), 0);
}

/** A tensor of a layout in the buffer of a name, from element `start`. */
export function tensor(buffer: string, start: string | null, layout: Layout): Tensor {
  const flat = (address: string) => `${buffer}[${address}]`;
  const element = (...indices: readonly Index[]) => flat(address(start, layout, indices));
  return Object.assign(element, { start: start ?? '0u', flat });
}

/** `start + i*stride + ...` with zero strides and unit extents left out. */
function address(start: string | null, layout: Layout, indices: readonly Index[]): string {
  const terms = indices.flatMap((index, axis) => {
    const stride = layout.strides[axis]!;
    if (stride === 0 || layout.shape[axis] === 1 || index === 0) return [];
    return [stride === 1 ? u32(index) : `(${u32(index)})*${stride}u`];
  });
  return [...(start === null ? [] : [start]), ...terms].join(' + ') || '0u';
}

/** A pinned version that the family does not have. */
export class UnknownVersionError extends UserError {
  override readonly name = 'UnknownVersionError';
  constructor(kernel: Kernel, version: string) {
    super(`${kernel.name} has no version ${version}; it has ${kernel.versions.map(({ name }) => name).join(', ')}`);
  }
}
