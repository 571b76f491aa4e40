/**
 * Equations as text. A system's residual is written as in the paper, `-kappa*T.xx - f_T`, and becomes tape operations;
 * which derivatives a residual names is read off the same text.
 */
import jsep from 'jsep';
import {
  abs,
  add,
  broadcast,
  constant,
  cos,
  cosh,
  div,
  evaluate,
  exp,
  graphOf,
  input,
  log,
  mul,
  neg,
  newTape,
  sin,
  sinh,
  sqrt,
  sub,
  type Tape,
  tanh,
  UserError,
  type Var,
} from '../engine/index.ts';

/** An equation that cannot be read, or that uses a name the system does not have. */
export class ExpressionError extends UserError {
  override readonly name = 'ExpressionError';
  /** Where in the text the mistake is: from a character up to another, counted from 0. */
  readonly at: readonly [number, number] | undefined;
  constructor(message: string, at?: readonly [number, number]) {
    super(message);
    this.at = at;
  }
}

/** Where a text uses a name, on its own and not as a part of another. */
function placeOf(text: string, name: string | undefined): readonly [number, number] | undefined {
  if (name === undefined) return undefined;
  const letters = name.replace(/[^\w.]/g, '').replaceAll('.', '\\s*\\.\\s*');
  if (letters === '') return undefined;
  const found = new RegExp(`(?<![\\w.])${letters}(?![\\w.])`).exec(text);
  return found ? [found.index, found.index + found[0].length] : undefined;
}

const functions: Readonly<Record<string, (x: Var) => Var>> = { abs, cos, cosh, exp, log, sin, sinh, sqrt, tanh };

// In equations `^` is a power and binds tighter than a sign; JavaScript's bitwise operators have no meaning here.
for (const operator of [
  '|',
  '&',
  '<<',
  '>>',
  '>>>',
  '||',
  '&&',
  '??',
  '==',
  '!=',
  '===',
  '!==',
  '<',
  '>',
  '<=',
  '>=',
  '%',
  '**',
])
  jsep.removeBinaryOp(operator);
jsep.removeUnaryOp('!');
jsep.removeUnaryOp('~');
jsep.addBinaryOp('^', 15, true);

// A parser's sign binds tightest; so that -x^2 can become -(x^2), a sign in parentheses, (-x)^2, has to be told from it.
jsep.hooks.add('gobble-token', function (found) {
  if (this.char !== '(') return;
  const inner = this.gobbleGroup();
  found.node = this.gobbleTokenProperty(inner?.type === 'UnaryExpression' ? { type: 'Group', argument: inner } : inner);
});

/** Beyond these an equation costs more than whoever typed it can have meant. */
const MOST_CHARACTERS = 4000;
const MOST_FACTORS = 64;

function parse(text: string): jsep.Expression {
  if (text.length > MOST_CHARACTERS)
    throw new ExpressionError(`an equation of ${text.length} characters; the most are ${MOST_CHARACTERS}`);
  try {
    return jsep(text);
  } catch (error) {
    const index = (error as { index?: number }).index ?? text.length;
    throw new ExpressionError(`cannot read "${text}": ${error instanceof Error ? error.message : String(error)}`, [
      Math.min(index, text.length),
      Math.min(index + 1, text.length),
    ]);
  }
}

const nameOf = (node: jsep.Expression): string | undefined => {
  if (node.type === 'Identifier') return (node as jsep.Identifier).name;
  if (node.type !== 'MemberExpression' || (node as jsep.MemberExpression).computed) return undefined;
  const { object, property } = node as jsep.MemberExpression;
  const of = nameOf(object);
  return of && `${of}.${nameOf(property as jsep.Expression)}`;
};

/** Names that an equation uses, such as `T.xx`, `gamma`, `f_T`; functions and `pi` excepted. */
export function namesIn(text: string): Set<string> {
  const names = new Set<string>();
  const visit = (node: jsep.Expression): void => {
    const name = nameOf(node);
    if (name !== undefined) {
      if (name !== 'pi') names.add(name);
      return;
    }
    const { left, right, argument } = node as unknown as Record<string, jsep.Expression | undefined>;
    for (const child of [left, right, argument]) if (child) visit(child);
    for (const child of ((node as jsep.CallExpression).arguments ?? []) as jsep.Expression[]) visit(child);
  };
  visit(parse(text));
  return names;
}

