/**
 * Expressions of a graph as WGSL statements. Pointwise operations, windows and concats that are not stored are written
 * out, each once for every position where its value is needed; what is stored is loaded.
 */
import { axesOf, type Helper, isView, rowOf } from '../tape/ops.ts';
import type { Graph, Node, OpName } from '../tape/tape.ts';
import { type Arithmetic, isLiteral, type Numbers } from './arithmetic.ts';
import {
  addressOf,
  coordinates,
  type Index,
  indexText,
  keyOf,
  known,
  moved,
  type Position,
  reshaped,
  textOf,
} from './indices.ts';
import { isContiguous, type Place } from './layout.ts';
import type { Target } from './place.ts';
import { block, type Code, when } from './wgsl.ts';
import { windowOf } from './windows.ts';

/** What is known in one block of code: names by expression, and by node and position. */
type Known = Map<string, string>;

/** Writes WGSL statements for expressions of a graph. */
export class Expressions {
  /** What is the same for all invocations, loaded once and before any of them returns. */
  readonly head: Code[] = [];
  lines: Code[] = [];
  /** Functions that the statements call. */
  readonly helpers = new Set<Helper>();
  /** Nodes that this code computes in registers, by node: only at the index `i`. */
  readonly inRegisters = new Map<number, string>();
  readonly computing: ReadonlySet<number>;
  /** Blocks that are open, the innermost last. */
  readonly #scopes: Known[] = [new Map()];
  readonly #constants: Known = new Map();
  readonly #graph: Graph;
  readonly #places: ReadonlyMap<number, Place>;
  readonly #bind: (root: number) => string;
  readonly #elementOf: Numbers['elementOf'];
  readonly arithmetic: Arithmetic;
  #names = 0;

  constructor(
    graph: Graph,
    places: ReadonlyMap<number, Place>,
    computing: ReadonlySet<number>,
    bind: (root: number) => string,
    { arithmetic, elementOf }: Numbers,
  ) {
    this.arithmetic = arithmetic;
    this.#elementOf = elementOf;
    this.#graph = graph;
    this.#places = places;
    this.computing = computing;
    this.#bind = bind;
  }

  line(code: Code): void {
    this.lines.push(code);
  }

  /** Runs `body` one block deeper; what it learns about values is forgotten afterwards. */
  block(head: string, body: () => void): void {
    this.line(block(head, this.#inside(body)));
  }

  /** The statements that `body` writes, in a scope of their own. */
  #inside(body: () => void): Code {
    const outer = this.lines;
    const lines: Code[] = [];
    this.lines = lines;
    this.#scopes.push(new Map());
    body();
    this.#scopes.pop();
    this.lines = outer;
    return lines;
  }

  /** A name for an expression; equal ones get one name. */
  readonly name = (prefix: string, expression: string): string => {
    const key = `${prefix}:${expression}`;
    const first = this.#find(key);
    if (first) return first;
    const name = `${prefix}${this.#names++}`;
    this.line(`let ${name} = ${expression};`);
    this.#learn(key, name);
    return name;
  };

  #find(key: string): string | undefined {
    for (let depth = this.#scopes.length - 1; depth >= 0; depth--) {
      const name = this.#scopes[depth]!.get(key);
      if (name !== undefined) return name;
    }
    return undefined;
  }

