/**
 * The tape: an append-only list of nodes. A node is data (no closures), so it prints, hashes and compiles; its inputs
 * always stand before it, so one pass forwards evaluates and one pass backwards differentiates.
 */
import { TapeError } from './error.ts';
import { type Shape, show } from './shape.ts';

/** What parametrises a composite's kernel: data of the kernel's own choosing. */
export type Param = number | string | boolean | readonly number[] | Params;
export interface Params {
  readonly [key: string]: Param;
}

export type Pointwise =
  | 'neg'
  | 'exp'
  | 'log'
  | 'sin'
  | 'cos'
  | 'tanh'
  | 'sqrt'
  | 'detach'
  | 'add'
  | 'sub'
  | 'mul'
  | 'div'
  | 'less'
  | 'where';
export type View = 'slice' | 'broadcast' | 'transpose';
export type Reduction = 'sum' | 'max';

/** The closed vocabulary: the parameters of each operation. `ops.ts` holds one row for each name. */
export interface ParamsOf extends Record<Pointwise, Readonly<Record<string, never>>> {
  input: { readonly name: string; readonly shape: Shape };
  constant: { readonly value: number; readonly shape: Shape };
  slice: { readonly axis: number; readonly start: number; readonly stop: number };
  /** The operand's shape is aligned to `shape` at the last axis. */
  broadcast: { readonly shape: Shape };
  /** Axis a of the result is axis perm[a] of the operand. */
  transpose: { readonly perm: readonly number[] };
  reshape: { readonly shape: Shape };
  concat: { readonly axis: number };
  /** The axes that are reduced; they stay with extent 1. */
  sum: { readonly axes: readonly number[] };
  max: { readonly axes: readonly number[] };
  /** Whether the last two axes of each operand are swapped first. */
  matmul: { readonly ta: boolean; readonly tb: boolean };
  /** `name` and `args` say which kernel may stand in for the body. */
  composite: {
    readonly name: string;
    readonly args: Params;
    readonly body: Graph;
    readonly derivative?: Derivative;
  };
  pick: { readonly index: number };
}

export type OpName = keyof ParamsOf;

/** Marks a composite that is the adjoint (`vjp`) or the tangent (`jvp`) of the composite named `of`. */
export interface Derivative {
  readonly mode: 'vjp' | 'jvp';
  readonly of: string;
}

/** An operation with its parameters, whatever it is applied to. */
export type Operation<K extends OpName = OpName> = {
  readonly [N in K]: { readonly op: N; readonly params: ParamsOf[N] };
}[K];

export type Node<K extends OpName = OpName> = Operation<K> & {
  /** Indices of earlier nodes. */
  readonly inputs: readonly number[];
  readonly shape: Shape;
  /** Where the node comes from, for instance `residual.Ru (adjoint)`; carried to dispatches and timings. */
  readonly scope: string;
};

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

/** The shape of an operation applied to nodes; throws ShapeError where they do not fit. */
export type ShapeRule = (operation: Operation, inputs: readonly Node[]) => Shape;

/** Made by `newTape` of `ops.ts`, which knows the shape rules. */
export class Tape {
  readonly nodes: Node[] = [];
  readonly rule: ShapeRule;
  #scope = '';

  constructor(rule: ShapeRule) {
    this.rule = rule;
  }

  append<K extends OpName>(op: K, inputs: readonly Var[], params: ParamsOf[K]): Var {
    // For any one K this is an operation, which TypeScript cannot conclude for all of them.
    return this.apply({ op, params } as Operation, inputs);
  }

  /** Appends an operation, say that of another node, on the given operands. */
  apply(operation: Operation, inputs: readonly Var[]): Var {
    for (const v of inputs) if (v.tape !== this) throw foreign(`${operation.op}: an operand`, v);
    const own = frozen(operation);
    const shape = this.rule(
      own,
      inputs.map((v) => v.node),
    );
    const operands = inputs.map((v) => v.id);
    this.nodes.push(
      Object.freeze({ ...own, inputs: Object.freeze(operands), shape: Object.freeze(shape), scope: this.#scope }),
    );
    return new Var(this, this.nodes.length - 1);
  }

  at(id: number): Var {
    if (!this.nodes[id]) throw new TapeError(`there is no node ${id}; the tape has ${this.nodes.length}`);
    return new Var(this, id);
  }

  /** Runs `build` with every node it appends marked as coming from `name`, inside the current scope. */
  scope<T>(name: string, build: () => T): T {
    return this.provenance(joinScope(this.#scope, name), build);
  }

  /** Like {@link Tape.scope}, with the whole scope given: derivatives and inlined bodies keep the place they stem from. */
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

/** A value in words: its number, what it is, where it was written. */
export function describe({ id, node }: Var): string {
  const name = node.op === 'input' || node.op === 'composite' ? ` ${node.params.name}` : '';
  return `%${id} ${node.op}${name} ${show(node.shape)}${node.scope && ` of ${node.scope}`}`;
}

function foreign(what: string, v: Var): TapeError {
  return new TapeError(`${what} is a value of another tape: ${describe(v)}`, {
    remedy: 'write everything on one tape; the body of a composite uses only what it is handed',
  });
}

/** The one tape that values live on. Throws {@link TapeError} where one lives on another, or where there is none. */
export function tapeOf(what: string, [first, ...others]: readonly Var[]): Tape {
  if (!first) throw new TapeError(`${what} needs at least one value`);
  for (const v of others) if (v.tape !== first.tape) throw foreign(what, v);
  return first.tape;
}

/** A copy that nobody can change, down to the last list; what is frozen already serves as it is. */
function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  const copy = Array.isArray(value)
    ? value.map(frozen)
    : Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, frozen(inner)]));
  return Object.freeze(copy) as T;
}

/** The graph of everything `outputs` may depend on, with the given inputs. Nodes keep their places on the tape. */
export function graphOf(inputs: readonly Var[], outputs: readonly Var[]): Graph {
  const all = [...outputs, ...inputs];
  return Object.freeze({
    nodes: Object.freeze(all.length > 0 ? tapeOf('a value of the graph', all).nodes.slice() : []),
    inputs: Object.freeze(inputs.map((v) => v.id)),
    outputs: Object.freeze(outputs.map((v) => v.id)),
  });
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
  if (inputs.length !== graph.inputs.length)
    throw new TapeError(`the graph takes ${graph.inputs.length} inputs, not ${inputs.length}`);
  graph.inputs.forEach((id, k) => {
    placed[id] = inputs[k];
  });
  const needed = reachable(graph);
  graph.nodes.forEach((node, id) => {
    if (!needed[id] || placed[id]) return;
    placed[id] = tape.provenance(joinScope(scope, node.scope), () =>
      tape.apply(
        node,
        node.inputs.map((input) => placed[input]!),
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
