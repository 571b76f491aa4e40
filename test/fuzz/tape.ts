/** Random tapes from lists of numbers, and the code that writes them down. */
import {
  add,
  broadcast,
  composite,
  concat,
  cos,
  detach,
  div,
  exp,
  grad,
  input,
  less,
  log,
  matmul,
  max,
  mul,
  neg,
  newTape,
  reshape,
  type Shape,
  type Source,
  sin,
  sizeOf,
  slice,
  sqrt,
  square,
  sub,
  sum,
  type Tape,
  tanh,
  transpose,
  Var,
  where,
} from '../../engine/index.ts';
import { denseJet, qr } from '../../kernels/index.ts';
import { generator } from '../support/tensors.ts';

/** One tape: each step is the seed of one operation; the loss is differentiated `order` times. */
export interface Recipe {
  readonly steps: readonly number[];
  readonly shapes: number;
  readonly order: number;
  /** Whether an input is state, updated by an output. */
  readonly state: boolean;
}

export interface RandomTape {
  readonly source: Source;
  /** What writes the tape, line by line. */
  readonly code: readonly string[];
}

/** Inputs of a tape. */
export const INPUTS = 3;
/** Steps of tapes by how often they are differentiated. */
const LONGEST = [8, 7, 4, 3];
const EXTENTS = [1, 2, 3, 4, 5, 7];

/** Writes values down twice: on a tape, and as code. */
class Author {
  readonly code: string[] = [];
  readonly #names = new Map<number, string>();
  readonly tape: Tape;
  readonly #prefix: string;

  constructor(tape: Tape, prefix: string) {
    this.tape = tape;
    this.#prefix = prefix;
  }

  input(name: string, shape: Shape): Var {
    return this.note(input(this.tape, name, shape), `input(tape, '${name}', ${JSON.stringify(shape)})`);
  }

  /** `f(...args)` under a name of its own. */
  readonly call = <A extends readonly unknown[]>(f: (...args: A) => Var, ...args: A): Var =>
    this.note(f(...args), `${f.name}(${args.map((each) => this.show(each)).join(', ')})`);

