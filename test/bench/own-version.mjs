/** A version of one's own as `--kernel-file` takes it: a product of two square matrices, a row for each invocation. */
export default {
  kernel: 'matmul',
  version: {
    name: 'rows',
    why: 'for a test: one invocation computes a row of the product',
    supports: ({ params, inputs }) =>
      !params.ta && !params.tb && inputs.every(({ shape }) => shape.length === 2 && shape[0] === shape[1]),
    build: ({ inputs: [a] }) => {
      const n = a.shape[0];
      const rows = {
        reads: { a: { input: 0 }, b: { input: 1 } },
        writes: { y: { output: 0 } },
        threads: 64,
        groups: [Math.ceil(n / 64), 1, 1],
        code: ({ a, b, y }) => [
          'let i = group.x * 64u + thread;',
          `if (i >= ${n}u) { return; }`,
          `for (var j = 0u; j < ${n}u; j++) {`,
          '  var dot = 0.0;',
          `  for (var k = 0u; k < ${n}u; k++) { dot += ${a('i', 'k')} * ${b('k', 'j')}; }`,
          `  ${y('i', 'j')} = dot;`,
          '}',
        ],
      };
      return { stages: [[rows]] };
    },
  },
};
