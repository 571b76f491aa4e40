/**
 * Part 6: from a tape to a GPU program.
 *
 * `compile` in `engine/gpu/compile.ts` turns inputs and outputs of a tape into a Plan: which dispatches, in which order,
 * over which buffers. A plan is data and needs no GPU; `Program` uploads it and runs it, many steps to a submission.
 */
import { expect, it } from 'vitest';
import { compile } from '../../engine/gpu/compile.ts';
import type { Capabilities } from '../../engine/gpu/kernel.ts';
import type { Plan } from '../../engine/gpu/plan.ts';
import { grad, input, matmul, mean, mul, newTape, square, sub, tanh } from '../../engine/tape/index.ts';

/** An adapter with the least that WebGPU promises. */
const device: Capabilities = {
  subgroups: false,
  subgroupMinSize: 4,
  subgroupMaxSize: 4,
  workgroupMemory: 16384,
  maxInvocations: 256,
  maxStorageBuffers: 8,
  software: true,
};

/** One line for each dispatch: where it comes from, what runs, on which slots. */
const schedule = ({ dispatches }: Plan) =>
  dispatches.map(({ scope, kernel, bindings }) => {
    const of = (kind: string) => bindings.filter(({ access }) => access === kind).map(({ slot }) => slot);
    return `${scope}: ${kernel} reads ${of('read')} writes ${of('read_write')}`;
  });

it('fuses pointwise nodes into one dispatch', () => {
  // Five primitives, one shader. Buffers are read once and written once; what lies between stays in registers.
  const tape = newTape();
  const x = input(tape, 'x', [1000]);
  const y = input(tape, 'y', [1000]);
  const z = tape.scope('wave', () => tanh(mul(sub(x, y), square(sub(x, y)))));
  const plan = compile({ inputs: { x, y }, outputs: { z } }, { library: [], device });
  expect(schedule(plan)).toEqual(['wave: generated reads 0,1 writes 2']);

  // Each primitive is spelled by its row in `ops.ts`; common subexpressions were merged before.
  const { code, workgroups } = plan.dispatches[0]!;
  expect(code.match(/= .*v\d+.*;/g)).toMatchInlineSnapshot(`
    [
      "= (v0 - v1);",
      "= (v2 * v2);",
      "= (v2 * v3);",
      "= tapir_tanh(v4);",
      "= v5;",
    ]
  `);
  expect(code).toContain('@compute');
  expect(code.match(/v0 - v1/g)).toHaveLength(1);

  // 64 invocations to a workgroup: 1000 elements need 16.
  expect(workgroups).toEqual([16, 1, 1]);
});

/** A step of gradient descent: loss and update on one tape, compiled once. */
function descent({ withLoss = true } = {}): Plan {
  const tape = newTape();
  const x = input(tape, 'x', [20, 3]);
  const W = input(tape, 'W', [3, 4]);
  const rate = input(tape, 'rate', []);
  const h = tape.scope('layer', () => tanh(matmul(x, W)));
  const loss = tape.scope('loss', () => mean(square(h), undefined, false));
  const [gradient] = grad(loss, [W]);
  const next = tape.scope('descend', () => sub(W, mul(rate, gradient!)));
  return compile(
    { inputs: { x, W, rate }, outputs: withLoss ? { loss, next } : { next }, state: { W: 'next' } },
    { library: [], device },
  );
}

it('splits where an operation needs other elements than its own', () => {
  // A matrix product reads whole rows and columns, so it is a dispatch of its own, and the pointwise work before and
  // after it is fused on either side. What nobody waits for, as the loss, goes last, together with what is due then.
  // `(adjoint)` marks what reverse mode appended: the provenance of part 1.
  expect(schedule(descent())).toMatchInlineSnapshot(`
    [
      "layer: matmul.dot reads 0,1 writes 4",
      "layer (adjoint): generated reads 4 writes 5",
      "layer (adjoint): matmul.dot reads 0,5 writes 6",
      "loss, descend: generated reads 4,2,6 writes 5,3,1",
    ]
  `);
});

it('plans memory by how long values live', () => {
  // Inputs and outputs have slots of their own. Temporaries share: a slot is used again once nobody needs what it held.
  // In the schedule above slot 5 holds the cotangent of x W and, once the sweep back has read it, what the loss sums up.
  const { slots, inputs, outputs } = descent();
  expect(slots).toHaveLength(7);
  // Without the loss nobody needs x W to the end, and the gradient takes its slot.
  expect(schedule(descent({ withLoss: false }))[2]).toBe('layer (adjoint): matmul.dot reads 0,4 writes 3');
  expect(slots.slice(0, 4).map(({ names }) => names)).toMatchInlineSnapshot(`
    [
      [
        "x",
      ],
      [
        "W",
        "next",
      ],
      [
        "rate",
      ],
      [
        "loss",
      ],
    ]
  `);

  // W is state: after a step it takes the value of `next`. Both live in one slot, updated in place, so nothing is copied
  // between steps and the parameters never leave the GPU.
  expect(inputs['W']!.slot).toBe(outputs['next']!.slot);
});

it('keeps what changes between runs out of the code', () => {
  // The rate is an input, so another rate is another upload and not another shader. A constant is part of the code.
  const codes = descent().dispatches.map(({ code }) => code);
  expect(descent().dispatches.map(({ code }) => code)).toEqual(codes);
  expect(Object.keys(descent().inputs)).toEqual(['x', 'W', 'rate']);
});

it('takes a kernel for a composite where the library has one', async () => {
  // Here there is none, so the body is compiled. The other way round is the test of every handwritten kernel: compile
  // one tape with the library and without, run both, compare. Deleting a kernel changes speed and nothing else.
  const { denseJet } = await import('../../kernels/index.ts');
  const tape = newTape();
  const S = input(tape, 'S', [1, 3, 2, 50]);
  const W = input(tape, 'W', [1, 8, 2]);
  const b = input(tape, 'b', [1, 8]);
  const z = denseJet(S, W, b, { D: 1, second: true, from: 'linear', to: 'tanh' });
  expect(tape.nodes.map(({ op }) => op)).toEqual(['input', 'input', 'input', 'composite', 'pick']);
  const plan = compile({ inputs: { S, W, b }, outputs: { z } }, { library: [], device });
  expect(plan.graph.nodes.some(({ op }) => op === 'composite')).toBe(false);
  expect(plan.dispatches.map(({ kernel }) => kernel)).toContain('matmul.dot');
});
