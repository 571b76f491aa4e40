/** Matrix multiplication where the library has no kernel for it: one invocation and one dot product for each element. */
import { matmul } from '../tape/build.ts';
import { sizeOf } from '../tape/shape.ts';
import { addProduct } from './double-single.ts';
import { type Call, element, type Kernel, operandBytes } from './kernel.ts';

export const dotProduct: Kernel = {
  name: 'matmul',
  means: ([a, b], { ta, tb }) => [matmul(a!, b!, { ta: ta as boolean, tb: tb as boolean })],
  flops: ({ inputs, outputs, params }) => 2 * sizeOf(outputs[0]!.shape) * inputs[0]!.shape.at(params['ta'] ? -2 : -1)!,
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

function build({ params, inputs, outputs }: Call) {
  const [a, b] = inputs as [Call['inputs'][0], Call['inputs'][0]];
  const y = outputs[0]!;
  const size = sizeOf(y.shape);
  const rank = y.shape.length;
  const at = y.shape.map((extent, axis) => `(i / ${sizeOf(y.shape.slice(axis + 1))}u) % ${extent}u`);
  const [row, column] = at.slice(-2) as [string, string];
  const batch = at.slice(0, rank - 2);
  const left = [...batch, ...(params['ta'] ? ['k', row] : [row, 'k'])];
  const right = [...batch, ...(params['tb'] ? [column, 'k'] : ['k', column])];
  const [l, r] = [element('a', a, left), element('b', b, right)];
  const double = y.of === 'vec2f';
  const next = double ? addProduct('dot', l, r, [a.of ?? 'f32', b.of ?? 'f32']) : `dot + ${l} * ${r}`;
  const code = `
  let i = group.x * 64u + thread;
  if (i >= ${size}u) { return; }
  var dot = ${double ? 'vec2f()' : '0.0'};
  for (var k = 0u; k < ${a.shape.at(params['ta'] ? -2 : -1)}u; k++) {
    dot = ${next};
  }
  ${element('y', y, at)} = ${double ? 'ds_normal(dot)' : 'dot'};`;
  const operands = { reads: { a: { input: 0 }, b: { input: 1 } }, writes: { y: { output: 0 } } };
  return { stages: [[{ ...operands, code, threads: 64, groups: [Math.ceil(size / 64), 1, 1] as const }]] };
}
