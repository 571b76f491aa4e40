/** A graph as aligned text: `%7  f32[2,64]  tanh %6  | layer 1`. */
import { show } from './shape.ts';
import { type Graph, type Param, reachable } from './tape.ts';

/** Prints the nodes that the outputs need, renumbered from 0; bodies of composites follow, each once. */
export function print(graph: Graph): string {
  const bodies = new Map<string, Graph>();
  const text = table(graph, bodies);
  const printed = new Set<string>();
  const parts = [text];
  for (const [title, body] of bodies) {
    if (printed.has(title)) continue;
    printed.add(title);
    parts.push(`\n${title} =\n${table(body, bodies)}`);
  }
  return parts.join('\n');
}

function table(graph: Graph, bodies: Map<string, Graph>): string {
  const needed = reachable(graph);
  const names = new Map<number, string>();
  const rows: string[][] = [];
  graph.nodes.forEach((node, id) => {
    if (!needed[id]) return;
    names.set(id, `%${names.size}`);
    const { body, name, shape: _, args, ...rest } = node.params;
    const operands = node.inputs.map((k) => names.get(k) ?? '?').join(' ');
    const label = node.op === 'composite' ? `${name}${settings(args as Record<string, Param>)}` : settings(rest);
    if (body)
      bodies.set(
        `${name}${settings(args as Record<string, Param>)} ${node.inputs.map((k) => show(graph.nodes[k]!.shape)).join(' ')}`,
        body as Graph,
      );
    const what = node.op === 'input' ? `input ${name}` : [node.op, operands, label].filter(Boolean).join(' ');
    const shape = node.op === 'composite' ? '' : show(node.shape);
    rows.push([names.get(id)!, shape, what, node.scope && `| ${node.scope}`]);
  });
  rows.push(['', '', `-> ${graph.outputs.map((id) => names.get(id)).join(' ')}`, '']);
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, k) => (k < 3 ? cell.padEnd(widths[k]!) : cell))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function settings(params: Record<string, Param>): string {
  const show = (value: Param): string =>
    Array.isArray(value)
      ? `[${value}]`
      : typeof value === 'object'
        ? settings(value as Record<string, Param>)
        : String(value);
  const entries = Object.entries(params).map(([key, value]) => `${key}=${show(value)}`);
  return entries.length > 0 ? `{${entries.join(' ')}}` : '';
}