  #learn(key: string, name: string): void {
    this.#scopes.at(-1)!.set(key, name);
  }

  #load(place: Place, position: Position): string {
    const address = addressOf(place, position, this.name);
    const stored = `${this.#bind(place.root)}[${textOf(address)}]`;
    const expression = this.arithmetic.loaded(stored, this.#elementOf(place.root));
    return address.terms.length === 0 ? this.#once(expression) : this.name('v', expression);
  }

  /** Loads what does not depend on the invocation. */
  #once(expression: string): string {
    const first = this.#constants.get(expression);
    if (first) return first;
    const name = `u${this.#constants.size}`;
    this.head.push(`let ${name} = ${expression};`);
    this.#constants.set(expression, name);
    return name;
  }

  /** Where a node lies that is loaded: not one that this code computes, nor a constant. */
  #placeOf(id: number): Place | undefined {
    return this.computing.has(id) || this.#graph.nodes[id]!.op === 'constant' ? undefined : this.#places.get(id);
  }

  /** The gapless run of memory that node `id` shows, if it is a window of a stored value. */
  #runOf(id: number): Place | null {
    const windows: Node[] = [];
    let base = id;
    while (!this.#placeOf(base)) {
      const node = this.#graph.nodes[base]!;
      if (!isView(node) && node.op !== 'reshape') return null;
      windows.push(node);
      base = node.inputs[0]!;
    }
    let place: Place | null = this.#placeOf(base)!;
    for (const node of windows.reverse()) place = place && windowOf(node, place);
    return place && isContiguous(place) ? place : null;
  }

  /** The name or literal of the value of node `id` at a position. */
  value(id: number, position: Position): string {
    const key = keyOf(position);
    const own = key === 'i' && 'flat' in position;
    const ready = (node: number): string | undefined =>
      (own ? this.inRegisters.get(node) : undefined) ?? this.#find(`${node} ${key}`);
    const first = ready(id);
    if (first) return first;
    for (const node of this.#open(id, ready, 'flat' in position))
      this.#learn(`${node} ${key}`, this.#fetch(node, position));
    return ready(id)!;
  }

  /**
   * What `id` is computed from at its own index, as far as that is not `ready`: operands before results. Written without
   * recursion, since nothing but the length of the tape limits how many there are.
   */
  #open(id: number, ready: (node: number) => string | undefined, flat: boolean): number[] {
    const operandsOf = (node: number): readonly number[] => {
      const { op, inputs } = this.#graph.nodes[node]!;
      const { kind } = rowOf(op);
      return !this.#placeOf(node) && (kind === 'pointwise' || (flat && kind === 'reshape')) ? inputs : [];
    };
    const order: number[] = [];
    const seen = new Set([id]);
    const path = [{ node: id, operands: operandsOf(id), next: 0 }];
    for (let top = path.at(-1); top; top = path.at(-1)) {
      const operand = top.operands[top.next++];
      if (operand === undefined) {
        order.push(top.node);
        path.pop();
      } else if (!seen.has(operand) && ready(operand) === undefined) {
        seen.add(operand);
        path.push({ node: operand, operands: operandsOf(operand), next: 0 });
      }
    }
    return order;
  }

  #fetch(id: number, position: Position): string {
    const place = this.#placeOf(id);
    if (place) return this.#load(place, position);
    const run = 'flat' in position ? this.#runOf(id) : null;
    return run ? this.#load(run, position) : this.expression(id, position);
  }

  /** Like {@link value}, for a node that is to be computed here and now. */
  expression(id: number, position: Position): string {
    const node = this.#graph.nodes[id]!;
    const inner = node.inputs[0]!;
    if (isView(node)) {
      const at = coordinates(position, node.shape, this.name);
      const axes = axesOf(node, this.#graph.nodes[inner]!.shape);
      return this.value(inner, {
        at: axes.map(({ axis, start }) => (axis === null ? known(start) : moved(at[axis]!, start))),
      });
    }
    if (node.op === 'constant') return this.constant(node.params.value);
    if (node.op === 'concat') return this.#concat(node, coordinates(position, node.shape, this.name));
    if (node.op === 'reshape') {
      if ('flat' in position) return this.value(inner, position);
      const to = this.#graph.nodes[inner]!.shape;
      return this.value(inner, { at: reshaped(position.at, node.shape, to, this.name) });
    }
    if (rowOf(node.op).kind !== 'pointwise') throw new Error(`${node.op} is not computed by generated code`);
    this.calls(node.op);
    const operands = node.inputs.map((k) => this.value(k, position));
    return this.name('v', this.arithmetic.pointwise(node.op, operands));
  }

  constant(value: number): string {
    if (!isLiteral(value)) this.helpers.add('bits');
    return this.arithmetic.literal(value);
  }

  /** Notes the helper that the spelling of an operation calls. */
  calls(op: OpName): void {
    const helper = this.arithmetic.helper?.(op);
    if (helper) this.helpers.add(helper);
  }

  #concat(node: Node<'concat'>, at: readonly Index[]): string {
    const { axis } = node.params;
    const c = at[axis]!;
    let start = 0;
    const parts = node.inputs.map((part) => {
      const from = start;
      start += this.#graph.nodes[part]!.shape[axis]!;
      const inside = at.map((other, a) => (a === axis ? moved(c, -from) : other));
      return { stop: start, value: () => this.value(part, { at: inside }) };
    });
    if (c.name === null) return parts.find(({ stop }) => c.plus < stop)!.value();
    const result = `w${this.#names++}`;
    this.line(`var ${result}: ${this.arithmetic.element};`);
    const cases = parts.map(({ stop, value }) => ({
      condition: `${indexText(c)} < ${stop}u`,
      body: this.#inside(() => this.line(`${result} = ${value()};`)),
    }));
    const last = cases.pop()!;
    this.line(cases.reduceRight((otherwise, { condition, body }) => when(condition, body, otherwise), last.body));
    return result;
  }

  store({ to }: Target, value: string, position: Position): void {
    this.line(`${this.#bind(to.root)}[${textOf(addressOf(to, position, this.name))}] = ${value};`);
  }
}
