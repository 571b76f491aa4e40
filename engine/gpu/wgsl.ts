/**
 * WGSL as data: statements, blocks of them and lists in order, and how they are laid out as text. Generated code and
 * handwritten kernels are both built from these few parts.
 */

/** A statement (with its semicolon), a block, repetitions, or a list of these in order. */
export type Code = string | Block | Unrolled | readonly Code[];

/** `head { body }`: a loop, a condition, a function; without a head a scope of its own. */
export interface Block {
  readonly head: string;
  readonly body: Code;
  /** After `else`; a block with a head makes it `else if`. */
  readonly otherwise?: Code;
}

/** What differs in numbers only; repetitions share lines. */
export interface Unrolled {
  readonly repetitions: readonly Code[];
}

/** An expression of type u32; a number is written as a literal. */
export type Index = number | string;

/** No line of a shader is longer. */
const COLUMNS = 120;

export const range = (count: number): number[] => Array.from({ length: count }, (_, k) => k);

/** `17u` for 17; expressions stay. */
export const u32 = (index: Index): string => (typeof index === 'number' ? `${index}u` : index);

export const block = (head: string, body: Code): Block => ({ head, body });

/** A scope of its own: its names are not seen outside. */
export const scope = (body: Code): Block => ({ head: '', body });

/** The code for 0, 1, .. `count` - 1, one after the other. */
export const unroll = (count: number, code: (k: number) => Code): Unrolled => ({
  repetitions: range(count).map(code),
});

/** `variable` runs from `from` in steps, as long as it is below `below`. */
export function loop(
  variable: string,
  below: Index,
  body: Code,
  { from = 0, step = 1 }: { readonly from?: Index; readonly step?: Index } = {},
): Block {
  const advance = step === 1 ? `${variable}++` : `${variable} += ${u32(step)}`;
  return block(`for (var ${variable} = ${u32(from)}; ${variable} < ${u32(below)}; ${advance})`, body);
}

/** The body where a condition holds; `true` holds always, and nothing is asked. No body is no code. */
export function when(condition: string | true, body: Code, otherwise?: Code): Code {
  if (lengthOf(body) === 0 && otherwise === undefined) return [];
  if (condition === true) return scope(body);
  const head = `if (${condition})`;
  return otherwise === undefined ? { head, body } : { head, body, otherwise };
}

/** The first body whose condition holds. */
export function choose(cases: readonly (readonly [condition: string, body: Code])[]): Code {
  return cases.reduceRight<Code | undefined>((rest, [condition, body]) => when(condition, body, rest), undefined) ?? [];
}

/** All code as lines. */
export function wgsl(code: Code): string {
  return lines(code, '').join('\n');
}

/** Characters of the code, however it is laid out. */
export function lengthOf(code: Code): number {
  if (typeof code === 'string') return code.length;
  if (isList(code)) return code.reduce((sum, part) => sum + lengthOf(part), 0);
  if ('repetitions' in code) return lengthOf(code.repetitions);
  return code.head.length + lengthOf(code.body) + lengthOf(code.otherwise ?? []);
}

const isList = (code: Code): code is readonly Code[] => Array.isArray(code);

function lines(code: Code, indent: string): string[] {
  if (typeof code === 'string') return wrapped(code, indent);
  if (isList(code)) return code.flatMap((part) => lines(part, indent));
  if ('repetitions' in code) return filled(code.repetitions, indent);
  const short = onOneLine(code);
  if (short !== null && fits(short, indent)) return [indent + short];
  const opening = wrapped(code.head === '' ? '{' : `${code.head} {`, indent);
  const inside = lines(code.body, `${indent}  `);
  if (code.otherwise === undefined) return [...opening, ...inside, `${indent}}`];
  const [first, ...rest] = lines(chained(code.otherwise), indent);
  return [...opening, ...inside, `${indent}} else ${first!.trimStart()}`, ...rest];
}

/** What stands after `else`: a condition as it is, all other code as a block. */
const chained = (code: Code): Block =>
  typeof code === 'object' && 'head' in code && code.head.startsWith('if') ? code : scope(code);

const fits = (text: string, indent: string) => indent.length + text.length <= COLUMNS;

/** Code of a single line, or null. A loop or condition is one where all it holds is a single statement. */
function onOneLine(code: Code): string | null {
  if (typeof code === 'string') return code;
  if (isList(code) || 'repetitions' in code) {
    const parts = (isList(code) ? code : code.repetitions).map(onOneLine);
    return parts.includes(null) ? null : parts.filter((part) => part !== '').join(' ');
  }
  const body = onOneLine(code.body);
  if (body === null || code.otherwise !== undefined) return null;
  if (code.head === '') return `{ ${body} }`;
  return statements(code.body) === 1 ? `${code.head} { ${body} }` : null;
}

function statements(code: Code): number {
  if (typeof code === 'string') return 1;
  if (isList(code)) return code.reduce<number>((sum, part) => sum + statements(part), 0);
  return 'repetitions' in code ? statements(code.repetitions) : Number.POSITIVE_INFINITY;
}

/** Repetitions side by side, as many as a line holds. */
function filled(repetitions: readonly Code[], indent: string): string[] {
  const all: string[] = [];
  let line = '';
  const flush = () => {
    if (line !== '') all.push(indent + line);
    line = '';
  };
  for (const repetition of repetitions) {
    const text = onOneLine(repetition);
    const longer = line === '' ? text : `${line} ${text}`;
    if (text !== null && fits(longer!, indent)) line = longer!;
    else {
      flush();
      if (text !== null && fits(text, indent)) line = text;
      else all.push(...lines(repetition, indent));
    }
  }
  flush();
  return all;
}

/** A statement that is too long goes on in further lines, four columns to the right. */
function wrapped(statement: string, indent: string): string[] {
  const all: string[] = [];
  let rest = statement;
  let margin = indent;
  while (!fits(rest, margin)) {
    const before = rest.lastIndexOf(' ', COLUMNS - margin.length);
    const cut = before > 0 ? before : rest.indexOf(' ');
    if (cut <= 0) break;
    all.push(margin + rest.slice(0, cut));
    rest = rest.slice(cut + 1);
    margin = `${indent}    `;
  }
  return [...all, margin + rest];
}
