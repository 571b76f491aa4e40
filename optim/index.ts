export * from './adam.ts';
export { eigenvectors } from './eigen.ts';
export * from './soap.ts';
export * from './weighting.ts';
