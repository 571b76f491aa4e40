export * from './build.ts';
export { grad, jacobian, jvp, vjp } from './derive.ts';
export { evaluate } from './evaluate.ts';
export { type Jet, jet } from './jet.ts';
export { newTape, ops } from './ops.ts';
export { print } from './print.ts';
export { type Shape, ShapeError, sizeOf, stridesOf } from './shape.ts';
export { drop, fold, merge, passes, simplify } from './simplify.ts';
export { type Graph, graphOf, type Node, type OpName, type Params, reachable, type Tape, Var } from './tape.ts';
