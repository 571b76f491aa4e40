export * from './adam.ts';
export { eigenvectors, NonFiniteMatrixError } from './eigen.ts';
export * from './soap.ts';
export { type FactorStack, type MatrixBlock, planSoap, type SoapPlan } from './soap-plan.ts';
export * from './weighting.ts';
