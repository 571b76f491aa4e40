/**
 * Shaders of dispatches. A piece of work is a grid of workgroups over buffers. Pieces that do not depend on each other
 * share a dispatch where they fit: each is a function, chosen by the number of the workgroup.
 */
import type { Helper } from '../tape/ops.ts';
import type { Element } from './arithmetic.ts';
import { helpers } from './helpers.ts';
import type { Grid, SharedArray } from './kernel.ts';
import type { Binding, PlannedDispatch } from './plan.ts';
import { block, type Code, choose, lengthOf, wgsl, when } from './wgsl.ts';

type Access = Binding['access'];

/** A buffer as a piece sees it, under the name `label`. */
export interface Bound {
  readonly label: string;
  readonly root: number;
  readonly access: Access;
  /** The element to start from, which the code reads as `at.LABEL`; null where it does not ask. */
  readonly at: number | null;
  /** f32 unless stated. */
  readonly of?: Element;
}

/** What a dispatch calls the buffers and the workgroup memory of a piece, by label. */
export type Names = Readonly<Record<string, string>>;

export interface Piece extends Pick<Grid, 'label' | 'shared' | 'uniforms' | 'subgroups' | 'barriers'> {
  readonly bound: readonly Bound[];
  readonly helpers?: readonly Helper[];
  /** Functions of the program's arithmetic. */
  readonly prelude?: string;
  readonly threads: number;
  readonly groups: readonly [number, number, number];
  code(names: Names): Code;
  /** Where its values come from on the tape. */
  readonly scopes: readonly string[];
  /** Kernel and version, or `generated`. */
  readonly kernel: string;
  readonly flops: number;
  readonly bytes: number;
}

/** A dispatch over root buffers, before these get slots. */
export interface Draft extends Omit<PlannedDispatch, 'bindings'> {
  readonly roots: readonly { readonly root: number; readonly access: Access }[];
}

/** Workgroups along an axis of a dispatch: the default limit of WebGPU. */
const MAX_GROUPS = 65535;
/** A piece's code under the names of its own labels. */
interface OwnCode {
  readonly text: string;
  readonly characters: number;
  /** Pieces of equal kind differ in the starts of their operands and in uniforms only. */
  readonly kind: string;
}
const known = new WeakMap<Piece, OwnCode>();

export function ownCode(piece: Piece): OwnCode {
  const before = known.get(piece);
  if (before) return before;
  const { threads, groups, bound, shared = {} } = piece;
  const labels = [...bound.map(({ label }) => label), ...Object.keys(shared)];
  const code = piece.code(Object.fromEntries(labels.map((label) => [label, label])));
  const text = wgsl(code);
  const buffers = bound.map(({ label, root, access }) => [label, root, access]);
  const own = { text, characters: lengthOf(code), kind: JSON.stringify([text, threads, groups, buffers]) };
  known.set(piece, own);
  return own;
}

export const kindOf = (piece: Piece): string => ownCode(piece).kind;

export const threadsOf = (pieces: readonly Piece[]) => Math.max(...pieces.map(({ threads }) => threads));

/** Arrays in workgroup memory. A workgroup runs one piece, so equal names serve all pieces. */
export function sharedOf(pieces: readonly Piece[]): (SharedArray & { name: string })[] {
  const arrays = new Map<string, SharedArray & { name: string }>();
  for (const { shared = {} } of pieces)
    for (const [label, { of, length }] of Object.entries(shared)) {
      const name = pieces.length === 1 ? label : `${label}_${of}`;
      arrays.set(name, { name, of, length: Math.max(length, arrays.get(name)?.length ?? 0) });
    }
  return [...arrays.values()];
}

/**
 * The name of the binding behind a piece's operand. Several pieces bind every buffer once. A single one binds what it
 * only reads under each of its names, so that its code does not depend on which operands happen to share a buffer.
 */
function naming(pieces: readonly Piece[]): (use: Bound) => string {
  const all = pieces.flatMap(({ bound }) => bound);
  if (pieces.length > 1) {
    const numbers = new Map([...new Set(all.map(({ root }) => root))].map((root, k) => [root, k]));
    return ({ root }) => `buffer${numbers.get(root)}`;
  }
  const written = new Set(all.flatMap(({ root, access }) => (access === 'read_write' ? [root] : [])));
  return ({ root, label }) => (written.has(root) ? all.find((other) => other.root === root)!.label : label);
}

