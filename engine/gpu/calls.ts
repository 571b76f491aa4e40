/** Kernel calls of a graph: which version serves each, and its pieces of work. */
import type { Graph, Node, Params } from '../tape/tape.ts';
import type { Arithmetic, Element, Numbers } from './arithmetic.ts';
import { dotProduct } from './dot.ts';
import {
  type Call,
  type Grid,
  type Kernel,
  type Layout,
  type Operand,
  tensor,
  UnknownVersionError,
  type Version,
} from './kernel.ts';
import type { Place } from './layout.ts';
import type { KernelCall } from './place.ts';
import type { CompileOptions, PlannedCall } from './plan.ts';
import type { Piece } from './shader.ts';

/**
 * Which version a call takes: the pinned one, else the preferred one, else the last that supports it. One that cannot do
 * the call is passed over. Throws {@link UnknownVersionError} where a pinned one does not exist.
 */
export function chooseVersion(
  kernel: Kernel,
  call: Call,
  { device, versions, prefer }: Omit<CompileOptions, 'library'>,
): Version {
  const pinned = versions?.[kernel.name];
  if (pinned !== undefined && !kernel.versions.some(({ name }) => name === pinned))
    throw new UnknownVersionError(kernel, pinned);
  for (const wanted of [pinned, prefer?.(kernel, call)]) {
    const version = kernel.versions.find(({ name }) => name === wanted);
    if (version?.supports(call, device)) return version;
  }
  const version = kernel.versions.findLast((candidate) => candidate.supports(call, device));
  if (!version) throw new UnknownVersionError(kernel, pinned ?? 'that supports this call');
  return version;
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
  sizes: Map<number, number>,
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
  const version = chooseVersion(kernel, use, options);
  const build = version.build(use, options.device);
  const scratch = (build.scratch ?? []).map((elements) => {
    const root = -1e6 - sizes.size;
    sizes.set(root, elements);
    return root;
  });
  const place = (operand: Operand): Placed => {
    if ('scratch' in operand) {
      const root = scratch[operand.scratch]!;
      return { root, at: null, layout: line(build.scratch![operand.scratch]!), of: elementOf(root) };
    }
    const placed = 'input' in operand ? call.inputs[operand.input]! : call.outputs[operand.output]!;
    return { root: placed.root, at: placed.at, layout: layout(placed), of: elementOf(placed.root) };
  };
  const stages = build.stages.map((grids, stage) =>
    grids.map((grid, k): Piece => {
      const first = stage === 0 && k === 0;
      return {
        ...pieceOf(grid, place, arithmetic),
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
  readonly layout: Layout;
  readonly of: Element;
}

/** A grid over the places of its operands, opened as the program's arithmetic wants it. */
function pieceOf(
  { reads, writes, code, ...grid }: Grid,
  place: (operand: Operand) => Placed,
  { prelude, opening = [], uniforms: own = {} }: Arithmetic,
): Omit<Piece, 'scopes' | 'kernel' | 'flops' | 'bytes'> {
  const bind = (operands: Grid['reads'], access: 'read' | 'read_write') =>
    Object.entries(operands).flatMap(([label, operand]) => (operand ? [{ label, access, ...place(operand) }] : []));
  const bound = [...bind(reads, 'read'), ...bind(writes, 'read_write')];
  const uniforms = Object.fromEntries(Object.keys(grid.uniforms ?? {}).map((label) => [label, `at.${label}`]));
  return {
    ...grid,
    ...(prelude === undefined ? {} : { prelude }),
    uniforms: { ...own, ...grid.uniforms },
    bound: bound.map(({ label, access, root, at, of }) => ({ label, access, root, at, of })),
    code: (names) => {
      const tensors = [
        ...bound.map(({ label, at, layout }) => ({ label, start: at === null ? null : `at.${label}`, layout })),
        ...Object.entries(grid.shared ?? {}).map(([label, { length }]) => ({
          label,
          start: null,
          layout: line(length),
        })),
      ];
      const operands = Object.fromEntries(
        tensors.map(({ label, start, layout }) => [label, tensor(names[label]!, start, layout)]),
      );
      return [opening, code(operands, uniforms)];
    },
  };
}

/** Elements one after the other. */
const line = (length: number): Layout => ({ shape: [length], strides: [1] });
