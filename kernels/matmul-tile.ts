/** Tiles of a matrix product whose operands pass through workgroup memory. */
import { type Code, type Grid, grid, loop, sizeOf, type Tensor, unroll, when } from '../engine/index.ts';
import { elementsOf, type MatmulCall, OPERANDS, sizes } from './matmul-call.ts';

/** Invocations of a workgroup along the rows and along the columns of its tile. */
const SIDE = 16;
/** Elements of each operand that an invocation brings to workgroup memory at a time. */
const SHARE = 4;

/**
 * `extent` x `extent` outputs of a workgroup, a sixteenth of the rows by a sixteenth of the columns in each invocation's
 * registers. Strips of both operands pass through workgroup memory; while one is multiplied, the next is on its way.
 */
export function tiled(call: MatmulCall, extent: number): Grid {
  const { batch, M, N, K } = sizes(call);
  const depth = (SHARE * SIDE * SIDE) / extent;
  // One vector more than a row of a strip has: rows start in different banks.
  const pitch = extent / 4 + 1;
  const quads = extent / (4 * SIDE);
  const array = { of: 'vec4f', length: depth * pitch } as const;
  /** For each accumulator `sRI_C`: quad of rows, row within it, quad of columns. */
  const accumulators = (code: (r: number, i: number, c: number) => Code) =>
    unroll(quads, (r) => unroll(4, (i) => unroll(quads, (c) => code(r, i, c))));
  return grid({
    ...OPERANDS,
    threads: SIDE * SIDE,
    groups: [Math.ceil(N / extent), Math.ceil(M / extent), sizeOf(batch)],
    shared: { left: array, right: array },
    barriers: true,
    code: ({ left, right, ...operands }) => {
      const { a, b, y } = elementsOf(call, operands);
      const strips = {
        left: strip(call, 0, extent, depth, (m, k) => a(m, k)),
        right: strip(call, 1, extent, depth, (m, k) => b(k, m)),
      };
      const load = (start: string) =>
        unroll(SHARE, (k) => [`l${k} = ${strips.left.load(k, start)};`, `r${k} = ${strips.right.load(k, start)};`]);
      const slot = (array: Tensor, { d, m }: { d: string; m: string }) =>
        `${array(`(${d}) * ${pitch}u + (${m}) / 4u`)}[(${m}) % 4u]`;
      const multiply = [
        unroll(quads, (q) => [
          `let a${q} = ${left(`d * ${pitch}u + row + ${SIDE * q}u`)};`,
          `let b${q} = ${right(`d * ${pitch}u + column + ${SIDE * q}u`)};`,
        ]),
        accumulators((r, i, c) => `s${r}${i}_${c} = fma(vec4f(a${r}[${i}]), b${c}, s${r}${i}_${c});`),
      ];
      const store = (r: number, c: number, e: number) => {
        const i = `(group.y * ${extent}u + row * 4u + ${4 * SIDE * r + (e >> 2)}u)`;
        const j = `(group.x * ${extent}u + column * 4u + ${4 * SIDE * c + (e & 3)}u)`;
        const limits = [M % extent === 0 ? [] : [`${i} < ${M}u`], N % extent === 0 ? [] : [`${j} < ${N}u`]].flat();
        return when(limits.join(' && ') || true, `${y(i, j)} = s${r}${e >> 2}_${c}[${e & 3}];`);
      };
      return [
        'let z = group.z;',
        `let column = thread % ${SIDE}u;`,
        `let row = thread / ${SIDE}u;`,
        accumulators((r, i, c) => `var s${r}${i}_${c} = vec4f();`),
        unroll(SHARE, (k) => [`var l${k}: f32;`, `var r${k}: f32;`]),
        load('0u'),
        loop(
          'start',
          K,
          [
            unroll(SHARE, (k) => [
              `${slot(left, strips.left.place(k))} = l${k};`,
              `${slot(right, strips.right.place(k))} = r${k};`,
            ]),
            'workgroupBarrier();',
            `let next = start + ${depth}u;`,
            when(`next < ${K}u`, load('next')),
            loop('d', depth, multiply),
            'workgroupBarrier();',
          ],
          { step: depth },
        ),
        unroll(quads, (r) => unroll(quads, (c) => unroll(16, (e) => store(r, c, e)))),
      ];
    },
  });
}

/** `depth` rows or columns of an operand, from which the workgroup computes its tile; an invocation brings SHARE elements. */
interface Strip {
  /** Where the k-th of them lies: `d` along the sum, `m` along the rows or columns of y. */
  place(k: number): { d: string; m: string };
  /** Its value where the strip begins at `start`: 0 beyond the end of the sum. */
  load(k: number, start: string): string;
}

/** `element` is the operand at a row or column m of y and at k along the sum. */
function strip(
  call: MatmulCall,
  operand: 0 | 1,
  extent: number,
  depth: number,
  element: (m: string, k: string) => string,
): Strip {
  const { M, N, K } = sizes(call);
  const [outer, inner] = call.inputs[operand]!.strides.slice(-2) as [number, number];
  const kLast = operand === 0 ? !call.params.ta : call.params.tb;
  // Neighbouring invocations along the operand's shorter stride.
  const alongK = kLast ? inner <= outer : outer < inner;
  const place = (k: number) => {
    const e = `(thread + ${SIDE * SIDE * k}u)`;
    return alongK
      ? { d: `${e} % ${depth}u`, m: `${e} / ${depth}u` }
      : { d: `${e} / ${extent}u`, m: `${e} % ${extent}u` };
  };
  const [group, most] = operand === 0 ? ['group.y', M] : ['group.x', N];
  const limited = (index: string, whole: boolean, last: number) => (whole ? `(${index})` : `min(${index}, ${last}u)`);
  const load = (k: number, start: string) => {
    const { d, m } = place(k);
    const at = limited(`${group} * ${extent}u + ${m}`, most % extent === 0, most - 1);
    const from = limited(`${start} + ${d}`, K % depth === 0, K - 1);
    const value = element(at, from);
    return K % depth === 0 ? value : `select(0.0, ${value}, ${start} + ${d} < ${K}u)`;
  };
  return { place, load };
}
