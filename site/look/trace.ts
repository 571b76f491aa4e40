/**
 * A tape whose growth is recorded: what was written, what each derivative appended, and which node each appended node
 * came from. Every node's scope is set to its own number, so that derivatives, simplification and the compiler, which
 * all pass scopes on, say by themselves what stems from what.
 */
import {
  constant,
  type Graph,
  grad,
  graphOf,
  input,
  type Jet,
  jet,
  jvp,
  type Node,
  newTape,
  print,
  type Tape,
  UserError,
  type Var,
} from '../../engine/index.ts';
import { express, namesIn } from '../../systems/expression.ts';
import { fieldsOf, type System } from '../../systems/index.ts';

export type Rule = 'grad' | 'jvp' | 'jet';
export const rules: readonly Rule[] = ['grad', 'jvp', 'jet'];
/** Each rule may be applied as often as the order of derivatives stays within this. */
export const MAX_ORDER = 4;
export const orderOf = (applied: readonly Rule[]): number =>
  applied.reduce((sum, rule) => sum + (rule === 'jet' ? 2 : 1), 0);
/** Longer tapes are no longer read, and take the page seconds to show. */
export const MOST_NODES = 2000;

/** A formula of which no tape can be made. */
export class TraceError extends UserError {
  override readonly name = 'TraceError';
}

/** Nodes `from` up to `to`, appended together. */
export interface Stage {
  readonly title: string;
  readonly sentence: string;
  /** Where the code that did it is. */
  readonly source: string;
  readonly from: number;
  readonly to: number;
}

export interface Trace {
  readonly tape: Tape;
  readonly inputs: Readonly<Record<string, Var>>;
  readonly outputs: Readonly<Record<string, Var>>;
  readonly stages: readonly Stage[];
  /** For each node the one that it was derived from, and whether as part of an adjoint or of a tangent. */
  readonly origins: readonly (Origin | undefined)[];
}

export interface Origin {
  readonly id: number;
  readonly how: 'adjoint' | 'tangent' | 'jet';
}

/** Records stages on a tape. */
class Recorder {
  readonly tape = newTape();
  readonly stages: Stage[] = [];
  readonly origins: (Origin | undefined)[] = [];

  stage<T>(title: string, source: string, build: () => T, sentence: (count: number) => string): T {
    const from = this.tape.nodes.length;
    const result = build();
    const to = this.tape.nodes.length;
    for (let id = from; id < to; id++) {
      const node = this.tape.nodes[id]!;
      const [, origin, how] = /^%(\d+)(?: \((adjoint|tangent)\))?$/.exec(node.scope) ?? [];
      this.origins[id] =
        origin === undefined ? undefined : { id: Number(origin), how: (how as Origin['how'] | undefined) ?? 'jet' };
      this.tape.nodes[id] = { ...node, scope: `%${id}` };
    }
    if (to > MOST_NODES)
      throw new TraceError(
        `the tape has ${to} nodes after "${title}", and the page shows ${MOST_NODES}: take a shorter formula or fewer derivatives`,
      );
    this.stages.push({ title, source, from, to, sentence: sentence(to - from) });
    return result;
  }
}

const nodes = (count: number) => `${count} ${count === 1 ? 'node' : 'nodes'}`;

/** The name of a derivative of `y`: y', y'', .. */
const primed = (order: number) => `y${"'".repeat(order)}`;

/** A formula in one or several variables and derivatives by the first, or by x where there is one. */
export function traceFormula(text: string, applied: readonly Rule[]): Trace {
  const names = [...namesIn(text)];
  if (names.length === 0) {
    if (text.trim() !== '') express(newTape(), text, () => undefined);
    throw new TraceError('the formula names no variable: write one, for instance x*sin(x)');
  }
  const recorder = new Recorder();
  const inputs: Record<string, Var> = {};
  const y = recorder.stage(
    'As written',
    'systems/expression.ts',
    () => {
      for (const name of names) inputs[name] = input(recorder.tape, name, []);
      return express(recorder.tape, text, (name) => inputs[name]);
    },
    (count) =>
      `The formula is a list of ${nodes(count)}. A node is an operation on earlier nodes; nothing is computed yet.`,
  );
  const by = names.includes('x') ? 'x' : names[0]!;
  return derive(recorder, inputs, y, by, applied);
}

