export {
  type CompileOptions,
  compile,
  type Library,
  type Plan,
  type PlannedCall,
  type Slot,
  type Source,
} from './compile.ts';
export * from './device.ts';
export * from './errors.ts';
export {
  address,
  type Build,
  type Call,
  type Capabilities,
  element,
  type Grid,
  type Kernel,
  type Layout,
  operandBytes,
  simdLanes,
  UnknownVersionError,
  type Version,
} from './kernel.ts';
export { BufferSizeError, Program, type Timing, UnknownValueError } from './program.ts';
export { shareTemporaries } from './temporaries.ts';
