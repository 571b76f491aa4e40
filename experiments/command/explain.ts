/** What was really built for a system's training step, as text. */
import { compile, graphOf, newTape, type Plan, print, reachable, simplify } from '../../engine/index.ts';
import { lossModel } from '../../systems/index.ts';
import { table } from '../show/table.ts';
import { stepSource, type TrainerOptions } from '../training/tapes.ts';
import { type Backend, compileOptions } from '../training/trainer.ts';

export const subjects = ['tape', 'adjoint', 'schedule', 'wgsl', 'memory'] as const;
export type Subject = (typeof subjects)[number];

export interface Explained extends Backend {
  readonly options: TrainerOptions;
}

export function explain(subject: Subject, { options, ...backend }: Explained): string {
  if (subject === 'tape') {
    const { total, inputs } = lossModel(newTape(), options.problem);
    return print(simplify(graphOf(Object.values(inputs), [total])));
  }
  const { source } = stepSource(options);
  if (subject === 'adjoint')
    return print(simplify(graphOf(Object.values(source.inputs), Object.values(source.outputs))));
  const plan = compile(source, compileOptions(backend));
  return { schedule, wgsl, memory }[subject](plan);
}

function schedule(plan: Plan): string {
  const rows = plan.dispatches.map(({ kernel, workgroups, flops, bytes, scope }, k) => [
    String(k),
    kernel,
    workgroups.join('x'),
    flops > 0 ? (flops / 1e6).toFixed(2) : '-',
    (bytes / 1024).toFixed(1),
    scope || '-',
  ]);
  const flops = plan.dispatches.reduce((sum, dispatch) => sum + dispatch.flops, 0);
  return [
    table(['', 'kernel', 'workgroups', 'MFLOP', 'KiB moved', 'scope'], rows, [0, 2, 3, 4]),
    '',
    `${rows.length} dispatches, ${(flops / 1e6).toFixed(1)} MFLOP in handwritten kernels, per step`,
  ].join('\n');
}

function wgsl(plan: Plan): string {
  const seen = new Map<string, number[]>();
  plan.dispatches.forEach(({ code }, k) => {
    seen.set(code, [...(seen.get(code) ?? []), k]);
  });
  return [...seen]
    .map(([code, uses]) => {
      const { kernel, scope } = plan.dispatches[uses[0]!]!;
      return `// dispatch ${uses.join(', ')}: ${kernel}${scope ? ` (${scope})` : ''}\n${code.trim()}\n`;
    })
    .join('\n');
}

function memory(plan: Plan): string {
  const { graph } = plan;
  const needed = reachable(graph).filter(Boolean).length;
  const rows = plan.slots.map(({ elements, names }, k) => [
    String(k),
    String(4 * elements),
    names.join(', ') || 'temporaries that never live at once',
  ]);
  const total = plan.slots.reduce((sum, { elements }) => sum + 4 * elements, 0);
  const spare = plan.slots.filter(({ names }) => names.length === 0);
  return [
    table(['buffer', 'bytes', 'holds'], rows, [0, 1]),
    '',
    `${rows.length} buffers, ${total} bytes; of these ${spare.length} shared by temporaries, ${spare.reduce((sum, { elements }) => sum + 4 * elements, 0)} bytes; ${needed} nodes`,
  ].join('\n');
}
