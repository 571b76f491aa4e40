/** What "Look inside" shows of a trace, one view a function. */
import type { Graph, Plan } from '../../engine/index.ts';
import { el, tableOf } from '../shared/dom.ts';
import type { Highlight, Line } from './highlight.ts';
import { nodesOfLines } from './lines.ts';
import { type Pass, sentenceOf, shownNodes } from './simplification.ts';
import { printed, stemOf, type Trace, tapeLines } from './trace.ts';
import type { InputValues } from './values.ts';

/** Six digits. */
export const show = (value: number): string =>
  Number.isFinite(value) ? String(Number(value.toPrecision(6))) : String(value);

const sourceLink = (path: string) => el('a', { href: `source/${path}.txt` }, path);

/** The first `shown` nodes of the tape, stage by stage, with where each came from and its value. */
export function tapeView(trace: Trace, highlight: Highlight, shown: number, values: readonly number[]): HTMLElement {
  const lines = tapeLines(trace);
  const stages = trace.stages
    .filter(({ from }, k) => k === 0 || from < shown)
    .map(({ title, sentence, source, from, to }) =>
      el(
        'section',
        { class: 'stage', 'aria-label': title },
        el('h3', {}, title),
        el('p', {}, sentence, ' ', sourceLink(source)),
        highlight.listing(
          title,
          lines.slice(from, Math.min(to, shown)).map((text, k): Line => {
            const id = from + k;
            const origin = trace.origins[id];
            const came = origin ? `from %${origin.id}` : '';
            return { text, note: `= ${show(values[id]!)}  ${came}`.trimEnd(), ids: [id] };
          }),
        ),
      ),
    );
  return el('div', {}, ...stages);
}

/** A graph as printed, each line with the node it stems from. */
export function graphView(graph: Graph, pass: Pass, highlight: Highlight): HTMLElement {
  const ids = shownNodes(graph);
  const lines = printed(graph)
    .split('\n')
    .map((text, k): Line => {
      const id = ids[k];
      const stem = id === undefined ? undefined : stemOf(graph.nodes[id]!);
      return { text, ids: stem === undefined ? [] : [stem] };
    });
  return el('div', {}, el('p', {}, sentenceOf(pass)), highlight.listing('Graph after the pass', lines));
}

/** The dispatches in order, then their WGSL; every line with the nodes that it computes. */
export function scheduleView(plan: Plan, highlight: Highlight): HTMLElement {
  const ofLines = nodesOfLines(plan);
  const stems = (ids: readonly number[]) => [...new Set(ids.flatMap((id) => stemOf(plan.graph.nodes[id]!) ?? []))];
  const named = (slot: number) => plan.slots[slot]!.names.join(', ') || `temporary ${slot}`;
  const rows = plan.dispatches.map(({ bindings, workgroups }, k): Line => {
    const of = (kind: string) =>
      bindings.flatMap(({ access, slot }) => (access === kind ? [named(slot)] : [])).join(' ') || 'nothing';
    const ids = stems(ofLines[k]!.flat());
    return {
      text: `dispatch ${k}: ${ids.length} nodes, reads ${of('read')}, writes ${of('read_write')}`,
      note: `${workgroups.join('x')} workgroups`,
      ids,
    };
  });
  const count = plan.dispatches.length;
  return el(
    'div',
    {},
    el(
      'p',
      {},
      `Pointwise nodes that need each other at the same place are fused: ${count} ${count === 1 ? 'dispatch' : 'dispatches'}. What lies between stays in registers. `,
      sourceLink('engine/gpu/schedule.ts'),
    ),
    highlight.listing('Schedule', rows),
    ...plan.dispatches.map(({ code }, k) =>
      el(
        'div',
        {},
        el('h3', {}, `WGSL of dispatch ${k}`),
        highlight.listing(
          `WGSL of dispatch ${k}`,
          code.split('\n').map((text, line): Line => ({ text, ids: stems(ofLines[k]![line]!) })),
        ),
      ),
    ),
  );
}

/** Outputs in float64 and, where there is one, on the GPU. */
export function outputsView(
  trace: Trace,
  given: InputValues,
  exact: readonly number[],
  gpu: Float32Array | undefined,
): HTMLElement {
  const at = Object.keys(trace.inputs)
    .map((name) => `${name} = ${given[name] ?? 0}`)
    .join(', ');
  const rows = Object.entries(trace.outputs).map(([name, { id }]) => {
    const value = exact[id]!;
    const found = gpu?.[id];
    const difference = found === undefined ? '' : Math.abs(found - value).toExponential(1);
    return [name, `%${id}`, value.toPrecision(15), found === undefined ? 'no GPU' : found.toPrecision(9), difference];
  });
  return tableOf(`Values at ${at}`, ['', 'node', 'float64', 'float32 on the GPU', 'difference'], rows, [2, 3, 4]);
}
