/** Matrix multiplication where the library has no kernel for it: one invocation and one dot product for each element. */
import { matmul } from '../tape/build.ts';
import { sizeOf } from '../tape/shape.ts';
import type { ParamsOf } from '../tape/tape.ts';
import { addProduct } from './double-single.ts';
import { type Call, grid, type Kernel, type Layout, operandBytes } from './kernel.ts';
import { nestedSum } from './sums.ts';
import { loop, when } from './wgsl.ts';

export type MatmulParams = ParamsOf['matmul'];

export const dotProduct: Kernel<MatmulParams> = {
  name: 'matmul',
  means: ([a, b], params) => [matmul(a!, b!, params)],
  flops: ({ inputs, outputs, params }) => 2 * sizeOf(outputs[0]!.shape) * inputs[0]!.shape.at(params.ta ? -2 : -1)!,
  bytes: operandBytes,
  cases: [
    {
      params: { ta: false, tb: false },
      shapes: [
        [3, 4, 5],
        [3, 5, 2],
      ],
    },
  ],
  versions: [{ name: 'dot', why: 'the definition, for any layout', supports: () => true, build }],
};

function build({ params, inputs, outputs }: Call<MatmulParams>) {
  const { ta, tb } = params;
  const { shape } = outputs[0]!;
  const size = sizeOf(shape);
  const at = shape.map((extent, axis) => `(i / ${sizeOf(shape.slice(axis + 1))}u) % ${extent}u`);
  const [row, column] = at.slice(-2) as [string, string];
  const batch = at.slice(0, -2);
  const [left, right] = inputs as [Layout, Layout];
  const double = outputs[0]!.of === 'vec2f';
  const elements = [left.of ?? 'f32', right.of ?? 'f32'] as const;
  const product = grid({
    reads: { a: { input: 0 }, b: { input: 1 } },
    writes: { y: { output: 0 } },
    threads: 64,
    groups: [Math.ceil(size / 64), 1, 1],
    code: ({ a, b, y }) => {
      const l = (k: string) => a(...batch, ...(ta ? [k, row] : [row, k]));
      const r = (k: string) => b(...batch, ...(tb ? [column, k] : [k, column]));
      const depth = left.shape.at(ta ? -2 : -1)!;
      const start = ['let i = group.x * 64u + thread;', when(`i >= ${size}u`, 'return;')];
      if (double)
        return [
          start,
          'var dot = vec2f();',
          loop('k', depth, `dot = ${addProduct('dot', l('k'), r('k'), elements)};`),
          `${y(...at)} = ds_normal(dot);`,
        ];
      const { code, sum } = nestedSum(depth, (dot, k) => `${dot} += ${l(k)} * ${r(k)};`);
      return [start, code, `${y(...at)} = ${sum};`];
    },
  });
  return { stages: [[product]] };
}
