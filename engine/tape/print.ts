/** A graph as aligned text: `%7  f32[2,64]  tanh %6  | layer 1`. */
import { show } from './shape.ts';
import { type Graph, type Node, type Param, type Params, reachable } from './tape.ts';

/** Prints the nodes that the outputs need, renumbered from 0; bodies of composites follow, each once. */
export function print(graph: Graph): string {
  const bodies = new Map<Graph, string>();
  const parts = new Set([table(graph, bodies)]);
  // A map hands out what is added while it is walked through: bodies of bodies.
  for (const [body, title] of bodies) parts.add(`\n${title} =\n${table(body, bodies)}`);
  return [...parts].join('\n');
}

/** Columns that are aligned: number, shape, operation. */
const ALIGNED = [0, 1, 2];

function table(graph: Graph, bodies: Map<Graph, string>): string {
  const needed = reachable(graph);
  const names = new Map<number, string>();
  const rows: string[][] = [];
  graph.nodes.forEach((node, id) => {
    if (!needed[id]) return;
    names.set(id, `%${names.size}`);
    const operands = node.inputs.map((k) => names.get(k) ?? '?').join(' ');
    if (node.op === 'composite') {
      const shapes = node.inputs.map((k) => show(graph.nodes[k]!.shape)).join(' ');
      bodies.set(node.params.body, `${labelOf(node)} ${shapes}`);
    }
    const what = [node.op, operands, labelOf(node)].filter(Boolean).join(' ');
    const shape = node.op === 'composite' ? '' : show(node.shape);
    rows.push([names.get(id)!, shape, what, node.scope && `| ${node.scope}`]);
  });
  rows.push(['', '', `-> ${graph.outputs.map((id) => names.get(id)).join(' ')}`, '']);
  const widths = ALIGNED.map((column) => rows.reduce((most, row) => Math.max(most, row[column]!.length), 0));
  return rows
    .map((row) =>
      row
        .map((cell, k) => cell.padEnd(widths[k] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** What tells a node from others of its operation: the name of an input or composite, and parameters. */
function labelOf(node: Node): string {
  if (node.op === 'input') return node.params.name;
  if (node.op === 'composite') return `${node.params.name}${settings(node.params.args)}`;
  if (node.op === 'constant') return settings({ value: node.params.value });
  return 'shape' in node.params ? '' : settings(node.params);
}

function settings(params: Params): string {
  const shown = (value: Param): string =>
    typeof value !== 'object' ? String(value) : isList(value) ? `[${value}]` : settings(value);
  const entries = Object.entries(params).map(([key, value]) => `${key}=${shown(value)}`);
  return entries.length > 0 ? `{${entries.join(' ')}}` : '';
}

const isList = (value: Param): value is readonly number[] => Array.isArray(value);
