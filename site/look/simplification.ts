/** `simplify` one pass at a time. */
import { drop, fold, type Graph, merge, reachable } from '../../engine/index.ts';

export interface Pass {
  readonly name: 'start' | 'merge' | 'drop' | 'fold';
  readonly graph: Graph;
  /** Nodes on the list after the pass. */
  readonly nodes: number;
}

const about: Readonly<Record<Pass['name'], string>> = {
  start: 'Everything that was written and appended.',
  merge: 'Common subexpressions: nodes with equal operation, operands and parameters become one.',
  drop: 'Dead nodes: what no output needs leaves the list.',
  fold: 'Constant folding: arithmetic on constants, and additions of 0, products with 1 or 0, go.',
};

export const sentenceOf = ({ name }: Pass): string => about[name];

/** The passes in the order of `simplify`: the last graph is what it returns. */
export function simplificationOf(graph: Graph): Pass[] {
  const passes: Pass[] = [{ name: 'start', graph, nodes: graph.nodes.length }];
  const step = (name: Pass['name'], apply: (graph: Graph) => Graph) => {
    const next = apply(passes.at(-1)!.graph);
    passes.push({ name, graph: next, nodes: next.nodes.length });
  };
  step('merge', merge);
  step('drop', drop);
  for (;;) {
    const count = { folds: 0 };
    step('fold', (before) => fold(before, count));
    step('merge', merge);
    step('drop', drop);
    if (count.folds === 0) return passes;
  }
}

/** Ids of the nodes that `print` shows, in its order. */
export function shownNodes(graph: Graph): number[] {
  return reachable(graph).flatMap((needed, id) => (needed ? [id] : []));
}
