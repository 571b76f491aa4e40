export * from './adam.ts';
export { factorize, substitute } from './cholesky.ts';
export { eigenvectors, NonFiniteMatrixError } from './eigen.ts';
export {
  type Blocks,
  blockings,
  formOf,
  type GaussNewtonSettings,
  type GaussNewtonState,
  type GaussNewtonStep,
  gaussNewtonStep,
  type LeastSquares,
  type Linearization,
  nextDamping,
  type Span,
  startOf,
} from './gauss-newton.ts';
export { hostGram, type LayerFactors, type RowSpan } from './gram.ts';
export { type LbfgsState, lbfgsStep, REMEMBERED, startOfLbfgs, twoLoops } from './lbfgs.ts';
export { type Columns, layerColumns, lowerNormal } from './normal.ts';
export * from './schedule.ts';
export * from './soap.ts';
export { type FactorStack, MAX_PRECOND_DIM, type MatrixBlock, planSoap, type SoapPlan } from './soap-plan.ts';
export {
  type BroydenState,
  broydenStep,
  MOST_DENSE,
  memberOf,
  type QuasiNewtonStep,
  startOfBroyden,
  updateInverse,
} from './ssbroyden.ts';
export * from './weighting.ts';
export { type Evaluated, evaluated, wolfeSearch } from './wolfe.ts';
