/** Grids of kernels: whether a device can run them, their code over the operands of a call. */
import {
  type Build,
  type Call,
  type Capabilities,
  type Grid,
  type Layout,
  type Operand,
  tensor,
  type Version,
} from './kernel.ts';
import { type Code, wgsl } from './wgsl.ts';

/** Bytes of an element in workgroup memory. */
export const BYTES = { f32: 4, vec2f: 8, vec4f: 16 } as const;

/** Bytes of workgroup memory of some arrays. */
export const bytesOfShared = (shared: NonNullable<Grid['shared']>): number =>
  Object.values(shared).reduce((sum, { of, length }) => sum + length * BYTES[of], 0);

/** What a version does with a call, or null where the call is none of its own or the device has too little for it. */
export function buildFor(version: Version, call: Call, device: Capabilities): Build | null {
  if (!version.supports(call, device)) return null;
  const build = version.build(call, device);
  return build.stages.flat().every((grid) => fitsDevice(grid, device)) ? build : null;
}

/** Whether a grid is within the limits of a device: invocations, workgroup memory, buffers, subgroups. */
export function fitsDevice({ threads, shared = {}, reads, writes, subgroups }: Grid, device: Capabilities): boolean {
  const buffers = [reads, writes].flatMap(Object.values).filter((operand) => operand !== undefined);
  return (
    threads <= device.maxInvocations &&
    bytesOfShared(shared) <= device.workgroupMemory &&
    buffers.length <= device.maxStorageBuffers &&
    (!subgroups || device.subgroups)
  );
}

/** How an operand lies; scratch is a line of elements unless the operand says otherwise. */
export function layoutOf(operand: Operand, call: Call, scratch: readonly number[] = []): Layout {
  if (operand.as) return operand.as;
  if ('scratch' in operand) return line(scratch[operand.scratch]!);
  return 'input' in operand ? call.inputs[operand.input]! : call.outputs[operand.output]!;
}

/** Elements one after the other. */
const line = (length: number): Layout => ({ shape: [length], strides: [1] });

/** Whether the code asks where an operand starts: scratch is the grid's own and starts at its beginning. */
export const hasStart = (operand: Operand): boolean => !('scratch' in operand) || operand.from !== undefined;

/** A grid's operands by name, those left out that a call has no use for. */
export const operandsOf = (operands: Grid['reads']): (readonly [string, Operand])[] =>
  Object.entries(operands).flatMap(([label, operand]) => (operand ? [[label, operand] as const] : []));

/** A grid's code. `names` says what the shader calls its buffers and arrays, `layout` how operands lie. */
export function gridCode(
  grid: Grid,
  names: Readonly<Record<string, string>>,
  layout: (operand: Operand) => Layout,
): Code {
  const { reads, writes, shared = {}, uniforms = {} } = grid;
  const tensors = operandsOf({ ...reads, ...writes }).map(([label, operand]) => [
    label,
    tensor(names[label]!, hasStart(operand) ? `at.${label}` : null, layout(operand)),
  ]);
  const arrays = Object.entries(shared).map(([label, { length }]) => [
    label,
    tensor(names[label]!, null, line(length)),
  ]);
  const values = Object.keys(uniforms).map((label) => [label, `at.${label}`]);
  return grid.code(Object.fromEntries([...tensors, ...arrays]), Object.fromEntries(values));
}

/** All that a build runs, as text: where it is the same, the same is computed. */
export function buildText({ stages, scratch = [] }: Build, call: Call): string {
  const grids = stages.map((stage) =>
    stage.map((grid) => {
      const labels = [...Object.keys({ ...grid.reads, ...grid.writes }), ...Object.keys(grid.shared ?? {})];
      const names = Object.fromEntries(labels.map((label) => [label, label]));
      return { ...grid, code: wgsl(gridCode(grid, names, (operand) => layoutOf(operand, call, scratch))) };
    }),
  );
  return JSON.stringify({ grids, scratch });
}