/** A residual of a system with its exact solution for the fields, where a formula gives one, else a small network. */
export function traceResidual(system: System, name: string, applied: readonly Rule[]): Trace {
  const equation = Object.hasOwn(system.residuals, name) ? system.residuals[name] : undefined;
  if (equation === undefined)
    throw new TraceError(`${system.name} has no residual ${name}; it has ${Object.keys(system.residuals).join(', ')}`);
  const recorder = new Recorder();
  const { tape } = recorder;
  const inputs: Record<string, Var> = {};
  const wanted = namesIn(equation);
  const fields = fieldsOf(system).filter((field) => [...wanted].some((used) => used.split('.')[0] === field));
  const values: Record<string, Var> = {};
  const lookup = (key: string): Var | number | undefined => {
    if (system.coordinates.includes(key)) return inputs[key];
    if (key in system.parameters) {
      inputs[key] ??= input(tape, key, []);
      return inputs[key];
    }
    const formula = system.definitions[key] ?? system.exact[key.replace(/_exact$/, '')];
    return formula === undefined || !known(system, formula) ? undefined : express(tape, formula, lookup);
  };
  recorder.stage(
    'The fields',
    'systems/network.ts',
    () => {
      for (const coordinate of system.coordinates) inputs[coordinate] = input(tape, coordinate, []);
      for (const field of fields) {
        const exact = system.exact[field];
        const formula = exact !== undefined && known(system, exact) ? exact : smallNetwork(system);
        values[field] = express(tape, formula, lookup);
      }
    },
    (count) =>
      `${fields.join(', ')} as ${nodes(count)}: the exact solution where a formula gives one, so that the residual must come out as 0; else one tanh unit.`,
  );
  const jets = recorder.stage(
    'Their derivatives',
    'engine/tape/jet.ts',
    () => {
      const coordinates = Object.fromEntries(system.coordinates.map((c) => [c, inputs[c]!]));
      const pairs = system.coordinates.map((c) => [c, c] as const);
      const found = jet(
        fields.map((field) => values[field]!),
        coordinates,
        { second: pairs, laplacian: true },
      );
      return new Map(fields.map((field, k) => [field, found[k]!]));
    },
    (count) =>
      `jet appended ${nodes(count)}: value, first and second derivatives of the fields go forwards through the list together.`,
  );
  const residual = recorder.stage(
    `Residual ${name}`,
    'systems/model.ts',
    () =>
      express(tape, equation, (key) => {
        const [field = key, derivative] = key.split('.');
        const of = jets.get(field);
        return of ? channel(of, derivative) : (lookup(key) ?? (key.endsWith('_ref') ? constant(tape, 0) : undefined));
      }),
    (count) => `${equation} is written in the same way: ${nodes(count)}.`,
  );
  return derive(recorder, inputs, residual, system.coordinates[0]!, applied);
}

function channel({ value, first, second, laplacian }: Jet, derivative: string | undefined): Var | undefined {
  if (derivative === undefined) return value;
  return derivative === 'lap' ? laplacian : (first[derivative] ?? second[derivative]);
}

/** Whether a formula can be written with coordinates, parameters and other formulas alone. */
function known(system: System, formula: string): boolean {
  return [...namesIn(formula)].every((name) => {
    if (system.coordinates.includes(name) || name in system.parameters) return true;
    const inner = system.definitions[name] ?? system.exact[name.replace(/_exact$/, '')];
    return inner !== undefined && inner !== formula && known(system, inner);
  });
}

const smallNetwork = ({ coordinates }: System) => `0.8*tanh(${coordinates.map((c) => `1.3*${c}`).join(' + ')} - 0.4)`;

