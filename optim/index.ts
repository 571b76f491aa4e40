export * from './adam.ts';
export * from './weighting.ts';