/** A piece's code with the dispatch's names of its buffers and, where it is `alone`, its own of its workgroup memory. */
function named(piece: Piece, nameOf: (use: Bound) => string, alone: boolean): Code {
  const { bound, shared = {} } = piece;
  return piece.code(
    Object.fromEntries([
      ...bound.map((use) => [use.label, nameOf(use)]),
      ...Object.entries(shared).map(([label, { of }]) => [label, alone ? label : `${label}_${of}`]),
    ]),
  );
}

/** Bindings of pieces in order of appearance. */
export function bindingsOf(pieces: readonly Piece[]): { name: string; root: number; access: Access; of: Element }[] {
  const nameOf = naming(pieces);
  const bindings = new Map<string, { name: string; root: number; access: Access; of: Element }>();
  for (const use of pieces.flatMap(({ bound }) => bound)) {
    const name = nameOf(use);
    const access = bindings.get(name)?.access === 'read_write' ? 'read_write' : use.access;
    bindings.set(name, { name, root: use.root, access, of: use.of ?? 'f32' });
  }
  return [...bindings.values()];
}

/** The shader of pieces that share a dispatch; `immediates` as an adapter's capabilities say. */
export function draftOf(pieces: readonly Piece[], immediates = 0): Draft {
  const bindings = bindingsOf(pieces);
  const offsets = pieces.flatMap((piece, k) =>
    valuesOf(piece).map(({ label, at }) => ({ field: pieces.length === 1 ? label : `${label}_${k}`, at })),
  );
  const immediate = offsets.length > 0 && 4 * offsets.length <= immediates;
  const first = offsets.length > 0 && !immediate ? 1 : 0;
  const threads = threadsOf(pieces);
  const { code, workgroups } = pieces.length === 1 ? single(pieces[0]!) : several(pieces);
  const divided = pieces.some((piece) => piece.subgroups && piece.threads < threads);
  const called = new Set(pieces.flatMap((piece) => piece.helpers ?? []));
  const shader: Code = [
    ...(pieces.some(({ subgroups }) => subgroups) ? ['enable subgroups;'] : []),
    ...(divided ? ['diagnostic(off, subgroup_uniformity);'] : []),
    ...(offsets.length > 0
      ? [
          struct(
            'At',
            offsets.map(({ field }) => field),
          ),
          immediate ? 'var<immediate> at: At;' : '@group(0) @binding(0) var<uniform> at: At;',
        ]
      : []),
    ...bindings.map(
      ({ access, name, of }, k) => `@group(0) @binding(${k + first}) var<storage, ${access}> ${name}: array<${of}>;`,
    ),
    ...sharedOf(pieces).map(({ name, of, length }) => `var<workgroup> ${name}: array<${of}, ${length}>;`),
    ...new Set([...called].flatMap((name) => helpers[name])),
    ...[...new Set(pieces.flatMap(({ prelude = [] }) => prelude))].map((functions) => functions.split('\n')),
    code,
  ];
  const total = (of: 'flops' | 'bytes') => pieces.reduce((sum, piece) => sum + piece[of], 0);
  return {
    scope: [...new Set(pieces.flatMap(({ scopes }) => scopes))].filter(Boolean).join(', '),
    kernel: kernelName(pieces),
    code: wgsl(shader),
    roots: bindings.map(({ root, access }) => ({ root, access })),
    offsets: offsets.map(({ at }) => at),
    immediate,
    workgroups,
    flops: total('flops'),
    bytes: total('bytes'),
  };
}

/** What the code asks for as `at.LABEL`: starts of operands and uniforms. */
const valuesOf = ({ bound, uniforms = {} }: Piece): { label: string; at: number }[] => [
  ...bound.flatMap(({ label, at }) => (at === null ? [] : [{ label, at }])),
  ...Object.entries(uniforms).map(([label, at]) => ({ label, at })),
];

const struct = (name: string, fields: readonly string[]): Code =>
  `struct ${name} { ${fields.map((field) => `${field}: u32`).join(', ')} }`;

const GROUP = '@builtin(workgroup_id)';
const THREAD = '@builtin(local_invocation_index)';
const LANE = '@builtin(subgroup_invocation_id) lane: u32';

type Main = { code: Code; workgroups: readonly [number, number, number] };

