/**
 * Expressions of a graph as WGSL statements. Pointwise operations, windows and concats that are not stored are written
 * out; what is stored is loaded.
 */
import { axesOf, type Helper, isView, rowOf } from '../tape/ops.ts';
import { matchRuns, type Shape, stridesOf } from '../tape/shape.ts';
import type { Graph, Node } from '../tape/tape.ts';
import type { Arithmetic, Element } from './arithmetic.ts';
import { isContiguous, type Place, reshapeOf, viewOf } from './layout.ts';
import type { Target } from './place.ts';
import { block, type Code } from './wgsl.ts';

/** Where an element is: by its row-major index within the node's shape, or by coordinates. */
export type Position = { readonly flat: string } | { readonly at: readonly string[] };

/** The arithmetic of a program, and what an element of each root buffer is. */
export interface Numbers {
  readonly arithmetic: Arithmetic;
  elementOf(root: number): Element;
}

/** Writes WGSL statements for expressions of a graph. */
export class Writer {
  /** What is the same for all invocations, loaded once and before any of them returns. */
  readonly head: Code[] = [];
  lines: Code[] = [];
  /** Functions that the statements call. */
  readonly helpers = new Set<Helper>();
  readonly known = new Map<string, string>();
  #names = 0;
  readonly #constants = new Map<string, string>();
  readonly #graph: Graph;
  readonly #places: ReadonlyMap<number, Place>;
  readonly #bind: (root: number) => string;
  readonly arithmetic: Arithmetic;
  readonly #elementOf: (root: number) => Element;
  /** Nodes that this segment computes in registers, by node: only at the segment's own index. */
  readonly inRegisters = new Map<number, string>();
  readonly computing: ReadonlySet<number>;

  constructor(
    graph: Graph,
    places: ReadonlyMap<number, Place>,
    computing: ReadonlySet<number>,
    bind: (root: number) => string,
    { arithmetic, elementOf }: Numbers,
  ) {
    this.#graph = graph;
    this.arithmetic = arithmetic;
    this.#elementOf = elementOf;
    this.#places = places;
    this.computing = computing;
    this.#bind = bind;
  }

  line(text: string): void {
    this.lines.push(text);
  }

  /** Runs `body` one block deeper; what it learns about values is forgotten afterwards. */
  block(head: string, body: () => void): void {
    const known = new Map(this.known);
    const lines = this.lines;
    this.lines = [];
    body();
    lines.push(block(head, this.lines));
    this.lines = lines;
    this.known.clear();
    for (const [key, name] of known) this.known.set(key, name);
  }

  name(prefix: string, expression: string): string {
    const key = `${prefix}:${expression}`;
    const known = this.known.get(key);
    if (known) return known;
    const name = `${prefix}${this.#names++}`;
    this.line(`let ${name} = ${expression};`);
    this.known.set(key, name);
    return name;
  }

  coordinates(position: Position, shape: Shape): readonly string[] {
    if ('at' in position) return position.at;
    return this.unflatten(position.flat, shape);
  }

  unflatten(flat: string, shape: Shape): string[] {
    const strides = stridesOf(shape);
    const first = shape.findIndex((extent) => extent > 1);
    return shape.map((extent, axis) => {
      if (extent === 1) return '0u';
      const quotient = strides[axis] === 1 ? flat : `${flat} / ${strides[axis]}u`;
      if (axis === first) return strides[axis] === 1 ? flat : this.name('c', quotient);
      return this.name('c', `(${quotient}) % ${extent}u`);
    });
  }

  address(place: Place, position: Position): string {
    const start = place.at === 0 ? [] : [`${place.at}u`];
    if ('flat' in position && isContiguous(place)) return [...start, position.flat].join(' + ');
    const terms = this.coordinates(position, place.shape).flatMap((c, axis) => {
      const stride = place.strides[axis]!;
      if (c === '0u' || stride === 0 || place.shape[axis] === 1) return [];
      return [stride === 1 ? c : `${c} * ${stride}u`];
    });
    return [...start, ...terms].join(' + ') || '0u';
  }

  load(place: Place, position: Position): string {
    const address = this.address(place, position);
    const stored = `${this.#bind(place.root)}[${address}]`;
    const expression = this.arithmetic.loaded(stored, this.#elementOf(place.root));
    return /^[\du +*]+$/.test(address) ? this.#once(expression) : this.name('v', expression);
  }

  #once(expression: string): string {
    const known = this.#constants.get(expression);
    if (known) return known;
    const name = `u${this.#constants.size}`;
    this.head.push(`let ${name} = ${expression};`);
    this.#constants.set(expression, name);
    return name;
  }

