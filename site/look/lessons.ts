/** The guided tour of `test/walk` as lessons: each step is a formula, what is done to it, and a sentence about what to see. */
import { evaluate, graphOf, newTape } from '../../engine/index.ts';
import { express } from '../../systems/expression.ts';
import type { Rule, Trace } from './trace.ts';
import { float64Values, type InputValues } from './values.ts';

export interface Step {
  readonly say: string;
  /** Where the code is that does it. */
  readonly source: string;
  readonly formula: string;
  readonly applied: readonly Rule[];
  /** Which pass of simplification is shown: the last one unless stated. */
  readonly pass?: number;
  /** Outputs as they are found on paper. */
  readonly byHand?: Readonly<Record<string, string>>;
}

export interface Lesson {
  readonly title: string;
  /** The part of the tour that it follows: a test, which runs. */
  readonly walk: string;
  readonly steps: readonly Step[];
}

export const lessons: readonly Lesson[] = [
  {
    title: 'A tape is a list',
    walk: 'test/walk/01-tape.test.ts',
    steps: [
      {
        say: 'Writing sin(x) appends one node to a list that holds the input x so far. A node is an operation and the numbers of earlier nodes; nothing is computed yet.',
        source: 'engine/tape/tape.ts',
        formula: 'sin(x)',
        applied: [],
      },
      {
        say: 'When values are asked for, the list is walked once, forwards, in float64: each node finds its operands computed. Change x and see.',
        source: 'engine/tape/evaluate.ts',
        formula: '2*sin(x)',
        applied: [],
        byHand: { y: '2*sin(x)' },
      },
      {
        say: 'The list holds exactly what was written: x*y stands on it twice, for nobody looks whether it is there already. That is left to simplification.',
        source: 'engine/tape/build.ts',
        formula: 'x*y + sin(x*y)',
        applied: [],
      },
    ],
  },
  {
    title: 'Reverse mode appends nodes',
    walk: 'test/walk/02-reverse.test.ts',
    steps: [
      {
        say: 'grad starts from the result with the cotangent 1 and walks the list backwards: the product hands each factor the other one, sin hands on its own share times cos. The nodes that were there stay as they are.',
        source: 'engine/tape/derive.ts',
        formula: 'sin(x)*y',
        applied: ['grad'],
        byHand: { "y'": 'cos(x)*y' },
      },
      {
        say: 'The rule of an operation is one row of a table. That of sin answers with a node, cos of the same operand, and never with a number.',
        source: 'engine/tape/ops.ts',
        formula: 'sin(x)',
        applied: ['grad'],
        byHand: { "y'": 'cos(x)' },
      },
      {
        say: 'Where a value is used twice, it is handed a cotangent from each side, and they are added.',
        source: 'engine/tape/derive.ts',
        formula: 'x*x',
        applied: ['grad'],
        byHand: { "y'": '2*x' },
      },
    ],
  },
  {
    title: 'Derivatives nest',
    walk: 'test/walk/03-nesting.test.ts',
    steps: [
      {
        say: 'A derivative is a value on the same tape, so it is differentiated like any other: four times here, without levels or a tape of the tape.',
        source: 'engine/tape/derive.ts',
        formula: 'x^4',
        applied: ['grad', 'grad', 'grad', 'grad'],
        byHand: { "y'": '4*x^3', "y''": '12*x^2', "y'''": '24*x', "y''''": '24' },
      },
      {
        say: 'jvp walks the list forwards and carries tangents, by the same rows. Here the first derivative goes forwards and the second backwards: that is how a network learns from its own derivatives.',
        source: 'engine/tape/derive.ts',
        formula: 'exp(x^2)',
        applied: ['jvp', 'grad'],
        byHand: { "y''": '(2 + 4*x^2)*exp(x^2)' },
      },
      {
        say: 'In the other order other nodes are appended, with the same value.',
        source: 'engine/tape/derive.ts',
        formula: 'exp(x^2)',
        applied: ['grad', 'jvp'],
        byHand: { "y''": '(2 + 4*x^2)*exp(x^2)' },
      },
    ],
  },
  {
    title: 'Jets',
    walk: 'test/walk/04-jets.test.ts',
    steps: [
      {
        say: 'An equation of second order needs value, first and second derivative at every point. A jet carries the three forwards together, in one pass.',
        source: 'engine/tape/jet.ts',
        formula: 'sin(2*x)',
        applied: ['jet'],
        byHand: { "y'": '2*cos(2*x)', "y''": '-4*sin(2*x)' },
      },
      {
        say: 'For f(z) the chain rule says y_xx = f’ z_xx + f’’ z_x z_x. f’ is the row of f, f’’ the tangent of f’: a jet needs no rule that is not there already.',
        source: 'engine/tape/jet.ts',
        formula: 'tanh(x^2)',
        applied: ['jet'],
        byHand: { "y''": '(1 - tanh(x^2)^2)*(2 - 8*x^2*tanh(x^2))' },
      },
      {
        say: 'The residual of an equation: its fields are written first, jet appends their derivatives, the equation is written with these, and grad goes back through all of it.',
        source: 'systems/model.ts',
        formula: 'thermoelasticity:Ru',
        applied: ['grad'],
      },
    ],
  },
  {
    title: 'Simplification',
    walk: 'test/walk/05-simplify.test.ts',
    steps: [
      {
        say: 'Rules that build nodes build too many of them: here a factor of 1, and the same product twice.',
        source: 'engine/tape/simplify.ts',
        formula: 'sin(x^2)',
        applied: ['grad'],
        pass: 0,
        byHand: { "y'": '2*x*cos(x^2)' },
      },
      {
        say: 'merge makes equal nodes one: the two products are the same node now.',
        source: 'engine/tape/simplify.ts',
        formula: 'sin(x^2)',
        applied: ['grad'],
        pass: 1,
      },
      {
        say: 'fold does the arithmetic on constants and takes x*1 as x; drop leaves out what no output needs. The passes are repeated until folding finds no more.',
        source: 'engine/tape/simplify.ts',
        formula: 'sin(x^2)',
        applied: ['grad'],
      },
    ],
  },
  {
    title: 'From the tape to the GPU',
    walk: 'test/walk/06-compile.test.ts',
    steps: [
      {
        say: 'Nodes that need each other at the same place become one dispatch: function and derivatives are computed together, and what lies between stays in registers.',
        source: 'engine/gpu/schedule.ts',
        formula: 'x*sin(x)',
        applied: ['grad', 'grad'],
        byHand: { "y''": '2*cos(x) - x*sin(x)' },
      },
      {
        say: 'Every node of a dispatch is a line of WGSL. Point at one: its node lights up on the tape, and so does what it came from.',
        source: 'engine/gpu/shader.ts',
        formula: 'exp(-(x^2))',
        applied: ['grad'],
        byHand: { "y'": '-2*x*exp(-(x^2))' },
      },
      {
        say: 'What changes between runs is an input in a buffer, never a number in the code: change x or y, and the shader stays the same.',
        source: 'engine/gpu/plan.ts',
        formula: 'x*y + sin(x*y)',
        applied: ['grad'],
        byHand: { "y'": 'y + y*cos(x*y)' },
      },
      {
        say: 'The GPU computes in float32, the interpreter beside it in float64. WGSL promises little of its own sin and cos, so these are functions of Tapir’s own.',
        source: 'engine/gpu/helpers.ts',
        formula: 'sin(x)*cos(x)',
        applied: ['jet'],
        byHand: { "y''": '-2*sin(2*x)' },
      },
    ],
  },
];

export interface Comparison {
  readonly output: string;
  readonly formula: string;
  readonly byHand: number;
  readonly byTape: number;
}

/** What was found on paper beside what the tape says, in float64. */
export function comparisons({ byHand = {} }: Step, trace: Trace, values: InputValues): Comparison[] {
  const all = float64Values(trace, values);
  return Object.entries(byHand).map(([output, formula]) => {
    const tape = newTape();
    const expected = express(tape, formula, (name) => values[name]);
    const [byPaper] = evaluate(graphOf([], [expected]), []);
    return { output, formula, byHand: byPaper![0]!, byTape: all[trace.outputs[output]!.id]! };
  });
}

/** The lesson and step of `2.1`, if there are such. */
export function stepNamed(name: string | null): { readonly lesson: number; readonly step: number } | undefined {
  const [, lesson, step] = /^(\d)\.(\d)$/.exec(name ?? '') ?? [];
  const at = { lesson: Number(lesson) - 1, step: Number(step) - 1 };
  return lessons[at.lesson]?.steps[at.step] ? at : undefined;
}
