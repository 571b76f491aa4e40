/**
 * The tape: an append-only list of nodes. A node is data (no closures), so it prints, hashes and compiles; its inputs
 * always stand before it, so one pass forwards evaluates and one pass backwards differentiates.
 */
import type { Shape } from './shape.ts';

export type Param = number | string | boolean | readonly number[] | readonly Shape[] | Graph | Params;
export interface Params {
  readonly [key: string]: Param;
}

/** The closed vocabulary; `ops.ts` holds one row for each name. */
export type OpName =
  | 'input'
  | 'constant'
  | 'neg'
  | 'exp'
  | 'log'
  | 'sin'
  | 'cos'
  | 'tanh'
  | 'sqrt'
  | 'add'
  | 'sub'
  | 'mul'
  | 'div'
  | 'less'
  | 'where'
  | 'slice'
  | 'broadcast'
  | 'transpose'
  | 'reshape'
  | 'concat'
  | 'sum'
  | 'max'
  | 'matmul'
  | 'composite'
  | 'pick';

export interface Node {
  readonly op: OpName;
  /** Indices of earlier nodes. */
  readonly inputs: readonly number[];
  readonly params: Params;
  readonly shape: Shape;
  /** Where the node comes from, for instance `residual.Ru (adjoint)`; carried to dispatches and timings. */
  readonly scope: string;
}

/** A closed piece of tape: the body of a composite, or what the compiler is given. */
export interface Graph {
  readonly nodes: readonly Node[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
}

/** A value on a tape. */
export class Var {
  readonly tape: Tape;
  readonly id: number;
  constructor(tape: Tape, id: number) {
    this.tape = tape;
    this.id = id;
  }
  get node(): Node {
    return this.tape.nodes[this.id]!;
  }
  get shape(): Shape {
    return this.node.shape;
  }
}

/** The shape of a primitive applied to nodes; throws ShapeError where they do not fit. */
export type ShapeRule = (op: OpName, inputs: readonly Node[], params: Params) => Shape;

/** Made by `newTape` of `ops.ts`, which knows the shape rules. */
export class Tape {
  readonly nodes: Node[] = [];
  readonly rule: ShapeRule;
  #scope = '';

  constructor(rule: ShapeRule) {
    this.rule = rule;
  }

  append(op: OpName, inputs: readonly Var[], params: Params = {}): Var {
    for (const v of inputs) if (v.tape !== this) throw new Error(`${op}: an operand is a value of another tape`);
    const shape = this.rule(
      op,
      inputs.map((v) => v.node),
      params,
    );
    this.nodes.push({ op, inputs: inputs.map((v) => v.id), params, shape, scope: this.#scope });
    return new Var(this, this.nodes.length - 1);
  }

  at(id: number): Var {
    return new Var(this, id);
  }

  /** Runs `build` with every node it appends marked as coming from `name`, inside the current scope. */
  scope<T>(name: string, build: () => T): T {
    return this.provenance(joinScope(this.#scope, name), build);
  }

  /** Like {@link scope}, with the whole scope given: derivatives and inlined bodies keep the place they stem from. */
  provenance<T>(scope: string, build: () => T): T {
    const outer = this.#scope;
    this.#scope = scope;
    try {
      return build();
    } finally {
      this.#scope = outer;
    }
  }
}

export function joinScope(outer: string, inner: string): string {
  return outer && inner ? `${outer}/${inner}` : outer || inner;
}

/** The graph of everything `outputs` may depend on, with the given inputs. Nodes keep their places on the tape. */
export function graphOf(inputs: readonly Var[], outputs: readonly Var[]): Graph {
  const tape = (outputs[0] ?? inputs[0])?.tape;
  return {
    nodes: tape ? tape.nodes.slice() : [],
    inputs: inputs.map((v) => v.id),
    outputs: outputs.map((v) => v.id),
  };
}

/** Which nodes the outputs depend on. */
export function reachable(graph: Graph): boolean[] {
  const needed = new Array<boolean>(graph.nodes.length).fill(false);
  for (const id of graph.outputs) needed[id] = true;
  for (let id = graph.nodes.length - 1; id >= 0; id--)
    if (needed[id]) for (const input of graph.nodes[id]!.inputs) needed[input] = true;
  return needed;
}

/**
 * Appends to `tape` the nodes of a graph that its outputs need, with `inputs` in place of the graph's inputs.
 * Returns where each node went (undefined: not needed); scopes are prefixed with `scope`.
 */
export function inlineNodes(tape: Tape, graph: Graph, inputs: readonly Var[], scope = ''): (Var | undefined)[] {
  const placed = new Array<Var | undefined>(graph.nodes.length).fill(undefined);
  graph.inputs.forEach((id, k) => {
    placed[id] = inputs[k];
  });
  const needed = reachable(graph);
  graph.nodes.forEach((node, id) => {
    if (!needed[id] || placed[id]) return;
    placed[id] = tape.provenance(joinScope(scope, node.scope), () =>
      tape.append(
        node.op,
        node.inputs.map((input) => placed[input]!),
        node.params,
      ),
    );
  });
  return placed;
}

/** {@link inlineNodes}, returning the graph's outputs. */
export function inline(tape: Tape, graph: Graph, inputs: readonly Var[], scope = ''): Var[] {
  const placed = inlineNodes(tape, graph, inputs, scope);
  return graph.outputs.map((id) => placed[id]!);
}
