/** Kernel calls of a graph: which version serves each, and its pieces of work. */
import type { Graph, Node, Params } from '../tape/tape.ts';
import type { Arithmetic, Element, Numbers } from './arithmetic.ts';
import { dotProduct } from './dot.ts';
import { buildFor, gridCode, hasStart, layoutOf, operandsOf } from './grids.ts';
import {
  type Build,
  type Call,
  type Grid,
  type Kernel,
  type Layout,
  type Operand,
  UnknownVersionError,
  type Version,
} from './kernel.ts';
import type { Place } from './layout.ts';
import type { KernelCall } from './place.ts';
import type { CompileOptions, PlannedCall } from './plan.ts';
import type { Piece } from './shader.ts';

/**
 * Which version a call takes, and what that does: the pinned one, else the preferred one, else the last that can do it.
 * One that cannot do the call on the device is passed over. Throws {@link UnknownVersionError} where a pinned one does
 * not exist, or none can.
 */
function chooseVersion(
  kernel: Kernel,
  call: Call,
  { device, versions, prefer }: Omit<CompileOptions, 'library'>,
): { version: Version; build: Build } {
  const pinned = versions?.[kernel.name];
  if (pinned !== undefined && !kernel.versions.some(({ name }) => name === pinned))
    throw new UnknownVersionError(kernel, pinned);
  const wanted = [pinned, prefer?.(kernel, call)].flatMap((name) =>
    kernel.versions.filter((each) => each.name === name),
  );
  for (const version of [...wanted, ...kernel.versions.toReversed()]) {
    const build = buildFor(version, call, device);
    if (build) return { version, build };
  }
  throw new UnknownVersionError(kernel, pinned ?? 'that this device can run for this call');
}

/** The kernel that a node asks for by name, and its parameters. */
export function calledBy(node: Node): { readonly name: string; readonly params: Params } {
  if (node.op === 'matmul') return { name: node.op, params: node.params };
  if (node.op === 'composite') return { name: node.params.name, params: node.params.args };
  throw new TypeError(`${node.op} is no kernel call`);
}

/** Which version serves a call, and its pieces by stage. */
export function kernelPieces(
  graph: Graph,
  call: KernelCall,
  options: CompileOptions,
  scratch: (elements: number) => number,
  { arithmetic, elementOf }: Numbers,
): { planned: PlannedCall; stages: Piece[][] } {
  const node = graph.nodes[call.node]!;
  const { name, params } = calledBy(node);
  const kernel: Kernel = options.library.find((candidate) => candidate.name === name) ?? dotProduct;
  const layout = ({ shape, strides, root }: Place): Layout => {
    const of = elementOf(root);
    return of === 'f32' ? { shape, strides } : { shape, strides, of };
  };
  const use: Call = { params, inputs: call.inputs.map(layout), outputs: call.outputs.map(layout) };
  const { version, build } = chooseVersion(kernel, use, options);
  const between = (build.scratch ?? []).map((elements) => scratch(elements));
  const place = (operand: Operand): Placed => {
    const { root, at } =
      'scratch' in operand
        ? { root: between[operand.scratch]!, at: 0 }
        : 'input' in operand
          ? call.inputs[operand.input]!
          : call.outputs[operand.output]!;
    return { root, at: hasStart(operand) ? at + (operand.from ?? 0) : null, of: elementOf(root) };
  };
  const stages = build.stages.map((grids, stage) =>
    grids.map((grid, k): Piece => {
      const first = stage === 0 && k === 0;
      return {
        ...pieceOf(grid, place, (operand) => layoutOf(operand, use, build.scratch), arithmetic),
        scopes: [node.scope],
        kernel: `${name}.${version.name}`,
        flops: first ? kernel.flops(use) : 0,
        bytes: first ? kernel.bytes(use) : 0,
      };
    }),
  );
  return { planned: { kernel: name, call: use, version: version.name }, stages };
}

/** Where an operand lies: from element `at` of a root buffer, or at its start where the code does not ask. */
interface Placed {
  readonly root: number;
  readonly at: number | null;
  readonly of: Element;
}

/** A grid over the places of its operands, opened as the program's arithmetic wants it. */
function pieceOf(
  grid: Grid,
  place: (operand: Operand) => Placed,
  layout: (operand: Operand) => Layout,
  { prelude, opening = [], uniforms }: Arithmetic,
): Omit<Piece, 'scopes' | 'kernel' | 'flops' | 'bytes'> {
  const bind = (operands: Grid['reads'], access: 'read' | 'read_write') =>
    operandsOf(operands).map(([label, operand]) => ({ label, access, ...place(operand) }));
  const { reads, writes, ...rest } = grid;
  return {
    ...rest,
    ...(prelude === undefined ? {} : { prelude }),
    uniforms: { ...uniforms, ...grid.uniforms },
    bound: [...bind(reads, 'read'), ...bind(writes, 'read_write')],
    code: (names) => [opening, gridCode(grid, names, layout)],
  };
}
