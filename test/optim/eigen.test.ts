/** The eigenvectors that SOAP starts from: what they are is tested with SOAP, here what they cannot be. */
import { describe, expect, it } from 'vitest';
import { eigenvectors, NonFiniteMatrixError } from '../../optim/index.ts';

describe('eigenvectors', () => {
  it('of a matrix that is not finite do not exist: an error says which and where', () => {
    const pair = [1, 0, 0, 1, 2, Number.NaN, 0, 2];
    expect(() => eigenvectors(pair, 2, 2)).toThrow(NonFiniteMatrixError);
    expect(() => eigenvectors(pair, 2, 2)).toThrow('matrix 1 has no eigenvectors: its element [0,1] is NaN');
    expect(() => eigenvectors([Number.POSITIVE_INFINITY], 1, 1)).toThrow('element [0,0] is Infinity');
  });
});
