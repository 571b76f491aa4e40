/**
 * Part 5: simplification and composites.
 *
 * Rules that build nodes build too many: factors of one, sums with zero, the same cosine twice. `simplify.ts` removes
 * them in three named passes from graph to graph. A composite (`composite` in `build.ts`) is the opposite tool: it
 * gives a piece of tape a name, so that a kernel may stand in for it.
 */
import { expect, it } from 'vitest';
import {
  add,
  composite,
  evaluate,
  fold,
  grad,
  graphOf,
  input,
  matmul,
  merge,
  mul,
  newTape,
  print,
  simplify,
  sin,
  square,
  sum,
  tanh,
  type Var,
} from '../../engine/tape/index.ts';

it('removes what derivative rules leave behind', () => {
  const tape = newTape();
  const x = input(tape, 'x', []);
  const raw = graphOf([x], grad(sin(square(x)), [x]));
  expect(print(raw)).toMatchInlineSnapshot(`
    "%0  []  input x
    %1  []  mul %0 %0
    %2  []  constant {value=1}
    %3  []  cos %1
    %4  []  mul %2 %3
    %5  []  mul %4 %0
    %6  []  mul %4 %0
    %7  []  add %5 %6
            -> %7"
  `);

  // `fold` does arithmetic on constants and takes x*1 as x; `merge` makes equal nodes one; `drop` leaves out what no
  // output needs (so does `print`). Each can be looked at alone; `simplify` runs them until folding finds no more.
  expect(print(fold(raw))).toMatchInlineSnapshot(`
    "%0  []  input x
    %1  []  mul %0 %0
    %2  []  cos %1
    %3  []  mul %2 %0
    %4  []  mul %2 %0
    %5  []  add %3 %4
            -> %5"
  `);
  expect(print(merge(raw))).toMatchInlineSnapshot(`
    "%0  []  input x
    %1  []  mul %0 %0
    %2  []  constant {value=1}
    %3  []  cos %1
    %4  []  mul %2 %3
    %5  []  mul %4 %0
    %6  []  add %5 %5
            -> %6"
  `);
  const simple = simplify(raw);
  expect(print(simple)).toMatchInlineSnapshot(`
    "%0  []  input x
    %1  []  mul %0 %0
    %2  []  cos %1
    %3  []  mul %2 %0
    %4  []  add %3 %3
            -> %4"
  `);

  expect(evaluate(simple, [[0.7]])[0]![0]).toBeCloseTo(evaluate(raw, [[0.7]])[0]![0]!, 15);
});

const layer = (x: Var, W: Var) => composite('layer', {}, [x, W], ([x, W]) => [tanh(matmul(x!, W!))])[0]!;

it('gives a piece of tape a name', () => {
  // One node stands for the piece, with the piece as its body; `pick` takes an output of it. To the interpreter a
  // composite is its body. To the compiler it is a kernel, if the library has one of that name.
  const tape = newTape();
  const x = input(tape, 'x', [5, 2]);
  const W = input(tape, 'W', [2, 3]);
  expect(print(graphOf([x, W], [layer(x, W)]))).toMatchInlineSnapshot(`
    "%0  [5,2]  input x
    %1  [2,3]  input W
    %2         composite %0 %1 layer
    %3  [5,3]  pick %2 {index=0}
               -> %3

    layer [5,2] [2,3] =
    %0  [5,2]  input in0
    %1  [2,3]  input in1
    %2  [5,3]  matmul %0 %1 {ta=false tb=false}
    %3  [5,3]  tanh %2
               -> %3"
  `);
});

it('differentiates a composite to a composite', () => {
  // The adjoint of `layer` is a composite named `vjp(layer)`: a handwritten forward kernel can have a handwritten
  // backward kernel. Its body was found by differentiating the body. It takes the inputs, the outputs and the
  // cotangents: `out0` is tanh as the forward pass left it, so the backward pass does not compute it again.
  // (`in1` is W, which d/dW does not need; printing leaves out what outputs do not need.)
  const tape = newTape();
  const x = input(tape, 'x', [5, 2]);
  const W = input(tape, 'W', [2, 3]);
  const [dW] = grad(sum(layer(x, W), undefined, false), [W]);
  expect(print(simplify(graphOf([x, W], [dW!])))).toMatchInlineSnapshot(`
    "%0  [5,2]  input x
    %1  [2,3]  input W
    %2         composite %0 %1 layer
    %3  []     constant {value=1}
    %4  [5,3]  broadcast %3
    %5  [5,3]  pick %2 {index=0}
    %6         composite %0 %1 %5 %4 vjp(layer){wrt=[1]}
    %7  [2,3]  pick %6 {index=0}
               -> %7

    layer [5,2] [2,3] =
    %0  [5,2]  input in0
    %1  [2,3]  input in1
    %2  [5,3]  matmul %0 %1 {ta=false tb=false}
    %3  [5,3]  tanh %2
               -> %3

    vjp(layer){wrt=[1]} [5,2] [2,3] [5,3] [5,3] =
    %0  [5,2]  input in0
    %1  [5,3]  input out0
    %2  [5,3]  input given0
    %3  [5,3]  mul %1 %1
    %4  []     constant {value=1}
    %5  [5,3]  broadcast %4
    %6  [5,3]  sub %5 %3
    %7  [5,3]  mul %2 %6
    %8  [2,3]  matmul %0 %7 {ta=true tb=false}
               -> %8"
  `);
});

it('means the same with and without its name', () => {
  const tape = newTape();
  const x = input(tape, 'x', [1, 2]);
  const W = input(tape, 'W', [2, 2]);
  const loss = (y: Var) => sum(add(square(y), mul(3, y)), undefined, false);
  const [named] = grad(loss(layer(x, W)), [W]);
  const [plain] = grad(loss(tanh(matmul(x, W))), [W]);
  const [a, b] = evaluate(graphOf([x, W], [named!, plain!]), [
    [0.3, -0.8],
    [0.5, 0.1, -0.4, 1.2],
  ]);
  a!.forEach((value, k) => {
    expect(value).toBeCloseTo(b![k]!, 14);
  });
});
