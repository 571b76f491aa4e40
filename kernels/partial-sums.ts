/**
 * Products over long sums, as products over parts of them and the sums of those. Rounding errors of a sum grow with the
 * number of its terms: for 1e5 equal ones added in turn to 7e-4. In parts they stay below 1e-6, and the parts run at once.
 */
import {
  type Build,
  type Call,
  type Grid,
  grid,
  type Layout,
  type MatmulParams,
  nestedSum,
  range,
  sizeOf,
  stridesOf,
  when,
} from '../engine/index.ts';

/** Sums of at most this many terms are added up in turn. */
const LONG = 512;
/** Terms of a part: few enough for errors below 1e-6. */
const PART = 64;
/** A sum of fewer parts is not worth a stage of its own. */
const FEWEST = 4;

/**
 * Terms of a part of a call's sums, or null where these are short. Parts of large products are longer, so that the partial
 * sums take no more than twice the memory of the operands.
 */
export function partOf(M: number, N: number, K: number): number | null {
  const part = PART * Math.max(1, Math.ceil((M * N) / (2 * (M + N)) / PART));
  return K > LONG && K > FEWEST * part ? part : null;
}

/** A product of parts of the operands, whose result is one or more partial sums. */
interface Part {
  readonly call: Call<MatmulParams>;
  /** First elements in a, b and the partial sums. */
  readonly from: readonly [number, number, number];
}

/** The build of a product in parts of `part` terms; `build` is that of a product, with operands named a, b and y. */
export function inParts(call: Call<MatmulParams>, part: number, build: (call: Call<MatmulParams>) => Grid): Build {
  const K = call.inputs[0]!.shape.at(call.params.ta ? -2 : -1)!;
  const size = sizeOf(call.outputs[0]!.shape);
  const whole = Math.floor(K / part);
  const parts = [partsOf(call, 0, whole, part), ...(K % part > 0 ? [partsOf(call, whole, 1, part, K % part)] : [])];
  const count = Math.ceil(K / part);
  const products = parts.map(({ call: of, from }): Grid => {
    const [a, b] = of.inputs as [Layout, Layout];
    return {
      ...build(of),
      reads: { a: { input: 0, as: a, from: from[0] }, b: { input: 1, as: b, from: from[1] } },
      writes: { y: { scratch: 0, as: of.outputs[0]!, from: from[2] } },
    };
  });
  return { scratch: [count * size], stages: [products, [sumOfParts(call.outputs[0]!, count)]] };
}

/** `count` parts from number `first` on as a batch axis of their own. */
function partsOf(call: Call<MatmulParams>, first: number, count: number, part: number, terms = part): Part {
  const { params, inputs, outputs } = call;
  const axisOf = (operand: 0 | 1) => (operand === 0 ? (params.ta ? 0 : 1) : params.tb ? 1 : 0);
  const operand = (which: 0 | 1): { layout: Layout; from: number } => {
    const { shape, strides } = inputs[which]!;
    const axis = axisOf(which);
    const stride = strides.slice(-2)[axis]!;
    const ends = shape.slice(-2).map((extent, k) => (k === axis ? terms : extent));
    return {
      layout: {
        shape: [...shape.slice(0, -2), count, ...ends],
        strides: [...strides.slice(0, -2), part * stride, ...strides.slice(-2)],
      },
      from: first * part * stride,
    };
  };
  const { shape } = outputs[0]!;
  const size = sizeOf(shape);
  const dense = stridesOf(shape);
  const y = {
    shape: [...shape.slice(0, -2), count, ...shape.slice(-2)],
    strides: [...dense.slice(0, -2), size, ...dense.slice(-2)],
  };
  const [a, b] = [operand(0), operand(1)];
  return { call: { params, inputs: [a.layout, b.layout], outputs: [y] }, from: [a.from, b.from, first * size] };
}

/** One invocation for each element of the product. */
function sumOfParts({ shape }: Layout, count: number): Grid {
  const size = sizeOf(shape);
  const at = range(shape.length).map((axis) => `(e / ${sizeOf(shape.slice(axis + 1))}u) % ${shape[axis]}u`);
  return grid({
    label: 'sum',
    reads: { parts: { scratch: 0, as: { shape: [count, size], strides: [size, 1] } } },
    writes: { y: { output: 0 } },
    threads: 64,
    groups: [Math.ceil(size / 64), 1, 1],
    code: ({ parts, y }) => {
      const { code, sum } = nestedSum(count, (total, k) => `${total} += ${parts(k, 'e')};`);
      return ['let e = group.x * 64u + thread;', when(`e >= ${size}u`, 'return;'), code, `${y(...at)} = ${sum};`];
    },
  });
}
