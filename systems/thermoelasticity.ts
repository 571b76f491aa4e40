import { linspace } from './points.ts';
import type { System } from './system.ts';

/** Steady heat conduction and elasticity on (0,1): temperature T drives displacement u through gamma (PAPER 2.1). */
export const thermoelasticity: System = {
  name: 'thermoelasticity',
  title: '1D thermoelasticity',
  coordinates: ['x'],
  networks: [
    { name: 'T', fields: ['T'] },
    { name: 'u', fields: ['u'] },
  ],
  architecture: { hidden: 4, width: 64 },
  parameters: {
    gamma: { value: 10, about: 'thermal stress coefficient: the coupling' },
    kappa: { value: 1, about: 'thermal conductivity', positive: true },
    E: { value: 1, about: "Young's modulus", positive: true },
  },
  coupling: { parameter: 'gamma', values: [1, 5, 10, 20, 50] },

  exact: { T: 'sin(pi*x) + 1', u: 'sin(2*pi*x)' },
  definitions: {
    f_T: 'kappa*pi^2*sin(pi*x)',
    f_u: '4*E*pi^2*sin(2*pi*x) + gamma*pi*cos(pi*x)',
  },
  residuals: {
    RT: '-kappa*T.xx - f_T',
    Ru: '-E*u.xx + gamma*T.x - f_u',
  },
  conditions: [{ group: 'ends', over: 'sum', residuals: ['T - T_exact', 'u - u_exact'] }],

  points: () => ({ interior: { x: linspace(0.01, 0.99, 200) }, ends: { x: Float64Array.of(0, 1) } }),
  evaluation: () => ({ x: linspace(0, 1, 200) }),
  training: { epochs: { adam: 30000, soap: 30000 }, learningRate: 1e-3, soapBetas: [0.99, 0.999] },
};
