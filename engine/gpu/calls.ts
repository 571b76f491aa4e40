/** Kernel calls of a graph: which version serves each, and the shaders of its dispatches. */
import type { Graph, Params } from '../tape/tape.ts';
import type { CompileOptions, Draft, PlannedCall } from './compile.ts';
import { dotProduct } from './dot.ts';
import { type Call, type Kernel, type Layout, type Operand, UnknownVersionError, type Version } from './kernel.ts';
import type { KernelCall } from './place.ts';
import { TANH_WGSL } from './tanh.ts';

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

export function kernelDrafts(
  graph: Graph,
  call: KernelCall,
  options: CompileOptions,
  sizes: Map<number, number>,
): { planned: PlannedCall; drafts: Draft[] } {
  const node = graph.nodes[call.node]!;
  const name = node.op === 'matmul' ? 'matmul' : (node.params['name'] as string);
  const params = (node.op === 'matmul' ? node.params : node.params['args']) as Params;
  const kernel = options.library.find((candidate) => candidate.name === name) ?? dotProduct;
  const layout = ({ shape, strides }: Layout): Layout => ({ shape, strides });
  const use: Call = { params, inputs: call.inputs.map(layout), outputs: call.outputs.map(layout) };
  const version = chooseVersion(kernel, use, options);
  const build = version.build(use, options.device);
  const scratch = (build.scratch ?? []).map((elements) => {
    const root = -1e6 - sizes.size;
    sizes.set(root, elements);
    return root;
  });
  const at = (operand: Operand): { root: number; at: number } =>
    'input' in operand
      ? call.inputs[operand.input]!
      : 'output' in operand
        ? call.outputs[operand.output]!
        : { root: scratch[operand.scratch]!, at: 0 };
  const drafts = build.dispatches.map((dispatch, k): Draft => {
    const operands = [
      ...Object.entries(dispatch.reads).map(([label, operand]) => ({ label, access: 'read' as const, ...at(operand) })),
      ...Object.entries(dispatch.writes).map(([label, operand]) => ({
        label,
        access: 'read_write' as const,
        ...at(operand),
      })),
    ];
    const roots = [...new Set(operands.map(({ root }) => root))].map((root) => {
      const sharing = operands.filter((operand) => operand.root === root);
      const access = sharing.some((operand) => operand.access === 'read_write') ? 'read_write' : 'read';
      return { root, access, labels: sharing.map(({ label }) => label) } as const;
    });
    const code = [
      ...(dispatch.subgroups ? ['enable subgroups;'] : []),
      `struct At { ${operands.map(({ label }) => `${label}: u32`).join(', ')} }`,
      '@group(0) @binding(0) var<uniform> at: At;',
      ...roots.map(
        ({ access, labels }, n) => `@group(0) @binding(${n + 1}) var<storage, ${access}> ${labels[0]}: array<f32>;`,
      ),
      ...(dispatch.code.includes('tapir_tanh') ? [TANH_WGSL] : []),
      roots.reduce((text, { labels }) => shareBinding(text, labels), dispatch.code),
    ].join('\n');
    return {
      scope: node.scope,
      kernel: `${name}.${version.name}${dispatch.label ? `/${dispatch.label}` : ''}`,
      code,
      roots: roots.map(({ root, access }) => ({ root, access })),
      offsets: operands.map((operand) => operand.at),
      workgroups: dispatch.workgroups,
      flops: k === 0 ? kernel.flops(use) : 0,
      bytes: k === 0 ? kernel.bytes(use) : 0,
    };
  });
  return { planned: { kernel: name, call: use, version: version.name }, drafts };
}

/** Operands in one buffer are one binding, as WebGPU demands; each keeps its own offset. */
function shareBinding(code: string, [first, ...others]: readonly string[]): string {
  return others.reduce((text, name) => text.replaceAll(new RegExp(`(?<!at\\.)\\b${name}\\[`, 'g'), `${first}[`), code);
}
