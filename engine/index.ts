export * from './gpu/index.ts';
export * from './tape/index.ts';