function single(piece: Piece): Main {
  const { groups, threads, subgroups } = piece;
  const folded = groups.some((count) => count > MAX_GROUPS);
  const entry = [`${GROUP} ${folded ? 'id' : 'group'}: vec3u`, `${THREAD} thread: u32`, ...(subgroups ? [LANE] : [])];
  const total = groups.reduce((product, count) => product * count, 1);
  const unfold = [
    `let index = ${INDEX};`,
    when(`index >= ${total}u`, 'return;'),
    `let group = ${unflat('index', groups)};`,
  ];
  return {
    code: entryPoint(threads, entry, [...(folded ? unfold : []), named(piece, naming([piece]), true)]),
    workgroups: folded ? rowsOf(total) : groups,
  };
}

const entryPoint = (threads: number, parameters: readonly string[], body: Code): Code => [
  `@compute @workgroup_size(${threads})`,
  block(`fn main(${parameters.join(', ')})`, body),
];

/** A number of workgroups as rows of a dispatch, and in the shader the number of one of them. */
const rowsOf = (count: number): Main['workgroups'] => [Math.min(count, MAX_GROUPS), Math.ceil(count / MAX_GROUPS), 1];
const INDEX = `id.x + id.y * ${MAX_GROUPS}u`;

/** A workgroup of a grid by its number. */
const unflat = (n: string, [x, y, z]: Piece['groups']): string =>
  y * z > 1 ? `vec3u(${n} % ${x}u, ${n} / ${x}u % ${y}u, ${n} / ${x * y}u)` : `vec3u(${n}, 0u, 0u)`;

/** A function for each kind of piece; the workgroup's number says which kind, which of its pieces and which workgroup of that. */
function several(pieces: readonly Piece[]): Main {
  const threads = threadsOf(pieces);
  const nameOf = naming(pieces);
  const kinds = new Map<string, number[]>();
  pieces.forEach((piece, k) => {
    const members = kinds.get(kindOf(piece));
    if (members) members.push(k);
    else kinds.set(kindOf(piece), [k]);
  });
  const functions: Code[] = [];
  const branches: [string, Code][] = [];
  let start = 0;
  [...kinds.values()].forEach((members, number) => {
    const piece = pieces[members[0]!]!;
    const labels = valuesOf(piece).map(({ label }) => label);
    const lane = piece.subgroups ? ['lane'] : [];
    const parameters = [
      ...(labels.length > 0 ? [`at: At${number}`] : []),
      'group: vec3u',
      'thread: u32',
      ...lane.map((name) => `${name}: u32`),
    ];
    if (labels.length > 0) functions.push(struct(`At${number}`, labels));
    functions.push(block(`fn piece${number}(${parameters.join(', ')})`, named(piece, nameOf, false)));

    const size = piece.groups.reduce((product, count) => product * count, 1);
    const parts = threads / piece.threads;
    const local = start > 0 ? `(index - ${start}u)` : 'index';
    const group = parts > 1 ? `${local} * ${parts}u + local / ${piece.threads}u` : local;
    const n = members.length > 1 ? `group % ${size}u` : 'group';
    const chosen = (label: string) =>
      members.reduce(
        (sofar, k, nth) => (nth === 0 ? `at.${label}_${k}` : `select(${sofar}, at.${label}_${k}, which == ${nth}u)`),
        '',
      );
    const values = [
      ...(labels.length > 0 ? [`At${number}(${labels.map(chosen).join(', ')})`] : []),
      unflat('n', piece.groups),
      parts > 1 ? `local % ${piece.threads}u` : 'local',
      ...lane,
    ];
    const call = `piece${number}(${values.join(', ')});`;
    const all = size * members.length;
    start += Math.ceil(all / parts);
    branches.push([
      `index < ${start}u`,
      [
        `let group = ${group};`,
        `let n = ${n};`,
        ...(members.length > 1 && labels.length > 0 ? [`let which = group / ${size}u;`] : []),
        all % parts === 0 ? call : when(`group < ${all}u`, call),
      ],
    ]);
  });
  const folded = start > MAX_GROUPS;
  const entry = [`${GROUP} id: vec3u`, `${THREAD} local: u32`, ...(pieces.some((p) => p.subgroups) ? [LANE] : [])];
  return {
    code: [
      ...functions,
      ...[entryPoint(threads, entry, [`let index = ${folded ? INDEX : 'id.x'};`, choose(branches)])],
    ],
    workgroups: rowsOf(start),
  };
}

/** Kernels and versions that the pieces belong to; the label of a grid where it is on its own. */
function kernelName(pieces: readonly Piece[]): string {
  const [first] = pieces;
  if (pieces.length === 1) return first!.label ? `${first!.kernel}/${first!.label}` : first!.kernel;
  return [...new Set(pieces.map(({ kernel }) => kernel))].join(' + ');
}
