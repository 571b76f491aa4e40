export { type Arithmetic, type Element, joinPairs, literal, splitPairs } from './arithmetic.ts';
export { calledBy } from './calls.ts';
export { compile } from './compile.ts';
export * from './device.ts';
export type { MatmulParams } from './dot.ts';
export { addProduct, doubleSingle, type Spelling } from './double-single.ts';
export * from './errors.ts';
export { buildFor, buildText, gridCode, layoutOf } from './grids.ts';
export {
  type Build,
  type Call,
  type Capabilities,
  type Grid,
  grid,
  type Kernel,
  type Layout,
  operandBytes,
  type Tensor,
  UnknownVersionError,
  type Version,
} from './kernel.ts';
export type { CompileOptions, Library, Plan, PlannedCall, Slot, Source } from './plan.ts';
export { Program, type Timing } from './program.ts';
export { ArithmeticError, doubleSingleOn, firstExact, isExact } from './prove.ts';
export { SavedValues } from './saved.ts';
export { BindingLimitError } from './schedule.ts';
export { type Noted, Recorder, type Sequence } from './sequence.ts';
export { simdLanes } from './software.ts';
export { SourceError } from './source.ts';
export { nestedSum } from './sums.ts';
export { shareTemporaries } from './temporaries.ts';
export { block, type Code, type Index, loop, range, scope, unroll, wgsl, when } from './wgsl.ts';
