/** A plan from a shader written by hand, for measurements that no tape describes. */
import type { Plan, Shape } from '../engine/index.ts';

export interface Shader {
  readonly name: string;
  readonly code: string;
  /** Buffers in order of their bindings: name, length in f32 and whether the shader writes it. */
  readonly buffers: readonly { readonly name: string; readonly elements: number; readonly written: boolean }[];
  readonly workgroups: readonly [number, number, number];
  /** Floating-point operations of one dispatch. */
  readonly flops: number;
  /** Bytes that one dispatch moves. */
  readonly bytes: number;
}

export function planOf({ name, code, buffers, workgroups, flops, bytes }: Shader): Plan {
  const values = buffers.map(
    ({ name, elements }, slot) => [name, { slot, at: 0, shape: [elements] as Shape }] as const,
  );
  const which = (written: boolean) => Object.fromEntries(values.filter((_, k) => buffers[k]!.written === written));
  return {
    calls: [],
    dispatches: [
      {
        scope: 'bench',
        kernel: name,
        code,
        bindings: buffers.map(({ written }, slot) => ({ slot, access: written ? 'read_write' : 'read' })),
        offsets: [],
        immediate: false,
        workgroups,
        flops,
        bytes,
      },
    ],
    slots: buffers.map(({ name, elements }) => ({ elements, names: [name] })),
    inputs: which(false),
    outputs: which(true),
    state: {},
    graph: { nodes: [], inputs: [], outputs: [] },
  };
}