function derive(
  recorder: Recorder,
  inputs: Readonly<Record<string, Var>>,
  y: Var,
  by: string,
  applied: readonly Rule[],
): Trace {
  const { tape } = recorder;
  const x = inputs[by];
  if (!x) throw new TraceError(`there is no ${by} to differentiate by`);
  const outputs: Record<string, Var> = { y };
  let [last, order] = [y, 0];
  for (const rule of applied) {
    const title = `${rule} of ${primed(order)} by ${by}`;
    const of = `%${last.id}`;
    if (rule === 'grad') {
      const [next] = recorder.stage(
        title,
        'engine/tape/derive.ts',
        () => grad(last, [x]),
        (count) =>
          `grad appended ${nodes(count)}. It starts from ${of} with the cotangent 1 and walks the list backwards; each node hands every operand its own cotangent times a partial derivative, and where several meet they are added. Nothing that was there changes.`,
      );
      last = next!;
      order++;
      outputs[primed(order)] = last;
    } else if (rule === 'jvp') {
      const [next] = recorder.stage(
        title,
        'engine/tape/derive.ts',
        () => jvp([last], [{ of: x, tangent: constant(tape, 1) }]),
        (count) =>
          `jvp appended ${nodes(count)}. It starts from ${by} with the tangent 1 and walks the list forwards to ${of}; each node's tangent is the sum of its operands' tangents times the partial derivatives.`,
      );
      last = next!;
      order++;
      outputs[primed(order)] = last;
    } else {
      const [found] = recorder.stage(
        title,
        'engine/tape/jet.ts',
        () => jet([last], { [by]: x }, { second: [[by, by]] }),
        (count) =>
          `jet appended ${nodes(count)}: first and second derivative go forwards together, in one pass. The second takes the tangent of each partial derivative.`,
      );
      outputs[primed(order + 1)] = found!.first[by]!;
      last = found!.second[by + by]!;
      order += 2;
      outputs[primed(order)] = last;
    }
  }
  return { tape, inputs, outputs, stages: recorder.stages, origins: recorder.origins };
}

/** What the outputs need, as the compiler is given it. */
export function graphOfTrace({ inputs, outputs }: Trace): Graph {
  return graphOf(Object.values(inputs), Object.values(outputs));
}

/** A graph with every node as an output. */
export function wholeTape({ tape, inputs }: Trace): Graph {
  return {
    nodes: tape.nodes,
    inputs: Object.values(inputs).map(({ id }) => id),
    outputs: tape.nodes.map((_, id) => id),
  };
}

/** A graph as text without the numbers that a trace keeps in the scopes. */
export function printed(graph: Graph): string {
  return print({ ...graph, nodes: graph.nodes.map((node): Node => ({ ...node, scope: '' })) });
}

/** One line for each node of a whole tape. */
export function tapeLines(trace: Trace): string[] {
  return printed(wholeTape(trace)).split('\n').slice(0, trace.tape.nodes.length);
}

/** The node of the tape that a node of a simplified or compiled graph stems from. */
export function stemOf({ scope }: Node): number | undefined {
  const [, id] = /^%(\d+)/.exec(scope) ?? [];
  return id === undefined ? undefined : Number(id);
}

/** In words: what a node does and what it was derived from. */
export function sentenceFor({ tape, origins }: Trace, id: number): string {
  const { op, inputs } = tape.nodes[id]!;
  const operands = inputs.map((k) => `%${k}`).join(' and ');
  const what =
    operands === '' ? `%${id} is ${op === 'input' ? 'an input' : 'a constant'}` : `%${id} is ${op} of ${operands}`;
  const origin = origins[id];
  if (!origin) return `${what}.`;
  const of = tape.nodes[origin.id]!.op;
  const role = {
    adjoint: 'reverse mode: part of what it hands to its operands',
    tangent: 'forward mode: part of its tangent',
    jet: 'part of its jet',
  }[origin.how];
  return `${what}. It came from %${origin.id} (${of}), ${role}.`;
}

/** Nodes near `id`: its operands, what uses it, what it was derived from and what was derived from it. */
export function relatives({ tape, origins }: Trace, id: number): Set<number> {
  const near = new Set(tape.nodes[id]?.inputs ?? []);
  const origin = origins[id];
  if (origin) near.add(origin.id);
  tape.nodes.forEach(({ inputs }, other) => {
    if (inputs.includes(id) || origins[other]?.id === id) near.add(other);
  });
  near.delete(id);
  return near;
}
