import { linspace } from './points.ts';
import type { System } from './system.ts';

/** Three species A <-> B <-> C on (0,1), coupled both ways through the rates k (PAPER 2.2). */
export const reactionDiffusion: System = {
  name: 'reaction-diffusion',
  title: '1D reaction-diffusion of three species',
  coordinates: ['x'],
  networks: [
    { name: 'cA', fields: ['cA'] },
    { name: 'cB', fields: ['cB'] },
    { name: 'cC', fields: ['cC'] },
  ],
  architecture: { hidden: 4, width: 64 },
  parameters: {
    k1: { value: 5, about: 'rate A -> B' },
    k2: { value: 5, about: 'rate B -> A' },
    k3: { value: 5, about: 'rate B -> C' },
    k4: { value: 5, about: 'rate C -> B' },
    D1: { value: 1, about: 'diffusivity of A', positive: true },
    D2: { value: 1, about: 'diffusivity of B', positive: true },
    D3: { value: 1, about: 'diffusivity of C', positive: true },
  },
  coupling: { parameter: 'k', sets: ['k1', 'k2', 'k3', 'k4'], values: [0.5, 5, 10, 30] },

  exact: { cA: 'sin(pi*x) + 2', cB: 'cos(pi*x) + 2', cC: 'sin(2*pi*x) + 2' },
  definitions: {
    f1: '-D1*pi^2*sin(pi*x) - k1*cA_exact + k2*cB_exact',
    f2: '-D2*pi^2*cos(pi*x) + k1*cA_exact - (k2 + k3)*cB_exact + k4*cC_exact',
    f3: '-4*D3*pi^2*sin(2*pi*x) + k3*cB_exact - k4*cC_exact',
  },
  residuals: {
    R1: 'D1*cA.xx - k1*cA + k2*cB - f1',
    R2: 'D2*cB.xx + k1*cA - (k2 + k3)*cB + k4*cC - f2',
    R3: 'D3*cC.xx + k3*cB - k4*cC - f3',
  },
  conditions: [{ group: 'ends', over: 'sum', residuals: ['cA - cA_exact', 'cB - cB_exact', 'cC - cC_exact'] }],

  points: () => ({ interior: { x: linspace(0.01, 0.99, 200) }, ends: { x: Float64Array.of(0, 1) } }),
  evaluation: () => ({ x: linspace(0, 1, 500) }),
  training: { epochs: { adam: 30000, soap: 30000 }, learningRate: 1e-3, soapBetas: [0.99, 0.999] },
};
