import { linspace } from './points.ts';
import type { System } from './system.ts';

/** Two fields that force each other equally: the model problem of the spectral theory (PAPER 2.5). */
export const symmetric: System = {
  name: 'symmetric',
  title: 'symmetrically coupled model problem',
  coordinates: ['x'],
  networks: [
    { name: 'u', fields: ['u'] },
    { name: 'v', fields: ['v'] },
  ],
  architecture: { hidden: 4, width: 64 },
  parameters: { k: { value: 1, about: 'the coupling' } },
  coupling: { parameter: 'k', values: [0.1, 0.5, 1, 2, 5, 10, 20, 50, 100] },

  exact: { u: 'sin(pi*x)', v: 'sin(2*pi*x)' },
  definitions: {
    f1: 'pi^2*sin(pi*x) + k*v_exact',
    f2: '4*pi^2*sin(2*pi*x) + k*u_exact',
  },
  residuals: {
    R1: '-u.xx + k*v - f1',
    R2: '-v.xx + k*u - f2',
  },
  conditions: [{ group: 'ends', over: 'sum', residuals: ['u - u_exact', 'v - v_exact'] }],

  points: () => ({ interior: { x: linspace(0.01, 0.99, 200) }, ends: { x: Float64Array.of(0, 1) } }),
  evaluation: () => ({ x: linspace(0, 1, 200) }),
  training: { epochs: { adam: 30000, soap: 30000 }, learningRate: 1e-3, soapBetas: [0.99, 0.999] },
};
