export * from './adam.ts';
export { factorize, substitute } from './cholesky.ts';
export { eigenvectors, NonFiniteMatrixError } from './eigen.ts';
export {
  formOf,
  type GaussNewtonSettings,
  type GaussNewtonState,
  type GaussNewtonStep,
  gaussNewtonStep,
  type LeastSquares,
  type Linearization,
  nextDamping,
  startOf,
} from './gauss-newton.ts';
export { hostGram, type LayerFactors, type RowSpan } from './gram.ts';
export { type Columns, layerColumns, lowerNormal } from './normal.ts';
export * from './soap.ts';
export { type FactorStack, type MatrixBlock, planSoap, type SoapPlan } from './soap-plan.ts';
export * from './weighting.ts';