type Value = Var | number;

/** Whether a name is, or ends in, what every object has: `constructor`, `T.toString`. No system means these. */
const isInherited = (name: string) => name.split('.').some((part) => part in Object.prototype);

/** Appends an equation to a tape; `lookup` gives the value of a name. Throws {@link ExpressionError}. */
export function express(tape: Tape, text: string, lookup: (name: string) => Value | undefined): Var {
  const binary: Readonly<Record<string, (a: Value, b: Value) => Value>> = {
    '+': (a, b) => (typeof a === 'number' && typeof b === 'number' ? a + b : add(a, b)),
    '-': (a, b) => (typeof a === 'number' && typeof b === 'number' ? a - b : sub(a, b)),
    '*': (a, b) => (typeof a === 'number' && typeof b === 'number' ? a * b : mul(a, b)),
    '/': (a, b) => (typeof a === 'number' && typeof b === 'number' ? a / b : div(a, b)),
    '^': power,
  };
  const value = (node: jsep.Expression): Value => {
    const name = nameOf(node);
    if (name === 'pi') return Math.PI;
    if (name !== undefined) {
      const found = isInherited(name) ? undefined : lookup(name);
      if (found === undefined)
        throw new ExpressionError(`"${text}" uses ${name}, which is not defined here`, placeOf(text, name));
      return found;
    }
    switch (node.type) {
      case 'Literal': {
        const literal = (node as jsep.Literal).value;
        if (typeof literal !== 'number') break;
        return literal;
      }
      case 'UnaryExpression': {
        const x = value((node as jsep.UnaryExpression).argument);
        if ((node as jsep.UnaryExpression).operator === '+') return x;
        return typeof x === 'number' ? -x : neg(x);
      }
      case 'BinaryExpression': {
        const { operator, left, right } = node as jsep.BinaryExpression;
        if (operator === '^' && left.type === 'UnaryExpression')
          return value({ ...left, argument: { ...node, left: (left as jsep.UnaryExpression).argument } });
        return binary[operator]!(value(left), value(right));
      }
      case 'Group':
        return value((node as jsep.UnaryExpression).argument);
      case 'CallExpression': {
        const { callee, arguments: operands } = node as jsep.CallExpression;
        const called = nameOf(callee);
        const apply = called !== undefined && Object.hasOwn(functions, called) ? functions[called] : undefined;
        if (!apply || operands.length !== 1)
          throw new ExpressionError(
            `"${text}" calls ${called ?? 'what is no name'}; the functions are ${Object.keys(functions).join(', ')}, of one argument`,
            placeOf(text, called),
          );
        const x = value(operands[0]!);
        return apply(typeof x === 'number' ? constant(tape, x) : x);
      }
    }
    throw new ExpressionError(`"${text}" contains a ${node.type}, which an equation cannot`);
  };
  function power(base: Value, exponent: Value): Value {
    if (typeof exponent !== 'number' || !Number.isInteger(exponent) || exponent < 1)
      throw new ExpressionError(`"${text}": the exponent of ^ must be a positive integer`);
    if (typeof base === 'number') return base ** exponent;
    if (exponent > MOST_FACTORS)
      throw new ExpressionError(`"${text}": the exponent ${exponent} of ^ is above ${MOST_FACTORS}, the largest`);
    let result = base;
    for (let k = 1; k < exponent; k++) result = mul(result, base);
    return result;
  }
  const result = value(parse(text));
  return typeof result === 'number' ? constant(tape, result) : result;
}

/** Values of an equation at `count` points, in float64; `known` holds columns and numbers by name. */
export function numbersOf(
  text: string,
  known: Readonly<Record<string, Float64Array | number>>,
  count: number,
): Float64Array {
  const tape = newTape();
  const columns = Object.entries(known).filter(
    (entry): entry is [string, Float64Array] => typeof entry[1] !== 'number',
  );
  const inputs = new Map(columns.map(([name, { length }]) => [name, input(tape, name, [length])]));
  const lookup = (name: string) => {
    const value = known[name];
    return typeof value === 'number' ? value : inputs.get(name);
  };
  const result = broadcast(express(tape, text, lookup), [count]);
  return evaluate(
    graphOf([...inputs.values()], [result]),
    columns.map(([, values]) => values),
  )[0]!;
}