  /** The gapless run of memory that node `id` shows, if it is a window of a stored value. */
  #runOf(id: number): Place | null {
    const window = (k: number): Place | null => {
      const place = this.computing.has(k) ? undefined : this.#places.get(k);
      if (place) return place;
      const node = this.#graph.nodes[k]!;
      if (!isView(node) && node.op !== 'reshape') return null;
      const inner = window(node.inputs[0]!);
      return inner && (isView(node) ? viewOf(node, inner) : reshapeOf(inner, node.shape));
    };
    const place = window(id);
    return place && isContiguous(place) ? place : null;
  }

  /** The name or literal of the value of node `id` at a position. */
  value(id: number, position: Position): string {
    const register = 'flat' in position && position.flat === 'i' ? this.inRegisters.get(id) : undefined;
    if (register) return register;
    const place = this.computing.has(id) ? undefined : this.#places.get(id);
    if (place) return this.load(place, position);
    const run = 'flat' in position ? this.#runOf(id) : null;
    return run ? this.load(run, position) : this.expression(id, position);
  }

  /** Like {@link value}, for a node that is to be computed here and now. */
  expression(id: number, position: Position): string {
    const node = this.#graph.nodes[id]!;
    const inner = node.inputs[0]!;
    if (isView(node)) {
      const at = this.coordinates(position, node.shape);
      const axes = axesOf(node, this.#graph.nodes[inner]!.shape);
      return this.value(inner, {
        at: axes.map(({ axis, start }) => (axis === null ? `${start}u` : shifted(at[axis]!, start))),
      });
    }
    if (node.op === 'constant') return this.arithmetic.literal(node.params.value);
    if (node.op === 'concat') return this.#concat(node, this.coordinates(position, node.shape));
    if (node.op === 'reshape') {
      if ('flat' in position) return this.value(inner, position);
      return this.value(inner, { at: this.#reshaped(position.at, node.shape, this.#graph.nodes[inner]!.shape) });
    }
    const row = rowOf(node.op);
    if (row.kind !== 'pointwise') throw new Error(`${node.op} is not computed by generated code`);
    const helper = this.arithmetic.helper?.(node.op);
    if (helper) this.helpers.add(helper);
    const operands = node.inputs.map((k) => this.value(k, position));
    return this.name('v', this.arithmetic.pointwise(node.op, operands));
  }

  #reshaped(at: readonly string[], from: Shape, to: Shape): string[] {
    let axis = 0;
    return matchRuns(from, to).flatMap((run) => {
      const strides = stridesOf(run.from);
      const terms = run.from.flatMap((extent, k) => {
        const c = at[axis + k]!;
        return extent === 1 || c === '0u' ? [] : [strides[k] === 1 ? c : `${c} * ${strides[k]}u`];
      });
      axis += run.from.length;
      if (terms.length === 0) return run.to.map(() => '0u');
      const flat = terms.length === 1 ? terms[0]! : this.name('c', terms.join(' + '));
      return this.unflatten(/^\w+$/.test(flat) ? flat : `(${flat})`, run.to);
    });
  }

  #concat(node: Node<'concat'>, at: readonly string[]): string {
    const { axis } = node.params;
    const c = at[axis]!;
    const result = `w${this.#names++}`;
    this.line(`var ${result}: ${this.arithmetic.element};`);
    let start = 0;
    node.inputs.forEach((part, k) => {
      const stop = start + this.#graph.nodes[part]!.shape[axis]!;
      const last = k === node.inputs.length - 1;
      const first = k === 0;
      const from = start;
      this.block(`${first ? '' : 'else '}${last ? '' : `if (${c} < ${stop}u)`}`.trim(), () => {
        const inside = at.map((other, a) => (a === axis ? (from === 0 ? c : `(${c} - ${from}u)`) : other));
        this.line(`${result} = ${this.value(part, { at: inside })};`);
      });
      start = stop;
    });
    return result;
  }

  store(target: Target, value: string, position: Position): void {
    this.line(`${this.#bind(target.to.root)}[${this.address(target.to, position)}] = ${value};`);
  }
}

function shifted(c: string, start: number): string {
  if (start === 0) return c;
  return c === '0u' ? `${start}u` : `(${c} + ${start}u)`;
}