  note(value: Var, expression: string): Var {
    if (this.#names.has(value.id)) return value;
    const name = `${this.#prefix}v${this.#names.size}`;
    this.#names.set(value.id, name);
    this.code.push(`const ${name} = ${expression}; // [${value.shape}]`);
    return value;
  }

  show(argument: unknown): string {
    if (argument instanceof Var) return this.#names.get(argument.id)!;
    if (Array.isArray(argument)) return `[${argument.map((each) => this.show(each)).join(', ')}]`;
    return JSON.stringify(argument);
  }
}

/** Writes a tape; names of its inputs and outputs begin with `prefix`. */
export function writeTape(tape: Tape, prefix: string, recipe: Recipe): RandomTape {
  const author = new Author(tape, prefix);
  const { call } = author;
  const random = generator(recipe.shapes);
  const inputs: Record<string, Var> = {};
  for (const name of ['x', 'y', 'z'].slice(0, INPUTS)) {
    const full = `${prefix}${name}`;
    inputs[full] = author.input(full, randomShape(random));
  }
  const values = Object.values(inputs);
  const [x, y] = values as [Var, Var];

  // Each derivative multiplies the length of the tape.
  for (const step of recipe.steps.slice(0, LONGEST[recipe.order]))
    values.push(operation(author, call, values, generator(step)));

  const outputs: Record<string, Var> = {};
  const put = (name: string, value: Var) => {
    outputs[`${prefix}${name}`] = value;
  };
  const last = values.at(-1)!;
  put('last', last);
  put('before', values.at(-2)!);
  const windowed = values[Math.floor(random() * values.length)]!;
  put('window', fitted(call, windowed, randomShape(random)));
  let loss = call(total, call(tanh, last));
  for (let order = 1; order <= recipe.order; order++) {
    const gradient = author.note(grad(loss, [x])[0]!, `grad(${author.show(loss)}, [${author.show(x)}])[0]`);
    put(`gradient${order}`, gradient);
    loss = call(total, call(square, gradient));
  }
  put('loss', loss);
  const state: Record<string, string> = {};
  if (recipe.state) {
    put('next', call(tanh, fitted(call, last, y.shape)));
    state[`${prefix}y`] = `${prefix}next`;
  }
  const shown = Object.entries(outputs).map(([name, value]) => `${name}: ${author.show(value)}`);
  const code = [...author.code, `// outputs: { ${shown.join(', ')} }, state: ${JSON.stringify(state)}`];
  return { source: { inputs, outputs, state }, code };
}

/** Several tapes in one program. */
export function writeTapes(recipes: readonly Recipe[]): RandomTape {
  const tape = newTape();
  const all = recipes.map((recipe, k) => writeTape(tape, `t${k}_`, recipe));
  const joined = (part: 'inputs' | 'outputs' | 'state') => Object.assign({}, ...all.map(({ source }) => source[part]));
  return {
    source: { inputs: joined('inputs'), outputs: joined('outputs'), state: joined('state') },
    code: all.flatMap(({ code }) => code),
  };
}

function total(value: Var): Var {
  return sum(value, undefined, false);
}

function randomShape(random: () => number): Shape {
  const rank = Math.floor(random() * 4);
  const shape = Array.from({ length: rank }, () => EXTENTS[Math.floor(random() * EXTENTS.length)]!);
  return random() < 0.1 ? [...shape.slice(0, 1), 70 + Math.floor(random() * 80)] : shape;
}

type Call = Author['call'];

/** The elements of a value under another shape: repeated where there are too few, the first where too many. */
function fitted(call: Call, value: Var, shape: Shape): Var {
  const [have, want] = [sizeOf(value.shape), sizeOf(shape)];
  let flat = call(reshape, value, [1, have]);
  if (have < want) flat = call(broadcast, flat, [Math.ceil(want / have), have]);
  flat = call(reshape, flat, [sizeOf(flat.shape)]);
  if (sizeOf(flat.shape) > want) flat = call(slice, flat, 0, 0, want);
  return call(reshape, flat, shape);
}

/**
 * One more value. All are bounded, and smooth where rounding could choose a side: only inputs are compared, and largest
 * elements are taken of inputs.
 */
function operation(author: Author, call: Call, values: readonly Var[], random: () => number): Var {
  const take = (n: number) => Math.floor(random() * n);
  const recent = (n: number) => values[values.length - 1 - take(Math.min(n, values.length))]!;
  // The last two are kernels with barriers, whose shaders take llvmpipe longest to compile.
  const kind = take(take(2) === 0 ? 23 : 21);
  const [a, other, given] = [recent(5), recent(5), values[take(3)]!];
  /** The other operand, in a shape that goes with the first. */
  const b = () => {
    const shape = a.shape.map((extent) => (take(4) === 0 ? 1 : extent));
    return fitted(call, other, take(3) === 0 ? shape : a.shape);
  };
  switch (kind) {
    case 0:
      return call(add, a, call(tanh, b()));
    case 1:
      return call(sub, call(tanh, a), b());
    case 2:
      return call(tanh, call(mul, a, b()));
    case 3:
      return call(div, a, call(add, 2, call(square, b())));
    case 4:
      return call(where, call(less, fitted(call, given, a.shape), 0.1), a, call(neg, b()));
    case 5:
      return call(sin, call(tanh, a));
    case 6:
      return call(cos, call(tanh, a));
    case 7:
      return call(exp, call(neg, call(square, a)));
    case 8:
      return call(log, call(add, 1.5, call(square, call(tanh, a))));
    case 9:
      return call(sqrt, call(add, 0.5, call(square, a)));
    case 10:
    case 11: {
      const axis = take(Math.max(1, a.shape.length));
      const extent = a.shape[axis] ?? 1;
      if (a.shape.length === 0 || extent === 1) return call(neg, a);
      const start = take(extent - 1);
      return call(slice, a, axis, start, start + 1 + take(extent - start));
    }
    case 12: {
      const axes = a.shape.map((_, axis) => axis).sort(() => random() - 0.5);
      return axes.length < 2 ? call(mul, 0.5, a) : call(transpose, a, axes);
    }
    case 13:
      return fitted(call, a, randomShape(random));
    case 14:
    case 15: {
      if (a.shape.length === 0) return call(concat, [call(reshape, a, [1]), fitted(call, other, [2])], 0);
      const axis = take(a.shape.length);
      const shape = a.shape.map((extent, k) => (k === axis ? 1 + take(3) : extent));
      const parts = [a, fitted(call, other, shape), ...(take(2) ? [fitted(call, recent(8), a.shape)] : [])];
      return call(concat, take(2) ? parts : parts.reverse(), axis);
    }
    case 16: {
      const axes = a.shape.flatMap((_, axis) => (take(2) ? [axis] : []));
      return call(tanh, call(sum, a, axes, take(2) === 0));
    }
    case 17:
      return call(add, a, call(max, given));
    case 18: {
      const [m, k, n] = [1 + take(5), 1 + take(5), 1 + take(5)] as [number, number, number];
      const [ta, tb] = [take(2) === 0, take(2) === 0];
      const batch = take(2) ? [2] : [];
      const left = fitted(call, a, [...batch, ...(ta ? [k, m] : [m, k])]);
      const right = fitted(call, other, [...batch, ...(tb ? [n, k] : [k, n])]);
      return call(tanh, call(matmul, left, right, { ta, tb }));
    }
    case 19: {
      const shape = a.shape;
      const operand = fitted(call, other, shape);
      const body = ([u, v]: Var[]) => [tanh(add(u!, v!)), mul(u!, sin(v!))];
      const outputs = composite('fuzzed', {}, [a, operand], body);
      const index = take(2);
      const shown = `composite('fuzzed', {}, [${author.show(a)}, ${author.show(operand)}], ([u, v]) =>`;
      return author.note(outputs[index]!, `${shown} [tanh(add(u, v)), mul(u, sin(v))])[${index}]`);
    }
    case 20:
      return call(mul, call(detach, call(tanh, a)), b());
    case 21: {
      const [B, K, O, N, D] = [1 + take(2), 1 + take(4), 1 + take(4), 1 + take(6), 1 + take(2)] as number[];
      const second = take(2) === 0;
      const C = 1 + D! + (second ? 1 : 0);
      const shapes = [
        [B!, C, K!, N!],
        [B!, O!, K!],
        [B!, O!],
      ];
      const operands = shapes.map((shape) => call(tanh, fitted(call, recent(6), shape)));
      const params = { D: D!, second, from: take(2) ? 'tanh' : 'linear', to: take(2) ? 'tanh' : 'linear' } as const;
      return call(denseJet, operands[0]!, operands[1]!, operands[2]!, params);
    }
    default: {
      const n = 2 + take(3);
      const square = call(tanh, fitted(call, given, [1, n, n]));
      // Far from singular, so that its factor is no matter of rounding.
      const diagonal = Array.from({ length: n }, (_, row) => Array.from({ length: n }, (_, k) => (k === row ? 1 : 0)));
      const zero = call(mul, 0, fitted(call, given, [1]));
      const rows = diagonal.flat().map((one) => call(add, zero, 3 * one));
      return call(qr, call(add, square, call(reshape, call(concat, rows, 0), [1, n, n])));
    }
  }
}
