/**
 * Which node each line of generated WGSL computes. The lines are read with what the vocabulary knows: a line and a node
 * belong together where they spell the same expression of the same operands.
 */

import { literal } from '../../engine/gpu/arithmetic.ts';
import { type Node, ops, type Plan } from '../../engine/index.ts';

/** Equal expressions have equal tokens. */
class Tokens {
  readonly #known = new Map<string, string>();
  of(expression: string): string {
    const found = this.#known.get(expression) ?? `§${this.#known.size};`;
    this.#known.set(expression, found);
    return found;
  }
}

/** For every dispatch of a plan and every line of its code: nodes of the plan's graph. For tapes of single numbers. */
export function nodesOfLines(plan: Plan): number[][][] {
  const tokens = new Tokens();
  const byToken = new Map<string, number[]>();
  const expressions: string[] = [];
  plan.graph.nodes.forEach((node, id) => {
    expressions[id] = expressionOf(node, expressions, tokens, id);
    byToken.set(expressions[id]!, [...(byToken.get(expressions[id]!) ?? []), id]);
  });
  const memory = new Map(
    Object.values(plan.inputs).map(({ slot }, k) => [slot, expressions[plan.graph.inputs[k]!]!] as const),
  );
  return plan.dispatches.map(({ code, bindings, offsets }) => {
    const slots = new Map<string, number>();
    let names = new Map<string, string>();
    const value = (expression: string): string => {
      const [, buffer] = /^(\w+)\[[^\]]*\]$/.exec(expression) ?? [];
      if (buffer !== undefined) return memory.get(slots.get(buffer) ?? -1) ?? tokens.of(expression);
      const replaced = expression.replace(/\b[a-z]+\d+\b/g, (name) => names.get(name) ?? name);
      return /^(?:§\d+;|[\d.e-]+)$/.test(replaced) ? replaced : tokens.of(replaced);
    };
    return code.split('\n').map((line): number[] => {
      const [, binding, bound] = /@binding\((\d+)\) var<storage, \w+> (\w+):/.exec(line) ?? [];
      if (bound !== undefined) slots.set(bound, bindings[Number(binding) - (offsets.length > 0 ? 1 : 0)]!.slot);
      if (/^\s*fn /.test(line)) names = new Map();
      const [, name, made] = /^\s*let (\w+) = (.*);$/.exec(line) ?? [];
      if (made !== undefined) {
        names.set(name!, value(made));
        return byToken.get(names.get(name!)!) ?? [];
      }
      const [, target, stored] = /^\s*(\w+)\[[^\]]*\] = (.*);$/.exec(line) ?? [];
      if (stored === undefined || !slots.has(target!)) return [];
      memory.set(slots.get(target!)!, value(stored));
      return byToken.get(value(stored)) ?? [];
    });
  });
}

function expressionOf(
  { op, inputs, params }: Node,
  expressions: readonly string[],
  tokens: Tokens,
  id: number,
): string {
  const row = ops[op];
  const operands = inputs.map((k) => expressions[k]!);
  if (op === 'constant') return literal(params['value'] as number);
  if (row.kind === 'pointwise') return tokens.of((row.wgsl as (...x: string[]) => string)(...operands));
  // Views of a single number show that number.
  if (row.kind === 'view' || row.kind === 'reshape') return operands[0]!;
  return tokens.of(`${op} ${id} of ${operands}`);
}
