export { type Architecture, layersOf, matrixBlocks, NetworkError, parameterCount } from './architecture.ts';
export { ExpressionError } from './expression.ts';
export { type Layer, type NetworkWeights, unflatten } from './initialise.ts';
export { type ErrorModel, errorModel, type LossModel, lossModel, type Stack, stacksOf } from './model.ts';
export { network, unpack } from './network.ts';
export {
  initialTheta,
  inputValues,
  knownValues,
  type NetworkRows,
  type PointGroups,
  type Run,
  shareThetas,
} from './problem.ts';
export { systemNamed, systems, UnknownSystemError } from './registry.ts';
export { type LayerRows, type NetworkLayers, networkRows, rowParts } from './rows.ts';
export {
  type Condition,
  type Coordinates,
  countOf,
  fieldsOf,
  type NetworkShape,
  type Optimizer,
  ParameterError,
  type Parameters,
  resolveParameters,
  type System,
} from './system.ts';
export { thermoelasticity } from './thermoelasticity.ts';
