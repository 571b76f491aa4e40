export {
  type Architecture,
  layersOf,
  matrixBlocks,
  NetworkError,
  networkKinds,
  parameterCount,
} from './architecture.ts';
export { CAUSAL, CAUSAL_SLICES, sliceEnds } from './causal.ts';
export { CsvError, parseCsv } from './csv.ts';
export { type DefineOptions, defineSystem } from './define.ts';
export { ExpressionError } from './expression.ts';
export { TIME } from './fields.ts';
export { type Layer, type NetworkWeights, unflatten } from './initialise.ts';
export { type Jets, jetsUpTo } from './jets.ts';
export { LEARNED, learnedNames, learnedValues } from './learned.ts';
export {
  appliedSource,
  COLUMNS,
  gramSource,
  partNames,
  type RowsSource,
  residualSource,
  rowsSource,
  transposedSource,
} from './least-squares.ts';
export { type ErrorModel, EVALUATION, errorModel, type LossModel, lossModel, termsOf } from './model.ts';
export { nearest } from './nearest.ts';
export { network, unpack } from './network.ts';
export { predict } from './predict.ts';
export {
  type DataInput,
  momentsOf,
  nameOf,
  type PointGroups,
  type Problem,
  problemOf,
  type Run,
  seeded,
} from './problem.ts';
export { checkReference } from './reference.ts';
export { addSystem, asSystem, checkName, isKnown, systemNamed, systems, UnknownSystemError } from './registry.ts';
export { type LayerRows, type NetworkLayers, networkRows, rowParts } from './rows.ts';
export { chosen, grid } from './sampling.ts';
export { SystemError, type SystemSpec } from './spec.ts';
export { type Stack, stacksOf } from './stack.ts';
export {
  type Condition,
  type Coordinates,
  countOf,
  FLOAT32_RANGE,
  fieldsOf,
  inFloat32,
  type NetworkShape,
  type Optimizer,
  ParameterError,
  type Parameters,
  type Resampling,
  resolveParameters,
  type System,
} from './system.ts';
export { thermoelasticity } from './thermoelasticity.ts';
export {
  initialTheta,
  initialThetas,
  inputValues,
  knownValues,
  type NetworkRows,
  shareThetas,
} from './values.ts';
